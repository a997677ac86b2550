"""An installation inside somebody else's Dagster project: definitions, resource, component."""
