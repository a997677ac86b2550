"""Reads of one entity type of one company, with the order and the fallbacks a walk needs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
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
    UnreadableRecord,
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
from ledgerguard_pipeline.values import Record, Reject, Source, State

T = TypeVar("T")

IDS_PER_QUERY = 100
"""Keeps ``Id IN (...)`` statements short enough for any URL limit."""


@dataclass(slots=True)
class LiveRecords:
    """Objects found alive, those there but unreadable, and the last answer's time and tid.

    Of an unreadable one there is its row in ``rejects``, unless Intuit cannot serve it at all.
    """

    records: list[Record] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    unreadable: set[str] = field(default_factory=set)
    time: datetime | None = None
    request_id: str | None = None

    def add(self, page: Page) -> None:
        """Note what an answer shows. A row that cannot be read belongs to an object that is there."""
        self.records.extend(page.records)
        self.rejects.extend(page.rejects)
        self.unreadable |= ids_of(page.rejects)

    def add_unreadable(self, id: str, refusal: PoisonPage | RequestRejected) -> None:
        """Note an object that is there, and what was sent of it if anything was."""
        self.unreadable.add(id)
        if isinstance(refusal, UnreadableRecord) and isinstance(refusal.row, Reject):
            self.rejects.append(refusal.row)

    @property
    def there(self) -> set[str]:
        """Ids of the objects that are there, whether they can be read or not."""
        return {record.id for record in self.records} | self.unreadable


def ids_of(rejects: Iterable[Reject]) -> set[str]:
    """Whose rows these are, as far as they tell."""
    return {reject.id for reject in rejects if reject.id is not None}


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

    def one_by_one(self, ids: Sequence[str], time: datetime) -> LiveRecords:
        """Objects read singly, for types without a query; those that are gone as tombstones.

        Raises:
            RightsInDoubt: a read shows no object and does not say that it is gone either.
            QBOAPIError: a read failed; nothing is known then.
        """
        live = LiveRecords()
        time = self.noticed_at(time)
        for id in ids:
            try:
                found = self._counted(
                    partial(look, self._client, self.entity, id, missing=len(ids))
                )
            except UnreadableRecord as error:
                live.add_unreadable(id, error)
                continue
            live.records.append(_buried(id, found, time) if isinstance(found, NotFound) else found)
        return live

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
                live.add_unreadable(ids[0], refusal)
                return
            half = len(ids) // 2
            self._look(ids[:half], live)
            self._look(ids[half:], live)
        else:
            self.take(ids, page, live)

    def take(self, ids: Sequence[str], page: Page, live: LiveRecords) -> None:
        """What an answer about these objects shows, and those it hides that are merely inactive.

        Raises:
            QBOAPIError: something had to be asked for besides, and could not be read.
        """
        live.add(page)
        live.time, live.request_id = page.time, page.request_id
        self._add_inactive(ids, live)

    def _add_inactive(self, ids: Sequence[str], live: LiveRecords) -> None:
        there = live.there
        missing = [id for id in ids if id not in there]
        if not missing or not self.entity.inactive_apart:
            return
        try:
            live.add(self._query_page(self.entity, Query.ids(self.entity, missing, INACTIVE)))
        except PoisonPage as refusal:
            if len(missing) == 1:
                live.add_unreadable(missing[0], refusal)
                return
            half = len(missing) // 2
            self._add_inactive(missing[:half], live)
            self._add_inactive(missing[half:], live)
        except (RequestRejected, FeatureUnavailable):
            return  # then all are shown anyway

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
