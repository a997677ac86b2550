"""Walking all objects of a type so that nobody's edit or delete can shift rows past the reader.

Offsets over live data skip rows. Here the next page is asked for by value: objects are ordered
by when they were created, which no edit changes, and a page starts at the creation time the last
one ended with. Only inside a second with more objects than a page are positions used; those
pages overlap, and where the overlap shows that rows moved, the second is read again from its
start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from ledgerguard_pipeline.entities import EntityType, Kind
from ledgerguard_pipeline.qbo.answers import Page
from ledgerguard_pipeline.qbo.statement import (
    CREATE_TIME,
    LAST_UPDATED_TIME,
    MAX_ROWS,
    Condition,
    Order,
    Query,
)
from ledgerguard_pipeline.values import Record, Reject

_log = structlog.get_logger("ledgerguard_pipeline.qbo")

OVERLAP = 50
"""Rows that neighbouring pages share where positions are used."""


def walk_order(entity: EntityType) -> tuple[Order, ...]:
    """An order that edits do not change; singletons have none."""
    if entity.kind is Kind.SINGLETON:
        return ()
    if not entity.timestamps:
        return (Order("Id"),)
    return (Order(CREATE_TIME), Order("Id"))


def walk(
    query_page: Callable[[EntityType, Query], Page],
    entity: EntityType,
    *,
    since: datetime | None = None,
    where: Sequence[Condition] = (),
    page_rows: int = MAX_ROWS,
) -> Iterator[Page]:
    """Every object that exists throughout the walk, each once, as pages of new rows.

    An object edited while it is being read may come a second time in its newer version. Objects
    created during the walk may or may not be part of it. ``since`` keeps to objects updated at
    or after that time.

    Raises:
        QBOAPIError: a page could not be read.
    """
    conditions = list(where)
    if since is not None and entity.timestamps:
        conditions.append(Condition(LAST_UPDATED_TIME, ">=", since))
    order = walk_order(entity)
    if not order:
        yield query_page(entity, Query.select(entity, conditions, limit=None))
        return
    cursor = _Cursor()
    while True:
        at = list(conditions)
        if cursor.created is not None:
            at.append(Condition(CREATE_TIME, ">=", cursor.created))
        statement = Query.select(entity, at, order=order, start=cursor.start, limit=page_rows)
        page = query_page(entity, statement)
        yield cursor.fresh(page)
        if page.rows < page_rows:
            return
        cursor.advance(page, by_value=entity.timestamps)


def readable(pages: Iterator[Page]) -> Iterator[Record]:
    """The records of pages, for callers without a quarantine; what cannot be read is logged."""
    for page in pages:
        for reject in page.rejects:
            _log.warning(
                "qbo_row_unreadable",
                entity=page.entity.name,
                id=reject.id,
                reason=reject.reason,
                intuit_tid=reject.request_id,
            )
        yield from page.records


@dataclass(slots=True)
class _Cursor:
    """Where the next page starts, and which rows it may repeat."""

    created: datetime | None = None
    start: int = 1
    seam: frozenset[str] = frozenset()
    seen: dict[str, datetime | None] = field(default_factory=dict)
    rejected: set[bytes | None] = field(default_factory=set)
    repeats: int = 0

    def fresh(self, page: Page) -> Page:
        """The page without rows that were handed out before."""
        records: list[Record] = []
        for record in page.records:
            if record.id in self.seen and self.seen[record.id] == record.last_updated_at:
                continue
            self.seen[record.id] = record.last_updated_at
            records.append(record)
        rejects: list[Reject] = []
        for reject in page.rejects:
            if reject.payload not in self.rejected:
                self.rejected.add(reject.payload)
                rejects.append(reject)
        return replace(page, records=records, rejects=rejects)

    def advance(self, page: Page, *, by_value: bool) -> None:
        """Move behind a full page."""
        times = [record.created_at for record in page.records if record.created_at is not None]
        last = max(times, default=None)
        if by_value and last is not None and (self.created is None or last > self.created):
            self._move_to(last, page)
            return
        ids = frozenset(record.id for record in page.records)
        if self.start > 1 and not (ids & self.seam) and self.repeats < 3:
            # The rows both pages should share are gone: something moved, so read it all again.
            self.start, self.seam, self.repeats = 1, frozenset(), self.repeats + 1
            return
        step = max(page.rows - min(OVERLAP, page.rows // 2), 1)
        self.start += step
        self.seam = frozenset(record.id for record in page.records[-min(OVERLAP, page.rows // 2) :])

    def _move_to(self, created: datetime, page: Page) -> None:
        self.created, self.start, self.seam, self.repeats = created, 1, frozenset(), 0
        # Only the second in which the page ended can come again.
        self.seen = {
            record.id: record.last_updated_at
            for record in page.records
            if record.created_at is None or record.created_at >= created
        }
