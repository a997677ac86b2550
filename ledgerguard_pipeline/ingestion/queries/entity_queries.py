"""Reads of one entity type of one company, with the order and the fallbacks a walk needs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TypeVar

from ledgerguard_pipeline.capabilities import WITHHELD, Capability
from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock, later_of
from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.errors import (
    FeatureUnavailable,
    NoQuery,
    NotFound,
    PoisonPage,
    RequestRejected,
)
from ledgerguard_pipeline.ingestion.queries.absence import look, prove_gone
from ledgerguard_pipeline.qbo.answers.pages import Page
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.paging.page_size import PageSize
from ledgerguard_pipeline.qbo.paging.pager import Pager
from ledgerguard_pipeline.qbo.queries.statement import (
    INACTIVE,
    LAST_UPDATED_TIME,
    Condition,
    Query,
)
from ledgerguard_pipeline.values import Record, Source, State

T = TypeVar("T")

IDS_PER_QUERY = 100
"""Keeps ``Id IN (...)`` statements short enough for any URL limit."""


@dataclass(slots=True)
class LiveRecords:
    """Objects found alive, those there but unreadable, and the last answer's time and tid."""

    records: list[Record] = field(default_factory=list)
    unreadable: set[str] = field(default_factory=set)
    time: datetime | None = None
    request_id: str | None = None


class EntityQueries:
    """One company's rows of one type; counts the calls it makes. Thread-safe."""

    def __init__(
        self, client: QBOClient, entity: EntityType, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.entity = entity
        self._client = client
        self._clock = clock
        self._lock = threading.Lock()
        self.calls = 0

    def snapshot(self) -> Pager:
        """Pages of all rows."""
        return self._pager()

    def changed(self, since: datetime | None, until: datetime | None) -> Pager:
        """Pages of the rows last updated from ``since`` on and before ``until``."""
        where = [] if since is None else [Condition(LAST_UPDATED_TIME, ">=", since)]
        if until is not None:
            where.append(Condition(LAST_UPDATED_TIME, "<", until))
        return self._pager(*where, changes=True)

    def _pager(self, *where: Condition, changes: bool = False) -> Pager:
        return Pager(
            self._query_page,
            self.entity,
            self._client.capabilities,
            where=where,
            changes=changes,
            clock=self._clock,
        )

    def page(self, query: Query) -> Page:
        """The rows of one statement.

        Raises:
            QBOAPIError: they could not be read.
        """
        return self._query_page(self.entity, query)

    def among(self, *where: Condition) -> Pager:
        """Pages of all rows that meet these conditions."""
        return self._pager(*where)

    @property
    def rows_at_once(self) -> int:
        """The most rows to ask for in one statement."""
        return PageSize(self.entity.name, self._client.capabilities).rows

    def lacks(self, capability: Capability) -> bool:
        """Whether the company was seen to refuse it for this type."""
        return self._client.capabilities.denied(self.entity.name, capability)

    def note_without_query(self) -> None:
        """No query of the type is served."""
        self._client.capabilities.note(self.entity.name, Capability.QUERY, "no")

    def without_query(self) -> NoQuery:
        """The refusal that was met before, without asking for it again."""
        return NoQuery(
            f"QuickBooks serves no query of {self.entity.name} in this company.",
            realm_id=self._client.realm_id,
            entity=self.entity.name,
        )

    def now(self) -> datetime:
        """The local time, to reach back from."""
        return self._clock.now()

    def noticed_at(self, server: datetime) -> datetime:
        """When an absence is noticed that an answer of this time shows."""
        return later_of(server, self._clock)

    def one_by_one(self, ids: Sequence[str], time: datetime) -> list[Record]:
        """Objects read singly, for types without a query; those that are gone as tombstones.

        Raises:
            RightsInDoubt: a read shows no object and does not say that it is gone either.
            QBOAPIError: a read failed; nothing is known then.
        """
        records: list[Record] = []
        time = self.noticed_at(time)
        for id in ids:
            found = self._counted(partial(look, self._client, self.entity, id, missing=len(ids)))
            records.append(_buried(id, found, time) if isinstance(found, NotFound) else found)
        return records

    def offered(self) -> None:
        """Remember that the company has such objects."""
        self._client.capabilities.drop(self.entity.name, Capability.OFFERED)

    def refused(self, held: int) -> None:
        """Remember that it has none, or that they are withheld: ``held`` are in Bronze."""
        value = WITHHELD if held else "no"
        self._client.capabilities.note(self.entity.name, Capability.OFFERED, value)

    def alive(self, ids: Sequence[str]) -> LiveRecords:
        """Those of these objects that are alive now.

        Raises:
            QBOAPIError: a read failed; nothing is known then.
        """
        live = LiveRecords()
        for at in range(0, len(ids), IDS_PER_QUERY):
            self._look(ids[at : at + IDS_PER_QUERY], live)
        return live

    def _look(self, ids: Sequence[str], live: LiveRecords) -> None:
        try:
            page = self._query_page(self.entity, Query.ids(self.entity, ids))
        except (PoisonPage, RequestRejected) as refusal:
            if isinstance(refusal, NoQuery):
                raise
            if len(ids) == 1 and isinstance(refusal, RequestRejected):
                raise
            # An object that Intuit refuses to show still exists.
            if len(ids) == 1:
                live.unreadable.add(ids[0])
                return
            half = len(ids) // 2
            self._look(ids[:half], live)
            self._look(ids[half:], live)
        else:
            live.records.extend(page.records)
            live.time = page.time
            live.request_id = page.request_id
            self.add_inactive(ids, live)

    def add_inactive(self, ids: Sequence[str], live: LiveRecords) -> None:
        """Those of these objects that are merely inactive, of a type whose queries may hide them.

        Raises:
            QBOAPIError: they could not be read.
        """
        shown = {record.id for record in live.records} | live.unreadable
        missing = [id for id in ids if id not in shown]
        if not missing or not self.entity.inactive_apart:
            return
        with suppress(RequestRejected, FeatureUnavailable):  # then all are shown anyway
            apart = self._query_page(self.entity, Query.ids(self.entity, missing, INACTIVE))
            live.records.extend(apart.records)

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

    def _query_page(self, entity: EntityType, query: Query) -> Page:
        return self._counted(lambda: self._client.query_page(entity, query))

    def _counted(self, call: Callable[[], T]) -> T:
        self._called()
        return call()

    def _called(self) -> None:
        with self._lock:
            self.calls += 1


def _buried(id: str, found: NotFound, time: datetime) -> Record:
    return Record(
        id=id,
        sync_token=None,
        state=State.DELETED,
        created_at=None,
        last_updated_at=time,
        payload=None,
        source=Source.RECONCILE,
        request_id=found.intuit_tid,
        fetched_at=time,
    )
