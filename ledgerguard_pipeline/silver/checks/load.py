"""What the checks say after a load: of what it brought, and again of what failed before."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from ledgerguard_pipeline.bronze.statements import quoted
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.silver.checks.find import Found, check_companies
from ledgerguard_pipeline.values import LoadId, RealmId

WHOLE_UP_TO = 20_000
"""Versions in Bronze up to which an entity type is looked at as a whole after each load."""

Loads = Mapping[RealmId, Mapping[str, Collection[LoadId | str]]]
"""By company and entity name the loads whose rows are looked at."""


def check_loads(store: BronzeStore, loads: Loads, anew: Mapping[RealmId, Collection[str]]) -> Found:
    """The findings by company and entity name, of the entity types these loads changed.

    Of large ones only what the loads brought is looked at: of the rest it is known already. Those
    named in ``anew``, of which something is known to be wrong, are looked at as a whole, at every
    company.

    Raises:
        BronzeBusy, BronzeUnavailable, BronzeError: the store cannot be read.
    """
    whole = {name for names in anew.values() for name in names}
    wanted = {
        realm: [entity_type(name) for name in dict.fromkeys([*mine, *anew.get(realm, ())])]
        for realm, mine in loads.items()
    }
    with store.workspace.shared(read_only=True):
        since, small = _sizes(store, loads, whole)
        return check_companies(store, wanted, since, small)


def _sizes(
    store: BronzeStore, loads: Loads, whole: Collection[str]
) -> tuple[dict[str, datetime], set[str]]:
    """From when on rows of the large ones among them came, and the names of the small ones."""
    names = {*whole, *(name for mine in loads.values() for name in mine)}
    with store.workspace.read() as view:
        if view is None:
            return {}, set()
        present = [name for name in sorted(names) if view.has(entity_type(name).table)]
        if not present:
            return {}, set()
        sizes = view.connection.execute(
            " UNION ALL ".join(
                f"SELECT '{name}', count(*) FROM bronze.{quoted(entity_type(name).table)}"
                for name in present
            )
        ).fetchall()
        large = {str(name) for name, rows in sizes if rows > WHOLE_UP_TO}
        small = set(present) - large
        large -= set(whole)
        ids = [
            str(id)
            for mine in loads.values()
            for name, found in mine.items()
            if name in large
            for id in found
        ]
        if not ids:
            return {}, small
        rows = view.connection.execute(
            "SELECT entity, min(loaded_at) FROM bronze._loads "
            "WHERE realm_id IN (SELECT unnest($realms::VARCHAR[])) "
            "AND load_id IN (SELECT unnest($loads::VARCHAR[])) GROUP BY entity",
            {"realms": list(loads), "loads": ids},
        ).fetchall()
        return {str(entity): instant for entity, instant in rows}, small
