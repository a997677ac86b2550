"""What the checks say after a load: of what it brought, and again of what failed before."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from ledgerguard_pipeline.bronze.statements import quoted
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.silver.checks.check import Finding
from ledgerguard_pipeline.silver.checks.find import check_company
from ledgerguard_pipeline.values import LoadId, RealmId

WHOLE_UP_TO = 20_000
"""Versions in Bronze up to which an entity type is looked at as a whole after each load."""


def check_loads(
    store: BronzeStore,
    realm: RealmId | str,
    loads: Mapping[str, Collection[LoadId | str]],
    anew: Collection[str] = (),
) -> dict[str, list[Finding]]:
    """The findings by entity name, of the entity types these loads (by entity name) changed.

    Of large ones only what the loads brought is looked at: of the rest it is known already. Those
    named in ``anew``, of which something is known to be wrong, are looked at as a whole.

    Raises:
        BronzeBusy, BronzeUnavailable, BronzeError: the store cannot be read.
    """
    names = dict.fromkeys([*loads, *anew])
    with store.workspace.shared(read_only=True):
        since = _since(store, realm, {name: ids for name, ids in loads.items() if name not in anew})
        return check_company(store, [entity_type(name) for name in names], realm, since)


def _since(
    store: BronzeStore, realm: RealmId | str, loads: Mapping[str, Collection[LoadId | str]]
) -> dict[str, datetime]:
    """From when on rows of the large ones among them came."""
    table_of = {name: entity_type(name).table for name in loads}
    with store.workspace.read() as view:
        if view is None:
            return {}
        present = [name for name, table in table_of.items() if view.has(table)]
        if not present:
            return {}
        sizes = view.connection.execute(
            " UNION ALL ".join(
                f"SELECT '{name}', count(*) FROM bronze.{quoted(table_of[name])}"
                for name in present
            )
        ).fetchall()
        large = {str(name): loads[str(name)] for name, rows in sizes if rows > WHOLE_UP_TO}
        if not large:
            return {}
        rows = view.connection.execute(
            "SELECT entity, min(loaded_at) FROM bronze._loads WHERE realm_id = $realm "
            "AND load_id IN (SELECT unnest($loads::VARCHAR[])) GROUP BY entity",
            {"realm": str(realm), "loads": [str(id) for ids in large.values() for id in ids]},
        ).fetchall()
        return {str(entity): instant for entity, instant in rows}
