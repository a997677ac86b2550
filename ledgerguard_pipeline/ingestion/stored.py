"""What Bronze holds now, read once between two commits however many entities ask."""

from __future__ import annotations

from ledgerguard_pipeline.bronze.loads import Walk
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.values import RealmId


class StoredCounts:
    """Counts of living objects per entity, forgotten at every commit. Not thread-safe."""

    def __init__(self, storage: BronzeStore) -> None:
        self._storage = storage
        self._counts: dict[str, int] | None = None

    def forget(self) -> None:
        """Bronze changed."""
        self._counts = None

    def stored(self, realm_id: RealmId, entity: EntityType) -> int:
        """Objects Bronze holds alive."""
        if self._counts is None:
            self._counts = dict(self._storage.counts(realm_id))
        return self._counts.get(entity.name, 0)

    def unseen(self, realm_id: RealmId, entity: EntityType, walk_id: str) -> list[str]:
        """Ids alive in Bronze that a walk did not meet."""
        return self._storage.unseen(realm_id, entity, walk_id)

    def walk(self, realm_id: RealmId, entity: EntityType) -> Walk | None:
        """The unfinished walk of an entity, if there is one."""
        return self._storage.walk(realm_id, entity)
