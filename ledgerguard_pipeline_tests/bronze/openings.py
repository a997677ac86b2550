"""A supplier of connections that notes how often a Bronze file is opened, and for what."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import duckdb

from ledgerguard_pipeline.bronze.backends.kept_instance import Connect


class Noting:
    """A connection that notes each ATTACH; everything else is DuckDB's own."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, openings: list[bool], kind: bool
    ) -> None:
        self._connection = connection
        self._openings = openings
        self._kind = kind

    def cursor(self) -> Noting:
        return Noting(self._connection.cursor(), self._openings, self._kind)

    def execute(self, statement: str, *values: object) -> duckdb.DuckDBPyConnection:
        if statement.startswith("ATTACH"):
            self._openings.append(self._kind)
        return self._connection.execute(statement, *values)

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)


def noting(openings: list[bool]) -> Connect:
    """``openings`` gets whether the file was opened for reading only, each time it was."""

    def connect(_file: Path, read_only: bool) -> duckdb.DuckDBPyConnection:
        connection = Noting(duckdb.connect(":memory:"), openings, read_only)
        return cast("duckdb.DuckDBPyConnection", connection)

    return connect
