"""The Silver assets: one per entity type with everything inside it, and their checks."""
