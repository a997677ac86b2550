"""Walk a set of rows page by page without losing one while the books change.

Intuit's offsets count positions in live data: when a row before the next page leaves its place,
everything behind it shifts and a row crosses the page border unread. This walk therefore

1. asks for an order that edits do not change (CreateTime, then Id), so that only deletions
   shift rows, and only to the left;
2. lets neighbouring pages overlap and checks the seam: a page joins the one before it when its
   first row was already seen or sorts strictly before the last one;
3. repairs a broken seam by asking again from the *value* where the last good page ended, which
   no shift can move.

Whatever was created or edited meanwhile lies after the start of the walk and is brought by the
change pass that follows it. The rule holds for any order whose keys never decrease, so the same
walk serves LastUpdatedTime.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ledgerguard_pipeline.errors import IngestionError
from ledgerguard_pipeline.qbo.answers import Page
from ledgerguard_pipeline.values import Record, Reject

PAGE_ROWS = 1000
"""Intuit's ceiling for one query."""

OVERLAP_ROWS = 20
"""Rows two neighbouring pages share; up to this many deletions between them cost no repair."""

STEP = PAGE_ROWS - OVERLAP_ROWS

MAX_REPAIRS_IN_PLACE = 50
"""Repairs without any progress before the walk gives up; each costs about one page."""


class Fetch(Protocol):
    """Reads rows whose key is at or after ``anchor`` (all if None), in key order."""

    def __call__(self, anchor: datetime | None, start: int, limit: int) -> Page:
        """Rows ``start`` .. ``start + limit - 1`` of that set; ``start`` counts from 1."""
        ...


@dataclass(frozen=True, slots=True)
class Stretch:
    """The new rows of one page.

    Every row with a key before ``covered_to`` has been delivered by now, so a later walk may
    start there; None where the order gives no such value. ``time`` is the server's.
    """

    records: list[Record]
    rejects: list[Reject]
    covered_to: datetime | None
    time: datetime
    bytes: int
    last: bool


class PageWalk:
    """One walk; iterate it once. ``ahead`` pages are fetched in parallel and may be changed."""

    def __init__(
        self,
        fetch: Fetch,
        pool: Executor,
        key: Callable[[Record], datetime | None],
        *,
        anchor: datetime | None = None,
        expected: int | None = None,
        ahead: int = 1,
    ) -> None:
        self._fetch = fetch
        self._pool = pool
        self._key = key
        self._anchor = anchor
        self._expected = expected
        self.ahead = ahead
        self.repairs = 0
        self._epoch: _Epoch | None = self._open(anchor, expected)

    def __iter__(self) -> Iterator[Stretch]:
        anchor = self._anchor
        previous: _Seen | None = None
        delivered = in_place = 0
        while True:
            broken = False
            first_of_epoch = True
            epoch, self._epoch = self._epoch, None
            if epoch is None:
                remaining = None if self._expected is None else self._expected - delivered
                epoch = self._open(anchor, remaining)
            try:
                for page in epoch:
                    if (
                        previous is not None
                        and not first_of_epoch
                        and not previous.joins(page, self._key)
                    ):
                        broken = True
                        break
                    first_of_epoch = False
                    last = page.rows < PAGE_ROWS
                    fresh = page.records if previous is None else previous.without(page.records)
                    seen = _Seen.of(page, self._key, previous)
                    previous = seen
                    delivered += len(fresh) + len(page.rejects)
                    yield Stretch(fresh, page.rejects, seen.last_key, page.time, page.bytes, last)
                    if last:
                        return
            finally:
                epoch.close()
            if not broken:
                raise AssertionError("an epoch ends with a short page or a broken seam")
            self.repairs += 1
            restart = previous.last_key if previous is not None else None
            in_place = in_place + 1 if restart == anchor else 0
            if in_place > MAX_REPAIRS_IN_PLACE:
                raise IngestionError(
                    "The rows keep shifting faster than pages can be read; nothing was lost, "
                    "the next sync resumes here."
                )
            anchor = restart

    def close(self) -> None:
        """Drop pages fetched ahead that nobody will read."""
        if self._epoch is not None:
            self._epoch.close()

    def _open(self, anchor: datetime | None, expected: int | None) -> _Epoch:
        return _Epoch(self._fetch, self._pool, anchor, expected, lambda: self.ahead)


class _Epoch:
    """Pages of one anchor, in order, fetched ahead as far as they are sure to hold rows."""

    def __init__(
        self,
        fetch: Fetch,
        pool: Executor,
        anchor: datetime | None,
        expected: int | None,
        ahead: Callable[[], int],
    ) -> None:
        self._fetch = fetch
        self._pool = pool
        self._anchor = anchor
        self._sure = 1 if expected is None else 1 + max(0, -(-(expected - PAGE_ROWS) // STEP))
        self._ahead = ahead
        self._next = 0
        self._waiting: deque[Future[Page]] = deque()
        self._fill()

    def __iter__(self) -> Iterator[Page]:
        while True:
            if not self._waiting:
                self._submit()
            page = self._waiting.popleft().result()
            self._fill()
            yield page

    def close(self) -> None:
        while self._waiting:
            self._waiting.popleft().cancel()

    def _fill(self) -> None:
        while len(self._waiting) < self._ahead() and self._next < self._sure:
            self._submit()

    def _submit(self) -> None:
        start = 1 + self._next * STEP
        self._next += 1
        self._waiting.append(self._pool.submit(self._fetch, self._anchor, start, PAGE_ROWS))


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a seam check needs to know of the page before."""

    payloads: dict[str, bytes | None]
    last_key: datetime | None

    @classmethod
    def of(
        cls, page: Page, key: Callable[[Record], datetime | None], before: _Seen | None
    ) -> _Seen:
        keys = [key(record) for record in page.records]
        known = [value for value in keys if value is not None]
        # An order other than the one asked for has no value to restart from.
        in_order = len(known) == len(keys) and all(
            left <= right for left, right in itertools.pairwise(known)
        )
        last = known[-1] if known and in_order else None
        if not keys and before is not None:
            return cls(before.payloads, before.last_key)
        return cls({record.id: record.payload for record in page.records}, last)

    def joins(self, page: Page, key: Callable[[Record], datetime | None]) -> bool:
        """True when no row can lie unread between that page's rows and these."""
        if page.rows == 0:
            return False
        if not page.records:
            return True
        first = page.records[0]
        if first.id in self.payloads:
            return True
        value = key(first)
        return self.last_key is not None and value is not None and value < self.last_key

    def without(self, records: list[Record]) -> list[Record]:
        """The records this page did not hold in the same bytes."""
        return [
            record for record in records if self.payloads.get(record.id, _ABSENT) != record.payload
        ]


_ABSENT = object()
