"""The first calls of a full load: count everything, then read all small types in few batches.

Counting first tells which types fit into one page, and lets a batch be filled so that all its
answers together stay below Intuit's 1000 objects: whether that ceiling holds per item or per
answer is not documented, and this way it does not matter.

Decision 15 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, Future
from datetime import datetime
from typing import TypeGuard

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


class FullLoadPrefetch:
    """Resolves a ``Prefetched`` per entity; ``begin`` runs in the background."""

    def __init__(self, client: QBOClient, entities: Sequence[EntityType], pool: Executor) -> None:
        self._client = client
        self._entities = tuple(entities)
        self._pool = pool
        self.futures: dict[str, Future[Prefetched]] = {
            entity.name: Future() for entity in self._entities
        }

    def begin(self) -> None:
        """Count in the background; batches follow as soon as the counts are known."""
        self._pool.submit(self._guarded)

    def _guarded(self) -> None:
        try:
            self._count()
        except BaseException as error:  # noqa: BLE001  # every waiting entity must learn of it
            for future in self.futures.values():
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
                counts = {entity.name: error for entity in countable}
        small: list[tuple[EntityType, int | None]] = []
        for entity in self._entities:
            count = counts.get(entity.name)
            if _settles(count, entity):
                self.futures[entity.name].set_exception(count)
            elif isinstance(count, QBOAPIError):
                # Uncounted is no failure: the walk itself will tell what is wrong.
                self.futures[entity.name].set_result(Prefetched(None, None, time, 1))
            elif count is not None and count > min(ROWS_PER_BATCH, self._rows(entity)):
                self.futures[entity.name].set_result(Prefetched(count, None, time, 1))
            else:
                small.append((entity, count))
        for batch in packed(small, _weight):
            self._pool.submit(self._read, batch, time)

    def _rows(self, entity: EntityType) -> int:
        return PageSize(entity.name, self._client.capabilities).rows

    def _statement(self, entity: EntityType) -> Query:
        limit = None if entity.kind is Kind.SINGLETON else self._rows(entity)
        return Query.select(entity, limit=limit)

    def _pages(self, entities: Sequence[EntityType]) -> Sequence[Page | QBOAPIError]:
        try:
            return self._client.query_batch([(each, self._statement(each)) for each in entities])
        except ONE_OF_THEM as error:
            prove_answering(self._client, error)
            return [error] * len(entities)

    def _read(self, batch: list[tuple[EntityType, int | None]], time: datetime | None) -> None:
        try:
            pages = self._pages([entity for entity, _ in batch])
        except BaseException as error:  # noqa: BLE001  # every waiting entity must learn of it
            for entity, _ in batch:
                self.futures[entity.name].set_exception(error)
            return
        whole = sum(page.rows for page in pages if isinstance(page, Page)) < MAX_ROWS
        for (entity, count), page in zip(batch, pages, strict=True):
            future = self.futures[entity.name]
            if isinstance(page, Page) and whole:
                future.set_result(Prefetched(count, page, time, 1 + (count is not None)))
            else:
                future.set_result(Prefetched(count, None, time, 1 + (count is not None)))


def _settles(
    count: int | QBOAPIError | None, entity: EntityType
) -> TypeGuard[FeatureUnavailable | RequestRejected]:
    """Whether the refusal of the count tells all there is to know about querying the type."""
    return isinstance(count, FeatureUnavailable | NoQuery) or (
        not entity.surely_queried and isinstance(count, RequestRejected)
    )


def _weight(counted: tuple[EntityType, int | None]) -> int:
    _, count = counted
    return SMALL_UNCOUNTED if count is None else count
