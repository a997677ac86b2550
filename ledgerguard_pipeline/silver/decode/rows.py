"""Rows of one chunk, table by table, as Arrow; and what did not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple

import pyarrow as pa

from ledgerguard_pipeline.silver.decode.shape import STORED_AS
from ledgerguard_pipeline.silver.layout import Table

ROW = "row"
"""Column of decoded tables: the position of the payload in its chunk."""


class MisfitRow(NamedTuple):
    """One value that no column could hold, by the position of its payload."""

    row: int
    path: str
    text: str


@dataclass(slots=True)
class Decoded:
    """Rows by table name, each with the position of its payload in the chunk."""

    tables: dict[str, list[pa.Table]] = field(default_factory=dict)
    misfits: list[MisfitRow] = field(default_factory=list)

    def add(self, name: str, rows: pa.Table) -> None:
        """More rows of a table."""
        if rows.num_rows:
            self.tables.setdefault(name, []).append(rows)

    def table(self, name: str) -> pa.Table | None:
        """All rows of a table; None if there is none."""
        parts = self.tables.get(name)
        return pa.concat_tables(parts) if parts else None


@cache
def stored_schema(table: Table) -> pa.Schema:
    """The columns of a decoded table."""
    return pa.schema(
        [(ROW, pa.int32()), *((column.name, STORED_AS[column.kind]) for column in table.typed)]
    )


def table_of_rows(table: Table, rows: Sequence[Mapping[str, object]]) -> pa.Table:
    """An Arrow table of rows that were decoded one by one."""
    schema = stored_schema(table)
    return pa.Table.from_arrays(
        [pa.array([row.get(each.name) for row in rows], each.type) for each in schema],
        schema=schema,
    )
