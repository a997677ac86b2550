"""Creating the views once for a store, and anew after an upgrade.

Decision 70 in docs/decisions.md.
"""

from __future__ import annotations

import contextlib
import threading

import duckdb

from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.silver.statements import READ_COLUMNS, create_entity, drop_entity
from ledgerguard_pipeline.silver.tables import applied, has_silver
from ledgerguard_pipeline.silver.views.statements import (
    READ_STAMP,
    STAMP,
    create_journal,
    create_views,
    entities_used,
    fingerprint,
)


class ViewKeeper:
    """Looks only when there may be something to do; one per follower, safe in several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept = False

    def keep(self, session: OpenStore, *, look: bool) -> None:
        """Create the views unless they are as they should be; ``look`` again if they were.

        Raises:
            duckdb.Error: they could not be created; what is there stays as it was.
        """
        with self._lock:
            kept = self._kept
        if kept and not look:
            return
        kept = renew_views(session)
        with self._lock:
            self._kept = kept


def renew_views(session: OpenStore) -> bool:
    """Create the views, and tables they need that nothing was loaded into yet.

    All in a transaction of its own. False while there is nothing to make them from: no Silver at
    all, or a table in which companies still wait to be built anew after an upgrade.

    Raises:
        duckdb.Error: they could not be created; what is there stays as it was.
    """
    if not has_silver(session):
        return False
    connection, catalog = session.connection, session.catalog
    row = connection.execute(READ_STAMP, [catalog, STAMP]).fetchone()
    if row is not None and fingerprint() in str(row[0]):
        return True
    if _is_older(connection, catalog):
        return False
    connection.execute("BEGIN TRANSACTION")
    try:
        _make(connection, catalog)
        with session.committing():
            connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        raise
    return True


def copy_views(session: OpenStore, target: str) -> None:
    """Create the views of a copy whose tables were just made, inside the caller's transaction.

    The search path must be in that catalog.
    """
    if has_silver(session) and not _is_older(session.connection, session.catalog):
        _make(session.connection, target)


def _is_older(connection: duckdb.DuckDBPyConnection, catalog: str) -> bool:
    """Whether companies still wait in a table to be built anew after an upgrade."""
    known = applied(connection, catalog, [each.entity.name for each in entities_used()])
    return any(
        version != each.version
        for each in entities_used()
        for _, version in known.get(each.entity.name, {}).values()
    )


def _make(connection: duckdb.DuckDBPyConnection, catalog: str) -> None:
    _complete(connection, catalog)
    for statement in create_views(catalog):
        connection.execute(statement)


def _complete(connection: duckdb.DuckDBPyConnection, catalog: str) -> None:
    """Create what is missing of the tables, and exchange empty ones of another release."""
    connection.execute(create_journal(catalog))
    there: dict[str, list[str]] = {}
    for table, column in connection.execute(READ_COLUMNS, [catalog]).fetchall():
        there.setdefault(str(table), []).append(str(column))
    for tables in entities_used():
        if all(
            there.get(table.name) == [column.name for column in table.columns]
            for table in tables.tables
        ):
            continue
        for statement in (*drop_entity(catalog, tables), *create_entity(catalog, tables)):
            connection.execute(statement)
