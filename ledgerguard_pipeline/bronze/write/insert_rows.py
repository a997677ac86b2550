"""A few rows by bound parameters, more of them through Arrow."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from ledgerguard_pipeline.bronze import statements

_FEW = 8
"""Up to so many rows are bound; binding a hundred takes longer than handing over a table."""


def insert_rows(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    columns: Sequence[str],
    rows: Sequence[tuple[object, ...]],
) -> None:
    """Insert rows of text, numbers, instants, bytes and NULL with one statement."""
    if not rows:
        return
    if len(rows) <= _FEW:
        values = [value for row in rows for value in row]
        connection.execute(statements.insert(table, columns, len(rows)), values)
        return
    import pyarrow as pa

    incoming = pa.table([pa.array(each) for each in zip(*rows, strict=True)], names=list(columns))
    connection.register("incoming_rows", incoming)
    try:
        connection.execute(statements.insert_from("incoming_rows", table, columns))
    finally:
        connection.unregister("incoming_rows")
