"""Files of a lake without the rows that were deleted from them.

DuckLake notes beside a file which of its rows are deleted, merges no such file with others, and its own way
of writing them anew makes older snapshots wrong (``findings/ducklake_old_versions_change_after_a_checkpoint.sh``):
it narrows the table's minima and maxima to the rows that are left. So what is left of such files is deleted and
inserted again in one transaction, as any writer might. A file without a row belongs to older snapshots only, and
goes with them; whoever reads one of these reads what was there before.

Decision 118 in docs/decisions.md.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import duckdb

from ledgerguard_pipeline.bronze import lake_catalog
from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.bronze.statements import quoted

SMALL = 8 * 2**20
"""Bytes: a file that is smaller is written anew whatever was deleted from it, and can be merged then."""
SHARE = 0.2
"""A larger one once so much of it is deleted: until then that costs less than writing it anew."""
_AT_ONCE = 64 * 2**20
"""Bytes that are written while other commits wait; a file that has more is written anew on request only."""
_KEPT = "temp.ledgerguard_kept"


@dataclass(frozen=True, slots=True)
class _File:
    schema: str
    table: str
    name: str
    size: int
    rows: int
    deleted: int

    def is_worn(self) -> bool:
        much = self.deleted >= SHARE * self.rows
        return self.size < SMALL or (much and self.size <= _AT_ONCE)


def rewrite(session: OpenStore, *, every: bool = False, of: Collection[str] = ()) -> int:
    """Write files anew of which rows were deleted; how many.

    Those that are small or lost a good part of their rows, or ``every`` one; of all tables, or
    ``of`` these, by their names in SQL.

    Raises:
        duckdb.Error: somebody else wrote the same table; what was done before stays done.
    """
    if session.ask is None:
        return 0
    connection = session.connection
    # Of this connection only: what is left of a file goes into a file, and its rows out of the old one.
    connection.execute("SET SESSION ducklake_default_data_inlining_row_limit = 0")
    if every:
        connection.execute(flush_lake(session.catalog)).fetchall()
    with session.committing():
        done = len(session.ask(lake_catalog.END_DEAD_FILES))
    files = [_File(*each) for each in session.ask(lake_catalog.FILES_WITH_DELETIONS)]  # type: ignore[arg-type]  # as listed
    due = [each for each in files if every or each.is_worn()]
    if of:
        due = [each for each in due if _named(session, each.schema, each.table) in of]
    for group in _groups(due):
        # Nobody inserts beside these deletions (decision 111).
        with session.committing():
            _again(session, group)
        done += len(group)
    return done


def flush_lake(catalog: str, of: str = "") -> str:
    """Move rows, and deletions of rows, from the catalog into files."""
    return f"CALL ducklake_flush_inlined_data('{catalog}'{of})"


def _groups(files: Sequence[_File]) -> Iterator[list[_File]]:
    """Files of one table, as many as are written at once."""
    group: list[_File] = []
    for each in files:
        full = sum(one.size for one in group) + each.size > _AT_ONCE
        if group and (full or (group[0].schema, group[0].table) != (each.schema, each.table)):
            yield group
            group = []
        group.append(each)
    if group:
        yield group


def _again(session: OpenStore, group: Sequence[_File]) -> None:
    connection, schema, table = session.connection, group[0].schema, group[0].table
    name = _named(session, schema, table)
    listed = ", ".join(_text(each.name) for each in group)
    these = f"{name} WHERE parse_filename(filename) IN ({listed})"
    # A deletion that is noted in the catalog now would be noted beside a file that is gone later on, and
    # its rows be there twice in older snapshots.
    of = f", schema_name => {_text(schema)}, table_name => {_text(table)}"
    # What it answers has to be read: its transaction lasts as long.
    connection.execute(flush_lake(session.catalog, of)).fetchall()
    connection.execute("BEGIN TRANSACTION")
    try:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE ledgerguard_kept AS SELECT * FROM {these}"
        )
        connection.execute(f"DELETE FROM {these}")
        connection.execute(f"INSERT INTO {name} FROM {_KEPT}")
        with session.committing():
            connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        raise
    finally:
        with contextlib.suppress(duckdb.Error):
            connection.execute(f"DROP TABLE IF EXISTS {_KEPT}")


def _named(session: OpenStore, schema: str, table: str) -> str:
    return ".".join(map(quoted, (session.catalog, schema, table)))


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
