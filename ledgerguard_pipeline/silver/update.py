"""Bringing Silver up to date: all entity types in one transaction, so that they fit together."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import duckdb

from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.bronze.backends.kept_instance import Memory
from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.crashpoints import crashpoint
from ledgerguard_pipeline.entities import ENTITIES, EntityType
from ledgerguard_pipeline.silver.layout import tables_of
from ledgerguard_pipeline.silver.tables import Layout, has_silver, lay_out

if TYPE_CHECKING:
    from ledgerguard_pipeline.silver.apply import Applied, Applier

_READ = "SELECT current_setting('disabled_compression_methods'), current_setting('memory_limit')"
_SET_UNUSED = "SET disabled_compression_methods = ?"

Due = Mapping[str, Collection[str]]
"""Companies by entity name."""


def bring_up_to_date(session: OpenStore, due: Due, clock: Clock) -> list[Applied]:
    """Apply what these companies' entity types lack, all or nothing.

    Where that fails in a file, each entity type is tried by itself, so that one does not keep
    the others back.

    Raises:
        duckdb.Error: it failed; updates of other entity types stay.
    """
    wanted = [entity for entity in ENTITIES if due.get(entity.name)]
    if not wanted:
        return []
    reader = session.connection.cursor()
    try:
        with _quick(session) as memory:
            try:
                return _together(session, reader, wanted, due, clock, memory)
            except duckdb.Error:
                if session.lake or len(wanted) == 1:
                    raise
                return _apart(session, reader, wanted, due, clock, memory)
    finally:
        reader.close()


@contextlib.contextmanager
def _quick(session: OpenStore) -> Iterator[Memory | None]:
    """Look for no tables of symbols (FSST) in columns of text, and say how much memory a file may use.

    The former is a sixth of the work of building Silver, and saves a tenth of the file.
    """
    if session.lake:
        yield None
        return
    connection = session.connection
    unused, limit = connection.execute(_READ).fetchone() or ("", "384.0 MB")
    memory = Memory(connection, str(limit))
    connection.execute(_SET_UNUSED, ["fsst"])
    try:
        yield memory
    finally:
        # A transaction that failed lets nothing be set before it is rolled back.
        with contextlib.suppress(duckdb.Error):
            memory.all_of_it()
            connection.execute(_SET_UNUSED, [unused])


def _apart(
    session: OpenStore,
    reader: duckdb.DuckDBPyConnection,
    wanted: Sequence[EntityType],
    due: Due,
    clock: Clock,
    memory: Memory | None,
) -> list[Applied]:
    done: list[Applied] = []
    failed: duckdb.Error | None = None
    for entity in wanted:
        try:
            done += _together(session, reader, [entity], due, clock, memory)
        except duckdb.Error as error:
            failed = failed or error
    if failed is not None:
        raise failed
    return done


def _together(
    session: OpenStore,
    reader: duckdb.DuckDBPyConnection,
    wanted: Sequence[EntityType],
    due: Due,
    clock: Clock,
    memory: Memory | None,
) -> list[Applied]:
    from ledgerguard_pipeline.silver.apply import Applier  # loads Arrow

    connection = session.connection
    connection.execute("BEGIN TRANSACTION")
    try:
        if not has_silver(session):
            lay_out(session)
        realms = {realm for entity in wanted for realm in due[entity.name]}
        layout = Layout(session, wanted, realms)
        applier = Applier(connection, reader, session.catalog, clock.now(), memory)
        for entity in wanted:
            _apply(applier, layout, entity, due[entity.name])
        applier.note()
        crashpoint("before_silver_commit")
        with session.committing():
            connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        raise
    return applier.done


def _apply(applier: Applier, layout: Layout, entity: EntityType, realms: Collection[str]) -> None:
    tables = tables_of(entity)
    before = layout.prepare(tables)
    # Tables that were exchanged are filled for every company that had rows in them.
    due = dict.fromkeys(realms) | {
        realm: since for realm, since in before.known.items() if since is None or realm in realms
    }
    dirty = [
        realm
        for realm, since in due.items()
        if since is None and not before.empty and (realm in before.known or not before.orderly)
    ]
    applier.apply(tables, due, dirty)
