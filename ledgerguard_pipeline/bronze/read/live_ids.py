"""Which objects Bronze holds alive, for several entity types in one read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.values import RealmId


class Reader(Protocol):
    """The read-only side of the store."""

    def sql(
        self, statement: str, limit: int | None = None
    ) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
        """Columns and rows of a statement."""
        ...


def living_ids(
    store: Reader, realm_id: RealmId, entities: Sequence[EntityType]
) -> dict[str, frozenset[str]]:
    """Ids alive per entity name. The entities must have been loaded at least once.

    ``realm_id`` is decimal digits by its type and tables come from the registry, so neither can
    carry SQL.
    """
    if not entities:
        return {}
    _, rows = store.sql(
        " UNION ALL ".join(
            f"SELECT '{entity.name}', id FROM bronze.\"{entity.table}_current\" "
            f"WHERE realm_id = '{realm_id}'"
            for entity in entities
        )
    )
    found: dict[str, set[str]] = {entity.name: set() for entity in entities}
    for name, identity in rows:
        found[str(name)].add(str(identity))
    return {name: frozenset(ids) for name, ids in found.items()}
