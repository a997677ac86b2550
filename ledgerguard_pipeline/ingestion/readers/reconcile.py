"""Compare what Intuit counts with what Bronze holds, and repair what differs.

Changes can hide deletions: those older than change data capture reaches, those of types it
leaves out, and whatever went wrong unseen. So every type is counted, in one or two batch calls
for all of them. A type whose count differs is brought up to date first, as any sync does, in a
call shared by all such types; only if it still differs are all its rows walked, which finds the
objects Bronze misses and, through the ids the walk did not meet, those it should not hold any
more. The walk is the one of a full load, so it loses nothing while the books change.

A type that misses one row and holds another too many counts the same and stays unseen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Protocol

from ledgerguard_pipeline.bronze.read.company_counts import Held
from ledgerguard_pipeline.bronze.read.only_quarantined import OnlyQuarantined
from ledgerguard_pipeline.capabilities import Capability
from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.errors import FeatureUnavailable, NoQuery, QBOAPIError, RequestRejected
from ledgerguard_pipeline.ingestion.plan import EntityPlan
from ledgerguard_pipeline.ingestion.queries.batches import count_each
from ledgerguard_pipeline.ingestion.queries.entity_queries import EntityQueries
from ledgerguard_pipeline.ingestion.queries.whole_objects import Known
from ledgerguard_pipeline.ingestion.readers.base import (
    BronzeState,
    Chunk,
    CountComparison,
    EntityReader,
)
from ledgerguard_pipeline.ingestion.readers.not_offered import not_offered
from ledgerguard_pipeline.ingestion.readers.shared_changes import SharedChanges
from ledgerguard_pipeline.ingestion.results import Reconciled
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.values import Mode, RealmId


@dataclass(frozen=True, slots=True)
class Comparison:
    """One type's counts. ``shared`` has the changes of all types that differ; None if equal.

    ``counted`` is None where Intuit does not count the type, and may not count ``left_out`` objects.
    """

    counted: int | None
    held: int
    waiting: OnlyQuarantined
    left_out: int
    shared: SharedChanges | None


class Comparing:
    """Counts every type in the background and resolves a ``Comparison`` for each, by name."""

    def __init__(
        self,
        client: QBOClient,
        plans: Sequence[EntityPlan],
        held: Held,
        pool: Executor,
        *,
        known: Known,
    ) -> None:
        self._client = client
        self._known = known
        self._plans = tuple(plans)
        self._held = held
        self._pool = pool
        self.futures: dict[str, Future[Comparison]] = {
            plan.entity.name: Future() for plan in self._plans
        }

    def begin(self) -> None:
        """Start counting."""
        self._pool.submit(self._guarded)

    def _guarded(self) -> None:
        try:
            self._count()
        except BaseException as error:  # noqa: BLE001  # whoever waits for an answer gets it
            for future in self.futures.values():
                if not future.done():
                    future.set_exception(error)

    def _count(self) -> None:
        countable = [plan.entity for plan in self._plans if plan.entity.countable]
        counts = count_each(self._client, countable) if countable else {}
        differing = [plan for plan in self._plans if self._differs(plan, counts)]
        # A type that was never loaded has no changes to catch up with; it is walked.
        shared = SharedChanges(
            self._client,
            [plan for plan in differing if plan.mode is not Mode.FULL],
            self._pool,
            known=self._known,
        )
        shared.begin()
        for plan in self._plans:
            name = plan.entity.name
            count = counts.get(name)
            if isinstance(count, QBOAPIError):
                self.futures[name].set_exception(count)
                continue
            self.futures[name].set_result(
                Comparison(
                    count, *self._held_of(plan.entity), shared if plan in differing else None
                )
            )

    def _differs(self, plan: EntityPlan, counts: Mapping[str, int | QBOAPIError]) -> bool:
        count = counts.get(plan.entity.name)
        if not isinstance(count, int):
            return False
        return not CountComparison().compare(count, *self._held_of(plan.entity))

    def _held_of(self, entity: EntityType) -> tuple[int, OnlyQuarantined, int]:
        """Living objects of Bronze, those only in quarantine, and what a count may leave out."""
        held, name = self._held, entity.name
        left_out = held.inactive.get(name, 0) if entity.inactive_apart else 0
        return held.live.get(name, 0), held.waiting(entity), left_out


class Repairs(Protocol):
    """The two readers that bring a type whose counts differ into order."""

    def changes(
        self, plan: EntityPlan, queries: EntityQueries, shared: SharedChanges
    ) -> EntityReader:
        """The one of an ordinary sync, which catches up."""
        ...

    def whole(self, plan: EntityPlan, queries: EntityQueries, count: int | None) -> EntityReader:
        """The one that walks all rows."""
        ...


class ReconcileReader:
    """One type being compared; hands out chunks only where something is to be repaired."""

    def __init__(
        self,
        plan: EntityPlan,
        queries: EntityQueries,
        bronze: BronzeState,
        realm_id: RealmId,
        comparison: Future[Comparison],
        *,
        repairs: Repairs,
    ) -> None:
        self.plan = plan
        self.queries = queries
        self.comparison = CountComparison()
        self._bronze = bronze
        self._realm_id = realm_id
        self._comparison = comparison
        self._repairs = repairs
        self._working: EntityReader | None = None
        self._known: set[str] = set()
        self._missing = 0
        self._phantoms = 0

    @property
    def mode(self) -> Mode:
        """How the repair reads, or ``reconcile`` while there is nothing to repair."""
        return Mode.RECONCILE if self._working is None else self._working.mode

    @property
    def ready(self) -> bool:
        """Never: most types have nothing to commit, and asking would wait."""
        return False

    def activate(self) -> None:
        """Counting is under way already."""

    def close(self) -> None:
        if self._working is not None:
            self._working.close()

    def chunks(self) -> Iterator[Chunk]:
        try:
            comparison = self._comparison.result()
        except FeatureUnavailable:
            held = self._bronze.stored(self._realm_id, self.plan.entity)
            self.comparison.note = not_offered(self.queries, held)
            return
        except RequestRejected as error:
            # Observations about a type are forgotten after a day, documented facts are not.
            known = isinstance(error, NoQuery) or self.queries.lacks(Capability.QUERY)
            if self.plan.entity.surely_queried and not known:
                raise
            self.comparison.note = "Intuit does not count these objects"
            return
        if comparison.counted is None:
            self.comparison.note = "Intuit does not count these objects"
            return
        self.comparison.compare(
            comparison.counted, comparison.held, comparison.waiting, comparison.left_out
        )
        if comparison.shared is not None:
            yield from self._repair(comparison, comparison.shared)
        self.comparison.finding = Reconciled(
            counted=comparison.counted,
            held=comparison.held,
            missing=self._missing,
            phantoms=self._phantoms,
            walked=self._working is not None and self._working.mode is Mode.FULL,
        )

    def _repair(self, comparison: Comparison, shared: SharedChanges) -> Iterator[Chunk]:
        if comparison.held:
            self._known = set(self._bronze.live_ids(self._realm_id, self.plan.entity))
        entity = self.plan.entity
        emptied = comparison.counted == 0 and not entity.inactive_apart and entity.identified
        if emptied and self._known:
            self.queries.prove_gone(sorted(self._known))
        counted: int | None = comparison.counted
        if self.plan.mode is not Mode.FULL:
            yield from self._through(self._repairs.changes(self.plan, self.queries, shared))
            if self.mode is Mode.FULL:
                return  # the catching up itself found that only a walk helps
            held = self._bronze.stored(self._realm_id, self.plan.entity)
            waiting = self._bronze.waiting(self._realm_id, self.plan.entity)
            if (held, waiting) != (comparison.held, comparison.waiting):
                counted = self.queries.count()
            left_out = self._bronze.left_out(self._realm_id, self.plan.entity)
            if self.comparison.compare(counted, held, waiting, left_out):
                self.comparison.note = "caught up with the latest changes"
                return
        yield from self._through(self._repairs.whole(self.plan, self.queries, counted))
        self.comparison.note = (
            f"repaired {self._missing} missing and {self._phantoms} phantom objects"
        )

    def _through(self, reader: EntityReader) -> Iterator[Chunk]:
        """A reader's chunks, counting what they repair; catching up alone repairs nothing."""
        self._working = reader
        reader.activate()
        for chunk in reader.chunks():
            self._note(chunk, repairing=reader.mode is Mode.FULL)
            yield chunk
        if reader.comparison.expected is not None:
            self.comparison.expected, self.comparison.stored = (
                reader.comparison.expected,
                reader.comparison.stored,
            )

    def _note(self, chunk: Chunk, *, repairing: bool) -> None:
        for record in chunk.records:
            if record.state.gone and record.id in self._known:
                self._known.discard(record.id)
                self._phantoms += repairing
            elif not record.state.gone and record.id not in self._known:
                self._known.add(record.id)
                self._missing += repairing
