"""Copying a whole Bronze store into another one: into a file to explore, or into a lake to stay.

Both stores are attached to one DuckDB, so a copy is one transaction: all of it or nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import duckdb

from ledgerguard_pipeline.bronze import statements
from ledgerguard_pipeline.entities import ENTITIES
from ledgerguard_pipeline.errors import BronzeError


@dataclass(frozen=True, slots=True)
class Content:
    """What a table holds: its rows, and a sum over the hashes of all their values."""

    rows: int
    digest: int | None
    damaged: int
    """Rows whose payload does not have the SHA-256 beside it."""


def copy_tables(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    target: str,
    present: Iterable[str],
    *,
    to_lake: bool,
) -> list[str]:
    """Lay out ``bronze`` in the target and fill it, inside the caller's transaction.

    Of bookkeeping that is only added to in a lake, the rows that count are copied.
    """
    there = set(present)
    connection.execute(statements.create_schema(target))
    connection.execute(statements.search_path(target))
    for statement in statements.create_system_tables():
        connection.execute(statement)
    names = list(statements.SYSTEM_TABLES)
    for entity in ENTITIES:
        if entity.table in there:
            for statement in statements.create_entity(entity.name, entity.table, lake=to_lake):
                connection.execute(statement)
            names.append(entity.table)
    for name in names:
        if name in there:
            connection.execute(statements.copy_rows(name, source, target))
    return names


def contents(
    connection: duckdb.DuckDBPyConnection, catalog: str, names: Iterable[str]
) -> dict[str, Content]:
    """What each of these tables holds; the same whatever the order of its rows."""
    found = {}
    for name in names:
        row = connection.execute(statements.content_of(name, catalog)).fetchone()
        if row is None:
            raise BronzeError(f"DuckDB did not count bronze.{name}.")
        found[name] = Content(int(row[0]), None if row[1] is None else int(row[1]), int(row[2]))
    return found
