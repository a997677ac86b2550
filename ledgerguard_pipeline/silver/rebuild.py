"""Building Silver anew: the answer to any doubt about it. Readers see the old until it is done."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator

import duckdb
import structlog

from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.bronze.statements import current, quoted
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.bronze.workspace import View
from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.entities import ENTITIES, EntityType, entity_type, entity_types
from ledgerguard_pipeline.silver.apply import Applied
from ledgerguard_pipeline.silver.layout import SCHEMA
from ledgerguard_pipeline.silver.tables import (
    behind,
    forget_entity,
    forget_rows,
    has_silver,
    incomplete,
    lay_out,
    present_tables,
)
from ledgerguard_pipeline.silver.update import bring_up_to_date
from ledgerguard_pipeline.silver.views.keep import renew_views
from ledgerguard_pipeline.values import RealmId

_log = structlog.get_logger(__name__)


def rebuild(
    store: BronzeStore,
    entities: Collection[EntityType | str] | None = None,
    clock: Clock = SYSTEM_CLOCK,
    *,
    realms: Collection[RealmId | str] | None = None,
) -> list[Applied]:
    """Drop and build the tables of these entity types (None: all), for every company.

    With ``realms`` only the rows of these companies are made anew, unless a table is missing.

    Raises:
        BronzeBusy, BronzeUnavailable, BronzeError: as any commit; the old tables stay.
    """
    chosen = entity_types(entities)
    companies = None if realms is None else [str(realm) for realm in realms]
    done: list[Applied] = []

    def work(session: OpenStore, present: set[str]) -> None:
        with _transaction(session):
            if not has_silver(session):
                lay_out(session)
            broken = incomplete(session)
            for entity in chosen:
                if companies is None or entity.name in broken:
                    forget_entity(session, entity)
                else:
                    forget_rows(session, entity, companies)
        due = behind(session, present, None)
        wanted = {each.name: due[each.name] for each in chosen if each.name in due}
        done[:] = bring_up_to_date(session, wanted, clock)
        renew_views(session)

    store.beside(work)
    return done


def catch_up(store: BronzeStore, realm: str, clock: Clock = SYSTEM_CLOCK) -> list[Applied]:
    """Bring a company's tables up to date, if they are behind Bronze; a table that is gone is made.

    Raises:
        BronzeBusy, BronzeUnavailable, BronzeError: as any commit; the old rows stay.
    """
    done: list[Applied] = []

    def work(session: OpenStore, present: set[str]) -> None:
        broken = incomplete(session) if has_silver(session) else set()
        if broken:
            with _transaction(session):
                for name in broken:
                    forget_entity(session, entity_type(name))
        done[:] = bring_up_to_date(session, behind(session, present, [realm]), clock)
        renew_views(session)

    if store.exists():
        store.beside(work)
    return done


def make_alike(store: BronzeStore, realm: RealmId | str, clock: Clock = SYSTEM_CLOCK) -> list[str]:
    """Bring a company's tables up to date, and build those anew that show something else; their entity types.

    An update follows the notes that commits leave. Who restores a table of Bronze, or edits one by hand, leaves
    none; a comparison with Intuit's reports has to speak of what Bronze holds all the same.

    Raises:
        BronzeBusy, BronzeUnavailable, BronzeError: as any commit; the old rows stay.
    """
    catch_up(store, str(realm), clock)
    with store.workspace.read() as view:
        found = [] if view is None else _unlike(view, str(realm))
    if found:
        _log.warning("silver_differs_from_bronze", realm_id=str(realm), entities=found)
        rebuild(store, found, clock, realms=[realm])
    return found


def _unlike(view: View, realm: str) -> list[str]:
    """The entity types of which a living object is missing, surplus, of another version or of other bytes."""
    there = present_tables(view.connection, view.catalog)
    parts = [
        f"SELECT '{entity.name}' WHERE EXISTS (FROM (SELECT id, loaded_at, sha256(payload) AS digest "
        f"FROM ({current(entity.table, realm=True)}) WHERE payload IS NOT NULL) AS held FULL JOIN "
        f"(SELECT id, loaded_at, payload_sha256 AS digest FROM {SCHEMA}.{quoted(entity.table)} "
        "WHERE realm_id = $realm AND payload_sha256 IS NOT NULL) AS shown USING (id) "
        "WHERE held.loaded_at IS DISTINCT FROM shown.loaded_at "
        "OR held.digest IS DISTINCT FROM shown.digest)"
        for entity in ENTITIES
        if view.has(entity.table) and entity.table in there
    ]
    if not parts:
        return []
    found = view.connection.execute(" UNION ALL ".join(parts), {"realm": realm}).fetchall()
    return [str(name) for (name,) in found]


@contextlib.contextmanager
def _transaction(session: OpenStore) -> Iterator[None]:
    """All of it or nothing, also if it is interrupted."""
    session.connection.execute("BEGIN TRANSACTION")
    try:
        yield
        with session.committing():
            session.connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(duckdb.Error):
            session.connection.execute("ROLLBACK")
        raise
