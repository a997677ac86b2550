"""What Bronze holds now, read once however many entities ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ledgerguard_pipeline.bronze.loads import LoadOutcome, StoredVersion, Walk
from ledgerguard_pipeline.bronze.read.company_counts import Held
from ledgerguard_pipeline.bronze.read.only_quarantined import OnlyQuarantined
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.values import RealmId

TOGETHER_ROWS = 5000
"""Types with fewer objects have their ids read in one go."""


class StoredCounts:
    """Counts and ids of living objects of one company. Not thread-safe.

    Counts are forgotten at every commit that changed something. Ids are those at the first
    question: they only name candidates that are asked for at Intuit before anything is believed.
    """

    def __init__(self, storage: BronzeStore, entities: Sequence[EntityType]) -> None:
        self._storage = storage
        self._entities = tuple(entities)
        self._counts: Held | None = None
        self._stamp: tuple[int, int] | None = None
        self._ids: dict[str, frozenset[str]] = {}
        self._walks: Mapping[str, Walk] | None = None

    def committed(self, outcomes: Sequence[LoadOutcome]) -> None:
        """This company's rows were committed; what was read is forgotten if that changed it."""
        held = self._counts
        if held is not None and any(
            outcome.written
            or outcome.deleted
            or outcome.quarantined
            or outcome.waiting != held.quarantined.get(outcome.entity, 0)
            for outcome in outcomes
        ):
            self._counts = None

    @property
    def last(self) -> Held | None:
        """What was read after the last commit of anybody, events among them, if anything was."""
        unchanged = self._stamp is not None and self._stamp == self._storage.stamp()
        return self._counts if unchanged else None

    def stored(self, realm_id: RealmId, entity: EntityType) -> int:
        """Objects Bronze holds alive."""
        if self._counts is None:
            self._counts = self._read(realm_id)
        return self._counts.live.get(entity.name, 0)

    def waiting(self, realm_id: RealmId, entity: EntityType) -> OnlyQuarantined:
        """What is in quarantine and nowhere else."""
        if self._counts is None:
            self._counts = self._read(realm_id)
        return self._counts.waiting(entity)

    def left_out(self, realm_id: RealmId, entity: EntityType) -> int:
        """Of those, how many a count may not count: inactive ones that queries may hide."""
        if not entity.inactive_apart:
            return 0
        if self._counts is None:
            self._counts = self._read(realm_id)
        return self._counts.inactive.get(entity.name, 0)

    def live_ids(self, realm_id: RealmId, entity: EntityType) -> frozenset[str]:
        """Ids of the objects Bronze held alive when this sync first asked."""
        if entity.name not in self._ids:
            small = [
                each for each in self._entities if 0 < self.stored(realm_id, each) <= TOGETHER_ROWS
            ]
            wanted = small if entity in small and not self._ids else [entity]
            known = [each for each in wanted if self.stored(realm_id, each)]
            self._ids |= self._storage.live_ids(realm_id, known)
        return self._ids.get(entity.name, frozenset())

    def unseen(self, realm_id: RealmId, entity: EntityType, walk_id: str) -> list[str]:
        """Ids alive in Bronze that a walk did not meet."""
        return self._storage.unseen(realm_id, entity, walk_id)

    def versions(
        self, realm_id: RealmId, wanted: Mapping[EntityType, Sequence[str]]
    ) -> Mapping[str, Mapping[str, StoredVersion]]:
        """Newest versions of some objects, by entity name and id. Safe in any thread."""
        return self._storage.versions(realm_id, wanted) if wanted else {}

    def walk(self, realm_id: RealmId, entity: EntityType) -> Walk | None:
        """The walk of an entity that was unfinished when this sync first asked."""
        if self._walks is None:
            self._counts = self._read(realm_id)
            self._walks = self._counts.walks
        return self._walks.get(entity.name)

    def _read(self, realm_id: RealmId) -> Held:
        self._stamp = self._storage.stamp()  # first: what is committed meanwhile may be read or not
        return self._storage.company_counts.of(realm_id)
