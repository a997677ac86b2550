"""Keeping a lake small and quick while its writers go on.

Every commit leaves a snapshot, and small ones rows in the catalog or small files. From time to
time those become files, small files and those with deleted rows become large ones, snapshots nobody
can be reading any more are forgotten and files that belong to none are deleted. What a killed writer left behind belongs
to no snapshot. ``KEEP`` protects readers and writers that are under way; it is measured by the time of
the catalog's server, since a host whose clock is ahead would delete what others are just writing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from ledgerguard_pipeline.bronze import lake_catalog, statements
from ledgerguard_pipeline.bronze.backends.base import Backend, OpenStore
from ledgerguard_pipeline.bronze.backends.kept_instance import remove_spills
from ledgerguard_pipeline.bronze.maintenance.files_owner import own_files
from ledgerguard_pipeline.bronze.maintenance.rewriting import flush_lake, rewrite
from ledgerguard_pipeline.bronze.reports import forget_superseded

KEEP = timedelta(days=1)
"""How long a snapshot and a file without owner stay: longer than any read or load takes."""
Done = TypeVar("Done")
_LOCK = "the upkeep of the lake"
_MERGES = 1_000
"""Of row groups, in one maintenance of a DuckDB file: the first over a million invoices takes 20 s."""


@dataclass(frozen=True, slots=True)
class MaintenanceReport:
    """What was done; all zero where there was nothing to do."""

    outdated_rows: int = 0
    """Rows of bookkeeping, and reports, that newer ones replace."""
    rows_to_files: int = 0
    """Rows moved from the catalog into files."""
    files_rewritten: int = 0
    """Files written anew without the rows that were deleted from them."""
    files_merged: int = 0
    snapshots_expired: int = 0
    files_deleted: int = 0
    checkpointed: bool = False
    """A file instead of a lake: DuckDB was asked to write everything into it."""

    def __str__(self) -> str:
        if self.checkpointed:
            return "Bronze is a DuckDB file, which needs no maintenance; it was checkpointed."
        return (
            f"{self.rows_to_files:,} rows moved from the catalog into files, "
            f"{self.files_rewritten:,} files written without their deleted rows, "
            f"{self.files_merged:,} small files merged, {self.snapshots_expired:,} snapshots "
            f"expired, {self.files_deleted:,} files deleted, {self.outdated_rows:,} outdated "
            "rows of bookkeeping removed."
        )


def maintain(
    backend: Backend,
    check: Callable[[OpenStore], set[str]],
    now: datetime,
    *,
    take_over: bool = False,
) -> MaintenanceReport:
    """Do all of it, one short transaction after the other; safe beside writers and readers.

    ``check`` refuses a store that is not ours. With ``take_over`` the files of a lake may have been
    maintained for another one.

    Raises:
        BadInputError: they are, and are not to be taken over.
        BronzeBusy, BronzeUnavailable, BronzeError: as ``Backend.write``; what was done before
            stays done, the next time goes on.
    """
    if backend.file is not None:
        backend.write((), lambda session: _checkpoint(session, check))
        remove_spills(backend.file, now - KEEP)
        return MaintenanceReport(checkpointed=True)

    def step(work: Callable[[OpenStore], Done]) -> Done:
        def checked(session: OpenStore) -> Done:
            check(session)
            return work(session)

        return backend.write((_LOCK,), checked)

    step(partial(own_files, name=backend.name, take_over=take_over))
    before = min(now, step(_time)) - KEEP

    return MaintenanceReport(
        outdated_rows=sum(step(partial(_forget, table)) for table in statements.REPLACED)
        + step(forget_superseded),
        rows_to_files=step(lambda lake: _sum(lake, flush_lake(lake.catalog), 2)),
        files_rewritten=step(rewrite),
        files_merged=step(lambda lake: _sum(lake, _merge_lake(lake.catalog), 2)),
        snapshots_expired=step(lambda lake: _rows(lake, _expire_lake(lake.catalog), before)),
        files_deleted=step(lambda lake: _rows(lake, _clean_lake(lake.catalog), before))
        + step(lambda lake: _rows(lake, _sweep_lake(lake.catalog), before)),
    )


def rewrite_files(
    backend: Backend, check: Callable[[OpenStore], set[str]], tables: Collection[str]
) -> None:
    """Write every file of a lake anew of which rows were deleted, of all tables or of these.

    Only commits wait meanwhile, for one group of files after the other. Of a file nothing is done.

    Raises:
        BronzeBusy, BronzeUnavailable, BronzeError: as ``Backend.write``; what was done stays done.
    """

    def work(session: OpenStore) -> None:
        check(session)
        rewrite(session, every=True, of=tables)

    if backend.file is None:
        backend.write((_LOCK,), work)


def _checkpoint(session: OpenStore, check: Callable[[OpenStore], set[str]]) -> None:
    """Write the log into the file, and small row groups of tables it changes into large ones."""
    check(session)
    connection = session.connection
    before = connection.execute("SELECT current_setting('max_vacuum_tasks')").fetchone() or (100,)
    connection.execute(f"SET max_vacuum_tasks = {_MERGES}")
    try:
        connection.execute(statements.checkpoint(session.catalog))
    finally:
        connection.execute(f"SET max_vacuum_tasks = {before[0]}")


def _time(session: OpenStore) -> datetime:
    ((found,),) = session.connection.execute(lake_catalog.READ_TIME).fetchall()
    time: datetime = found
    return time


def _forget(table: str, session: OpenStore) -> int:
    row = session.connection.execute(_outdated(table)).fetchone()
    return 0 if row is None else int(row[0])


def _sum(session: OpenStore, statement: str, column: int) -> int:
    return sum(int(row[column]) for row in session.connection.execute(statement).fetchall())


def _rows(session: OpenStore, statement: str, before: datetime) -> int:
    return len(session.connection.execute(statement, [before]).fetchall())


def _outdated(table: str) -> str:
    """Delete rows of bookkeeping that newer ones replace."""
    key, newest = statements.REPLACED[table]
    names = key.replace(" ", "").split(",")
    same = " AND ".join(f"newer.{name} = older.{name}" for name in names)
    return (
        f"DELETE FROM {table} AS older WHERE EXISTS (SELECT 1 FROM {table} AS newer "
        f"WHERE {same} AND newer.{newest} > older.{newest})"
    )


def _merge_lake(catalog: str) -> str:
    return f"CALL ducklake_merge_adjacent_files('{catalog}')"


def _expire_lake(catalog: str) -> str:
    return f"CALL ducklake_expire_snapshots('{catalog}', older_than => ?)"


def _clean_lake(catalog: str) -> str:
    """Delete files that only expired snapshots had, once they expired long enough ago."""
    return f"CALL ducklake_cleanup_old_files('{catalog}', older_than => ?)"


def _sweep_lake(catalog: str) -> str:
    """Delete old files that no snapshot ever had: a writer was killed before its commit."""
    return f"CALL ducklake_delete_orphaned_files('{catalog}', older_than => ?)"
