"""Bring one type up to date by its changes: from change data capture, or by query."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import replace

from ledgerguard_pipeline.errors import FeatureUnavailable, RequestRejected
from ledgerguard_pipeline.ingestion.plan import EntityPlan
from ledgerguard_pipeline.ingestion.queries.absence import fallen
from ledgerguard_pipeline.ingestion.queries.cdc import EntityChanges, Outcome
from ledgerguard_pipeline.ingestion.queries.entity_queries import EntityReader
from ledgerguard_pipeline.ingestion.readers.base import Feed, Portion, Shelf, Tally
from ledgerguard_pipeline.ingestion.readers.not_offered import NOT_OFFERED
from ledgerguard_pipeline.ingestion.readers.shared_changes import FirstPage
from ledgerguard_pipeline.values import Mode, RealmId

Escalate = Callable[[], Feed]
"""Makes the full read that takes over when changes alone cannot tell the truth."""


class QueryFeed:
    """Changes by LastUpdatedTime. A query shows no deletion, so the count is compared after."""

    def __init__(
        self,
        plan: EntityPlan,
        reader: EntityReader,
        shelf: Shelf,
        pool: Executor,
        realm_id: RealmId,
        *,
        first: Future[FirstPage] | None,
        escalate: Escalate,
        count_after: bool,
    ) -> None:
        self.plan = plan
        self.reader = reader
        self.tally = Tally()
        self._shelf = shelf
        self._pool = pool
        self._realm_id = realm_id
        self._first = first
        self._escalate = escalate
        self._count_after = count_after
        self._takeover: Feed | None = None

    @property
    def mode(self) -> Mode:
        return Mode.QUERY if self._takeover is None else self._takeover.mode

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
        if self._takeover is not None:
            self._takeover.close()

    def portions(self) -> Iterator[Portion]:
        first = FirstPage(None, None)
        if self._first is not None:
            first = self._first.result()
            self.reader.calls += 1  # shared by all entities of the sync
        # Types that every sync counts heal at the next one; for the others the watermark waits
        # until the count proved that no deletion went unseen.
        hold = self._count_after and (self.plan.entity.cdc or self._silent(first.count))
        rejected = 0
        watermark = None
        try:
            for portion in self._read(first):
                rejected += len(portion.rejects)
                watermark = portion.watermark
                yield replace(portion, watermark=None) if hold else portion
        except FeatureUnavailable:
            self.reader.offered(really=False)
            self.tally.note = NOT_OFFERED
            yield Portion(())
            return
        except RequestRejected:
            # A type that cannot be filtered by time is read whole.
            yield from self._take_over()
            return
        self.reader.offered(really=True)
        if not self._count_after:
            return
        expected = first.count if first.count is not None else self.reader.count()
        stored = self._shelf.stored(self._realm_id, self.plan.entity)
        if not self.tally.compare(expected, stored, rejected):
            yield from self._take_over()
            return
        if hold:
            yield Portion((), watermark=watermark)

    def _silent(self, count: int | None) -> bool:
        """Whether the count says that most of what Bronze holds is gone: not to be built upon."""
        return fallen(count, self._shelf.stored(self._realm_id, self.plan.entity))

    def _take_over(self) -> Iterator[Portion]:
        self._takeover = self._escalate()
        self._takeover.activate()
        yield from self._takeover.portions()
        self.tally = self._takeover.tally

    def _read(self, first: FirstPage) -> Iterator[Portion]:
        page = first.page
        if page is not None and not page.full:
            watermark = page.time if self.plan.advances else None
            yield Portion(page.records, page.rejects, page.bytes, watermark)
            return
        walk = self.reader.changed(self.plan.since, self.plan.until).walk(self._pool)
        began = None
        for stretch in walk:
            began = began or stretch.time
            done = stretch.last and self.plan.advances
            yield Portion(stretch.records, stretch.rejects, stretch.bytes, began if done else None)


class ChangeFeed:
    """Changes from the shared change-data-capture call, or by query where it cannot tell."""

    def __init__(
        self,
        plan: EntityPlan,
        reader: EntityReader,
        outcome: Future[Outcome],
        by_query: Callable[[], QueryFeed],
    ) -> None:
        self.plan = plan
        self.reader = reader
        self.tally = Tally()
        self._outcome = outcome
        self._by_query = by_query
        self._fallback: QueryFeed | None = None

    @property
    def mode(self) -> Mode:
        return Mode.CDC if self._fallback is None else self._fallback.mode

    @property
    def ready(self) -> bool:
        done = self._outcome.done() and self._outcome.exception() is None
        return done and isinstance(self._outcome.result(), EntityChanges)

    def activate(self) -> None:
        """The shared call is under way already."""

    def close(self) -> None:
        if self._fallback is not None:
            self._fallback.close()

    def portions(self) -> Iterator[Portion]:
        outcome = self._outcome.result()
        self.reader.calls += 1  # shared by all entities of the sync
        if isinstance(outcome, EntityChanges):
            self.reader.offered(really=True)
            watermark = outcome.time if self.plan.advances else None
            size = sum(len(record.payload or b"") for record in outcome.records)
            yield Portion(outcome.records, outcome.rejects, size, watermark)
            return
        self._fallback = self._by_query()
        yield from self._fallback.portions()
        self.tally = self._fallback.tally
