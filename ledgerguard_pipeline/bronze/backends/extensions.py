"""DuckDB's extensions from wheels: loaded from site-packages, never downloaded."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import duckdb

from ledgerguard_pipeline.errors import ConfigurationError

_INSTALL = "run `scripts/setup scale` or pip install 'ledgerguard-pipeline[scale]'"


def load_extension(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Load one extension of exactly this DuckDB's version.

    Raises:
        ConfigurationError: its package is not installed, or was built for another DuckDB.
    """
    package = f"duckdb_extension_{name}"
    found = importlib.util.find_spec(package)
    version = f"v{duckdb.__version__}"
    file = (
        None
        if found is None or found.origin is None
        else Path(found.origin).parent / "extensions" / version / f"{name}.duckdb_extension"
    )
    if file is None or not file.is_file():
        raise ConfigurationError(
            f"LEDGERGUARD_BRONZE_URL names a DuckLake, but DuckDB's extension {name} for "
            f"{version} is not installed; {_INSTALL}."
        )
    path = str(file).replace("'", "''")
    try:
        connection.execute(f"LOAD '{path}'")
    except duckdb.Error as error:
        raise ConfigurationError(
            f"DuckDB's extension {name} cannot be loaded ({error!s:.120}); {_INSTALL}."
        ) from error
