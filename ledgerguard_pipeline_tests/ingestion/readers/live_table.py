"""Rows under somebody's hands: a table served by offsets that changes between two reads."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from ledgerguard_pipeline.clock import SYSTEM_CLOCK
from ledgerguard_pipeline.entities import EntityType, entity_type
from ledgerguard_pipeline.errors import PoisonPage
from ledgerguard_pipeline.qbo.answers.pages import Page
from ledgerguard_pipeline.qbo.paging.bad_records import blame_a_record, isolated
from ledgerguard_pipeline.qbo.paging.page_walk import Fetch
from ledgerguard_pipeline.values import Record, Source, State

INVOICE = entity_type("Invoice")
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class Inline(Executor):
    """Runs a task when it is submitted, so that page order is decided by the walk alone."""

    def submit(self, fn: Callable[..., Page], /, *args: object, **kwargs: object) -> Future[Page]:  # type: ignore[override]  # pages only
        future: Future[Page] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


def salvaged(fetch: Fetch, entity: EntityType = INVOICE) -> Fetch:
    """As a walk reads what it is refused: without the records that are the reason."""

    def read(anchor: datetime | None, start: int, limit: int) -> Page:
        try:
            return fetch(anchor, start, limit)
        except PoisonPage as error:
            refusal = error
        blame_a_record(fetch, anchor, refusal)
        return isolated(fetch, anchor, start, limit, refusal, entity, SYSTEM_CLOCK)

    return read


@dataclass
class LiveTable:
    """``disturb`` is called after every page with the table; ids sort by creation then id."""

    created: dict[int, int] = field(default_factory=dict)
    disturb: Callable[[LiveTable], None] = lambda table: None  # noqa: ARG005  # nobody disturbs
    poison: set[int] = field(default_factory=set)
    refused: bool = False
    pages: int = 0
    lock: threading.RLock = field(default_factory=threading.RLock)

    @classmethod
    def of(cls, rows: int, *, per_second: int = 3) -> LiveTable:
        return cls({number: number // per_second for number in range(rows)})

    def fetch(self, anchor: datetime | None, start: int, limit: int) -> Page:
        with self.lock:
            return self._page(anchor, start, limit)

    def _page(self, anchor: datetime | None, start: int, limit: int) -> Page:
        self.pages += 1
        ordered = sorted(self.created, key=lambda number: (self.created[number], number))
        if anchor is not None:
            least = int((anchor - EPOCH).total_seconds())
            ordered = [number for number in ordered if self.created[number] >= least]
        chosen = ordered[start - 1 : start - 1 + limit]
        if self.refused or self.poison & set(chosen):
            self.disturb(self)
            raise PoisonPage("To email address entered is invalid", fault_code="4002")
        page = Page(
            entity=INVOICE,
            records=[self._record(number) for number in chosen],
            rejects=[],
            rows=len(chosen),
            time=EPOCH,
            request_id=None,
            bytes=0,
        )
        self.disturb(self)
        return page

    def delete(self, rng: random.Random, count: int = 1) -> None:
        for _ in range(min(count, len(self.created))):
            del self.created[rng.choice(list(self.created))]

    def insert(self) -> None:
        number = max(self.created, default=0) + 1
        self.created[number] = max(self.created.values(), default=0) + 1

    def _record(self, number: int) -> Record:
        return Record(
            id=str(number),
            sync_token="0",
            state=State.ACTIVE,
            created_at=EPOCH + timedelta(seconds=self.created[number]),
            last_updated_at=None,
            payload=str(number).encode(),
            source=Source.QUERY,
            request_id=None,
            fetched_at=EPOCH,
        )
