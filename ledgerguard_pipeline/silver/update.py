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
from ledgerguard_pipeline.silver.statements import READ_SIZES
from ledgerguard_pipeline.silver.tables import Layout, has_silver, lay_out

if TYPE_CHECKING:
    from ledgerguard_pipeline.silver.apply import Applied
    from ledgerguard_pipeline.silver.reading import Work

_READ = "SELECT current_setting('disabled_compression_methods'), current_setting('memory_limit')"
_SET_UNUSED = "SET disabled_compression_methods = ?"
_KEYS_AT_ONCE = 500_000
"""Versions among which changes are looked for by one statement; some 100 bytes each."""

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
        _give_arrow_back()


def _give_arrow_back() -> None:
    """Arrow keeps what it freed for itself: 90 MB after 100,000 invoices, while DuckDB needs them."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


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
        works = [_work(layout, entity, due[entity.name]) for entity in wanted]
        for batch in _batches(session, works):
            applier.apply(batch)
        applier.note()
        crashpoint("before_silver_commit")
        with session.committing():
            connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        raise
    return applier.done


def _work(layout: Layout, entity: EntityType, realms: Collection[str]) -> Work:
    """Make sure of an entity type's tables; what is to be done then."""
    from ledgerguard_pipeline.silver.reading import Work  # loads Arrow

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
    return Work(tables, due, dirty)


def _batches(session: OpenStore, works: Sequence[Work]) -> Iterator[Sequence[Work]]:
    """Those whose changes are looked for together, so that their keys need little memory.

    What changed since an instant is little. Where everything of a company counts, the size of
    Bronze's table bounds it, which a lake does not tell.
    """
    if len(works) == 1 or all(all(each.due.values()) for each in works):
        yield works
        return
    if session.lake:
        yield from ([each] for each in works)
        return
    sizes = dict(session.connection.execute(READ_SIZES, [session.catalog]).fetchall())
    batch: list[Work] = []
    rows = 0
    for each in works:
        mine = int(sizes.get(each.tables.entity.table) or 0)
        if batch and rows + mine > _KEYS_AT_ONCE:
            yield batch
            batch, rows = [], 0
        batch.append(each)
        rows += mine
    if batch:
        yield batch
