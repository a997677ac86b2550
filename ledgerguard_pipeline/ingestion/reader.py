"""Reads of one entity type of one company, with the order and the fallbacks a walk needs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.entities import EntityType, Kind
from ledgerguard_pipeline.errors import PoisonPage, RequestRejected
from ledgerguard_pipeline.ingestion.absence import prove_gone
from ledgerguard_pipeline.ingestion.salvage import BEYOND, salvaging
from ledgerguard_pipeline.ingestion.walk import Fetch
from ledgerguard_pipeline.qbo.answers import Page
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.reads import PROBE
from ledgerguard_pipeline.qbo.statement import (
    CREATE_TIME,
    LAST_UPDATED_TIME,
    Condition,
    Order,
    Query,
)
from ledgerguard_pipeline.values import Record

T = TypeVar("T")

IDS_PER_QUERY = 100
"""Keeps ``Id IN (...)`` statements short enough for any URL limit."""

_ORDERS: tuple[tuple[Order, ...], ...] = (
    (Order(CREATE_TIME), Order("Id")),
    (Order("Id"),),
    (),
)
"""Best first; a type that refuses to be sorted by one is walked by the next."""


def created(record: Record) -> datetime | None:
    """The key of a full walk: it never changes in the life of an object."""
    return record.created_at


def updated(record: Record) -> datetime | None:
    """The key of a walk over changes: it only ever grows."""
    return record.last_updated_at


@dataclass(slots=True)
class Living:
    """Objects found alive, those there but unreadable, and the last answer's time and tid."""

    records: list[Record] = field(default_factory=list)
    unreadable: set[str] = field(default_factory=set)
    time: datetime | None = None
    request_id: str | None = None


class EntityReader:
    """One company's rows of one type; counts the calls it makes. Thread-safe."""

    def __init__(
        self, client: QBOClient, entity: EntityType, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.entity = entity
        self._client = client
        self._clock = clock
        self._lock = threading.Lock()
        self._order = 0
        self.calls = 0

    def snapshot(self) -> Fetch:
        """Pages of all rows in creation order."""
        return salvaging(self._created_page, self.entity, self._clock)

    def changed(self, since: datetime | None, until: datetime | None) -> Fetch:
        """Pages of the rows last updated from ``since`` on and before ``until``."""
        end = () if until is None else (Condition(LAST_UPDATED_TIME, "<", until),)

        def page(anchor: datetime | None, start: int, limit: int) -> Page:
            begin = anchor if anchor is not None else since
            first = () if begin is None else (Condition(LAST_UPDATED_TIME, ">=", begin),)
            return self._page(
                Query.select(
                    self.entity,
                    (*first, *end),
                    order=(Order(LAST_UPDATED_TIME), Order("Id")),
                    start=start,
                    limit=limit,
                )
            )

        return salvaging(page, self.entity, self._clock)

    def alive(self, ids: Sequence[str]) -> Living:
        """Those of these objects that are alive now.

        Raises:
            QBOAPIError: a read failed; nothing is known then.
        """
        living = Living()
        for at in range(0, len(ids), IDS_PER_QUERY):
            self._look(ids[at : at + IDS_PER_QUERY], living)
        return living

    def _look(self, ids: Sequence[str], living: Living) -> None:
        try:
            page = self._page(Query.ids(self.entity, ids))
        except PoisonPage:
            # Who refuses to be shown is not gone.
            if len(ids) == 1:
                living.unreadable.add(ids[0])
                return
            half = len(ids) // 2
            self._look(ids[:half], living)
            self._look(ids[half:], living)
        else:
            living.records.extend(page.records)
            living.time = page.time
            living.request_id = page.request_id

    def prove_gone(self, ids: Sequence[str]) -> None:
        """Return if single reads confirm that a sample of these objects is gone.

        Raises:
            RightsInDoubt: they do not; nothing may be deleted then.
        """
        prove_gone(self._client, self.entity, ids, called=self._called)

    def count(self) -> int | None:
        """Intuit's own count, or None where the type cannot be counted."""
        if not self.entity.countable:
            return None
        try:
            return self._counted(lambda: self._client.count_entities(self.entity.name))
        except RequestRejected:
            return None

    def _created_page(self, anchor: datetime | None, start: int, limit: int) -> Page:
        if self.entity.kind is Kind.SINGLETON:
            return self._page(Query.select(self.entity, limit=None))
        while True:
            level = self._order
            where = () if anchor is None else (Condition(CREATE_TIME, ">=", anchor),)
            query = Query.select(self.entity, where, order=_ORDERS[level], start=start, limit=limit)
            try:
                return self._page(query)
            except RequestRejected:
                with self._lock:
                    if level + 1 >= len(_ORDERS) or anchor is not None:
                        raise
                    self._order = max(self._order, level + 1)

    def _page(self, query: Query) -> Page:
        purpose = PROBE if (query.start or 0) >= BEYOND else "query"
        return self._counted(lambda: self._client.query_page(self.entity, query, purpose=purpose))

    def _counted(self, call: Callable[[], T]) -> T:
        self._called()
        return call()

    def _called(self) -> None:
        with self._lock:
            self.calls += 1
