"""Building Silver anew: the answer to any doubt about it. Readers see the old until it is done."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator

import duckdb

from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.entities import EntityType, entity_type, entity_types
from ledgerguard_pipeline.silver.apply import Applied
from ledgerguard_pipeline.silver.tables import (
    behind,
    forget_entity,
    forget_rows,
    has_silver,
    incomplete,
    lay_out,
)
from ledgerguard_pipeline.silver.update import bring_up_to_date
from ledgerguard_pipeline.silver.views.keep import renew_views
from ledgerguard_pipeline.values import RealmId


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
