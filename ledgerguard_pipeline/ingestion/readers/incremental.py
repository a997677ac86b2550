"""Bring one type up to date by its changes: from change data capture, by query, or else whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace
from typing import Protocol

from ledgerguard_pipeline.errors import FeatureUnavailable, RequestRejected
from ledgerguard_pipeline.ingestion.plan import EntityPlan
from ledgerguard_pipeline.ingestion.queries.absence import fallen
from ledgerguard_pipeline.ingestion.queries.cdc import EntityChanges, Outcome
from ledgerguard_pipeline.ingestion.queries.entity_queries import EntityQueries
from ledgerguard_pipeline.ingestion.readers.base import (
    BronzeState,
    Chunk,
    CountComparison,
    EntityReader,
)
from ledgerguard_pipeline.ingestion.readers.not_offered import not_offered
from ledgerguard_pipeline.ingestion.readers.shared_changes import FirstPage
from ledgerguard_pipeline.values import Mode, RealmId

WAYS: dict[Mode, Sequence[Mode]] = {
    Mode.CDC: (Mode.CDC, Mode.QUERY, Mode.FULL),
    Mode.QUERY: (Mode.QUERY, Mode.FULL),
}
"""Change data capture may not serve a type, a query may not be filtered by time or may show by its
count that changes alone do not tell the truth; reading all rows always does."""


class QueryReader:
    """Changes by LastUpdatedTime. A query shows no deletion, so the count is compared after.

    It gives up on a type that cannot be filtered by time, or whose count differs at the end.
    """

    def __init__(
        self,
        plan: EntityPlan,
        queries: EntityQueries,
        bronze: BronzeState,
        pool: Executor,
        realm_id: RealmId,
        *,
        first: Future[FirstPage] | None,
        count_after: bool,
    ) -> None:
        self.plan = plan
        self.queries = queries
        self.comparison = CountComparison()
        self._bronze = bronze
        self._pool = pool
        self._realm_id = realm_id
        self._first = first
        self._count_after = count_after
        self.gave_up = False

    @property
    def mode(self) -> Mode:
        return Mode.QUERY

    @property
    def ready(self) -> bool:
        first = self._first
        if first is None or not first.done() or first.exception() is not None:
            return False
        page = first.result().page
        return page is not None and not page.full

    def activate(self) -> None:
        """Queries are read page by page; there is nothing to speed up."""

    def close(self) -> None:
        """Nothing was fetched ahead."""

    def chunks(self) -> Iterator[Chunk]:
        first = FirstPage(None, None)
        if self._first is not None:
            first = self._first.result()
            self.queries.calls += 1  # shared by all entities of the sync
        # Types that every sync counts heal at the next one; for the others the watermark waits
        # until the count proved that no deletion went unseen.
        hold = self._count_after and (self.plan.entity.cdc or self._silent(first.count))
        watermark = None
        try:
            for chunk in self._read(first):
                watermark = chunk.watermark
                yield replace(chunk, watermark=None) if hold else chunk
        except FeatureUnavailable:
            held = self._bronze.stored(self._realm_id, self.plan.entity)
            self.comparison.note = not_offered(self.queries, held)
            yield Chunk(())
            return
        except RequestRejected:
            self.gave_up = True
            return
        self.queries.offered()
        if not self._count_after:
            return
        expected = first.count if first.count is not None else self.queries.count()
        stored = self._bronze.stored(self._realm_id, self.plan.entity)
        waiting = self._bronze.waiting(self._realm_id, self.plan.entity)
        left_out = self._bronze.left_out(self._realm_id, self.plan.entity)
        self.gave_up = not self.comparison.compare(expected, stored, waiting, left_out)
        if hold and not self.gave_up:
            yield Chunk((), watermark=watermark)

    def _silent(self, count: int | None) -> bool:
        """Whether the count says that most of what Bronze holds is gone: not to be built upon."""
        entity = self.plan.entity
        left_out = self._bronze.left_out(self._realm_id, entity)
        return fallen(count, self._bronze.stored(self._realm_id, entity) - left_out)

    def _read(self, first: FirstPage) -> Iterator[Chunk]:
        page = first.page
        if page is not None and not page.full:
            watermark = page.time if self.plan.advances else None
            yield Chunk(page.records, page.rejects, page.bytes, watermark)
            return
        walk = self.queries.changed(self.plan.since, self.plan.until).walk(self._pool)
        began = None
        for stretch in walk:
            began = began or stretch.time
            done = stretch.last and self.plan.advances
            yield Chunk(stretch.records, stretch.rejects, stretch.bytes, began if done else None)


class ChangeReader:
    """Changes from the shared change-data-capture call; it gives up where that cannot tell."""

    def __init__(self, plan: EntityPlan, queries: EntityQueries, outcome: Future[Outcome]) -> None:
        self.plan = plan
        self.queries = queries
        self.comparison = CountComparison()
        self.gave_up = False
        self._outcome = outcome

    @property
    def mode(self) -> Mode:
        return Mode.CDC

    @property
    def ready(self) -> bool:
        done = self._outcome.done() and self._outcome.exception() is None
        return done and isinstance(self._outcome.result(), EntityChanges)

    def activate(self) -> None:
        """The shared call is under way already."""

    def close(self) -> None:
        """The shared call is others' too."""

    def chunks(self) -> Iterator[Chunk]:
        outcome = self._outcome.result()
        self.queries.calls += 1  # shared by all entities of the sync
        if isinstance(outcome, EntityChanges):
            self.queries.offered()
            watermark = outcome.time if self.plan.advances else None
            size = sum(len(record.payload or b"") for record in outcome.records)
            yield Chunk(outcome.records, outcome.rejects, size, watermark)
            return
        self.gave_up = True


class Way(EntityReader, Protocol):
    """A reader that may find that another way is needed."""

    gave_up: bool
    """Whether ``chunks`` ended without having brought the type up to date."""


class FallbackReader:
    """Reads by the first way that can tell. ``reader_by`` is asked for one only when it is due."""

    def __init__(
        self,
        plan: EntityPlan,
        queries: EntityQueries,
        ways: Sequence[Mode],
        reader_by: Callable[[Mode], Way],
    ) -> None:
        self.plan = plan
        self.queries = queries
        self._left = list(ways)
        self._reader_by = reader_by
        self._way = self._next()
        self.comparison: CountComparison = self._way.comparison

    @property
    def mode(self) -> Mode:
        return self._way.mode

    @property
    def ready(self) -> bool:
        return self._way.ready

    def activate(self) -> None:
        self._way.activate()

    def close(self) -> None:
        self._way.close()

    def chunks(self) -> Iterator[Chunk]:
        yield from self._way.chunks()
        while self._way.gave_up:
            self._way.close()
            self._way = self._next()
            self._way.activate()
            yield from self._way.chunks()
            self.comparison = self._way.comparison

    def _next(self) -> Way:
        return self._reader_by(self._left.pop(0))
