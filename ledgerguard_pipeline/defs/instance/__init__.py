"""The Dagster instance of an installation: home, storage, run queue, daemon."""
