"""Where Bronze is kept: a DuckDB file or a DuckLake, behind one protocol."""
