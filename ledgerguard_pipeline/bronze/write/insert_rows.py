"""A few rows by bound values, some more by bound lists, many through Arrow."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from ledgerguard_pipeline.bronze import statements

_FEW = 8
"""Up to so many rows are bound one by one."""
_SOME = 256
"""Up to so many as lists, a column each: a table of Arrow is quicker to hand over, but loading Arrow
takes longer than a whole sync that brings nothing."""


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
    if len(rows) <= _SOME:
        lists = [list(column) for column in zip(*rows, strict=True)]
        connection.execute(statements.insert_lists(table, columns), lists)
        return
    import pyarrow as pa

    incoming = pa.table([pa.array(each) for each in zip(*rows, strict=True)], names=list(columns))
    connection.register("incoming_rows", incoming)
    try:
        connection.execute(statements.insert_from("incoming_rows", table, columns))
    finally:
        connection.unregister("incoming_rows")
