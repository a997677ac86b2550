"""What one entity's reader hands to the sync: chunks of records, ready to be committed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ledgerguard_pipeline.bronze.loads import StoredVersion, WalkStep
from ledgerguard_pipeline.bronze.read.only_quarantined import OnlyQuarantined
from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.ingestion.plan import EntityPlan
from ledgerguard_pipeline.ingestion.queries.entity_queries import EntityQueries
from ledgerguard_pipeline.ingestion.results import Reconciled
from ledgerguard_pipeline.values import Mode, RealmId, Record, Reject


@dataclass(frozen=True, slots=True)
class Chunk:
    """Records to commit together. ``watermark`` is set on the chunk that completes a read.

    ``whole`` says that all rows of the type were read for this chunk, in one page without a walk.
    """

    records: tuple[Record, ...] | list[Record]
    rejects: tuple[Reject, ...] | list[Reject] = ()
    bytes: int = 0
    watermark: datetime | None = None
    walk: WalkStep | None = None
    whole: bool = False

    @property
    def bare(self) -> bool:
        """Whether it completes a read and brings nothing but that."""
        nothing = not self.records and not self.rejects and self.walk is None
        return nothing and self.watermark is not None


@dataclass(slots=True)
class CountComparison:
    """What a reader learned about completeness: Intuit's count and what Bronze holds."""

    expected: int | None = None
    stored: int | None = None
    note: str | None = None
    finding: Reconciled | None = None

    def compare(
        self, expected: int | None, stored: int, waiting: OnlyQuarantined, left_out: int = 0
    ) -> bool:
        """Note a comparison and return whether Bronze accounts for every object Intuit counts.

        What is only in quarantine was counted too, unless Intuit deleted it since: then a walk, which
        does not meet it, ends that. ``left_out`` of those stored may not be counted.
        """
        self.expected = expected
        if expected is None:
            self.stored = None
            return True
        known = stored + waiting.named
        if known - left_out == expected:
            known = expected
        self.stored = known if known >= expected else min(expected, known + waiting.nameless)
        return self.stored == expected


class EntityReader(Protocol):
    """One entity being brought up to date. ``chunks`` may block; ``ready`` never does.

    The consumer commits each chunk before it asks for the next one, so a reader may look at
    Bronze between two of them.
    """

    plan: EntityPlan
    queries: EntityQueries
    comparison: CountComparison

    @property
    def mode(self) -> Mode:
        """How the entity is really being read; a refusal can change the planned way."""
        ...

    @property
    def ready(self) -> bool:
        """True when the first chunk can be had without waiting."""
        ...

    def chunks(self) -> Iterator[Chunk]:
        """The chunks in order; iterate once."""
        ...

    def activate(self) -> None:
        """Somebody now waits for this reader: fetch further ahead."""
        ...

    def close(self) -> None:
        """Drop what was fetched ahead."""
        ...


class BronzeState(Protocol):
    """The part of Bronze a reader looks at while it runs."""

    def stored(self, realm_id: RealmId, entity: EntityType) -> int:
        """Objects Bronze holds alive."""
        ...

    def waiting(self, realm_id: RealmId, entity: EntityType) -> OnlyQuarantined:
        """What is in quarantine and nowhere else."""
        ...

    def left_out(self, realm_id: RealmId, entity: EntityType) -> int:
        """Of those, how many a count may not count: inactive ones that queries may hide."""
        ...

    def live_ids(self, realm_id: RealmId, entity: EntityType) -> frozenset[str]:
        """Ids of the objects Bronze held alive when this sync first asked."""
        ...

    def versions(
        self, realm_id: RealmId, wanted: Mapping[EntityType, Sequence[str]]
    ) -> Mapping[str, Mapping[str, StoredVersion]]:
        """Newest versions of some objects, by entity name and id."""
        ...

    def unseen(self, realm_id: RealmId, entity: EntityType, walk_id: str) -> list[str]:
        """Ids alive in Bronze that a walk did not meet."""
        ...
