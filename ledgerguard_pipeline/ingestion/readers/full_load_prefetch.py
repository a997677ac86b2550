"""The first calls of a full load: count everything, then read all small types in few batches.

Counting first tells which types fit into one page, and lets a batch be filled so that all its
answers together stay below Intuit's 1000 objects: whether that ceiling holds per item or per
answer is not documented, and this way it does not matter.

Decision 15 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeGuard

from ledgerguard_pipeline.entities import EntityType, Kind
from ledgerguard_pipeline.errors import FeatureUnavailable, NoQuery, QBOAPIError, RequestRejected
from ledgerguard_pipeline.ingestion.queries.batches import ONE_OF_THEM, packed, prove_answering
from ledgerguard_pipeline.ingestion.readers.full_load import Prefetched
from ledgerguard_pipeline.qbo.answers.pages import Page
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.intuit_limits import MAX_ROWS, ROWS_PER_BATCH
from ledgerguard_pipeline.qbo.paging.page_size import PageSize
from ledgerguard_pipeline.qbo.queries.statement import Query

SMALL_UNCOUNTED = 50
"""Rows assumed of a type that cannot be counted (singletons, exchange rates)."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One statement of a batch: how many rows it may bring, and who waits for its answer.

    ``found`` is given None where the answer may be cut, or did not come with a reason of its own.
    """

    entity: EntityType
    query: Query
    rows: int
    found: Callable[[Page | QBOAPIError | None], None]
    future: Future[Any]


class FullLoadPrefetch:
    """Resolves a ``Prefetched`` per entity; ``begin`` runs in the background."""

    def __init__(self, client: QBOClient, entities: Sequence[EntityType], pool: Executor) -> None:
        self._client = client
        self._entities = tuple(entities)
        self._pool = pool
        self.futures: dict[str, Future[Prefetched]] = {
            entity.name: Future() for entity in self._entities
        }
        self._inactive: dict[str, Future[Page | QBOAPIError | None]] = {
            entity.name: Future() for entity in self._entities if entity.inactive_apart
        }

    def begin(self) -> None:
        """Count in the background; batches follow as soon as the counts are known."""
        self._pool.submit(self._guarded)

    def _guarded(self) -> None:
        try:
            self._count()
        except BaseException as error:  # noqa: BLE001  # every waiting entity must learn of it
            waiting: list[Future[Any]] = [*self.futures.values(), *self._inactive.values()]
            for future in waiting:
                if not future.done():
                    future.set_exception(error)

    def _count(self) -> None:
        countable = [entity for entity in self._entities if entity.countable]
        counts: dict[str, int | QBOAPIError] = {}
        time: datetime | None = None
        if countable:
            try:
                answer = self._client.count_batch(countable)
                counts, time = dict(answer), answer.time
            except ONE_OF_THEM as error:
                prove_answering(self._client, error)
                # Said of the call, it says nothing of any type: each is asked on its own.
                for future in self.futures.values():
                    future.set_result(Prefetched(None, None, None, 1))
                return
        small: list[_Part] = []
        for entity in self._entities:
            count = counts.get(entity.name)
            apart = self._inactive.get(entity.name)
            if _settles(count, entity):
                self.futures[entity.name].set_exception(count)
                continue
            if apart is not None:
                rows = self._rows(entity)
                query = Query.inactive(entity, rows)
                small.append(_Part(entity, query, SMALL_UNCOUNTED, apart.set_result, apart))
            if isinstance(count, QBOAPIError):
                # Uncounted is no failure: the walk itself will tell what is wrong.
                self.futures[entity.name].set_result(Prefetched(None, None, time, 1, apart))
            elif count is not None and count > min(ROWS_PER_BATCH, self._rows(entity)):
                self.futures[entity.name].set_result(Prefetched(count, None, time, 1, apart))
            else:
                small.append(self._part(entity, count, time, apart))
        for batch in packed(small, lambda part: part.rows):
            self._pool.submit(self._read, batch)

    def _part(
        self,
        entity: EntityType,
        count: int | None,
        time: datetime | None,
        inactive: Future[Page | QBOAPIError | None] | None,
    ) -> _Part:
        future = self.futures[entity.name]

        def found(answer: Page | QBOAPIError | None) -> None:
            page = answer if isinstance(answer, Page) else None
            future.set_result(Prefetched(count, page, time, 1 + (count is not None), inactive))

        rows = SMALL_UNCOUNTED if count is None else count
        return _Part(entity, self._statement(entity), rows, found, future)

    def _rows(self, entity: EntityType) -> int:
        return PageSize(entity.name, self._client.capabilities).rows

    def _statement(self, entity: EntityType) -> Query:
        limit = None if entity.kind is Kind.SINGLETON else self._rows(entity)
        return Query.select(entity, limit=limit)

    def _pages(self, batch: Sequence[_Part]) -> Sequence[Page | QBOAPIError | None]:
        try:
            return self._client.query_batch([(part.entity, part.query) for part in batch])
        except ONE_OF_THEM as error:
            prove_answering(self._client, error)
            return [None] * len(batch)

    def _read(self, batch: Sequence[_Part]) -> None:
        try:
            pages = self._pages(batch)
        except BaseException as error:  # noqa: BLE001  # every waiting entity must learn of it
            for part in batch:
                part.future.set_exception(error)
            return
        whole = sum(page.rows for page in pages if isinstance(page, Page)) < MAX_ROWS
        for part, page in zip(batch, pages, strict=True):
            part.found(None if isinstance(page, Page) and not whole else page)


def _settles(
    count: int | QBOAPIError | None, entity: EntityType
) -> TypeGuard[FeatureUnavailable | RequestRejected]:
    """Whether the refusal of the count tells all there is to know about querying the type."""
    return isinstance(count, FeatureUnavailable | NoQuery) or (
        not entity.surely_queried and isinstance(count, RequestRejected)
    )
