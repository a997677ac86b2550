"""QuickBooks Online books in DuckDB, byte for byte, kept current through Dagster."""
