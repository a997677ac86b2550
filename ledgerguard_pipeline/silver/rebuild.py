"""Building Silver anew: the answer to any doubt about it. Readers see the old until it is done."""

from __future__ import annotations

from collections.abc import Collection

from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.entities import EntityType, entity_types
from ledgerguard_pipeline.silver.apply import Applied
from ledgerguard_pipeline.silver.tables import behind, forget_entity, has_silver, lay_out
from ledgerguard_pipeline.silver.update import bring_up_to_date
from ledgerguard_pipeline.silver.views.keep import renew_views


def rebuild(
    store: BronzeStore,
    entities: Collection[EntityType | str] | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> list[Applied]:
    """Drop and build the tables of these entity types (None: all), for every company.

    Raises:
        BronzeBusy, BronzeUnavailable, BronzeError: as any commit; the old tables stay.
    """
    chosen = entity_types(entities)
    done: list[Applied] = []

    def work(session: OpenStore, present: set[str]) -> None:
        if not has_silver(session):
            lay_out(session)
        for entity in chosen:
            forget_entity(session, entity)
        due = behind(session, present, None)
        wanted = {each.name: due[each.name] for each in chosen if each.name in due}
        done[:] = bring_up_to_date(session, wanted, clock)
        renew_views(session)

    store.beside(work)
    return done


def catch_up(store: BronzeStore, realm: str, clock: Clock = SYSTEM_CLOCK) -> list[Applied]:
    """Bring a company's tables up to date, if they are behind Bronze.

    Raises:
        BronzeBusy, BronzeUnavailable, BronzeError: as any commit; the old rows stay.
    """
    done: list[Applied] = []

    def work(session: OpenStore, present: set[str]) -> None:
        done[:] = bring_up_to_date(session, behind(session, present, [realm]), clock)
        renew_views(session)

    if store.exists():
        store.beside(work)
    return done
