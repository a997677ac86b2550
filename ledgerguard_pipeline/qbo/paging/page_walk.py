"""Walk a set of rows page by page without losing one while the books change.

Intuit's offsets count positions in live data: when a row before the next page leaves its place,
everything behind it shifts and a row crosses the page border unread. This walk therefore

1. asks for an order by a time (see ``order_ladder``), under which edits move rows to the right at most
   and deletions move them to the left;
2. lets neighbouring pages overlap and checks the seam: a page joins the one before it when its
   first row sorts strictly before the last one of that page. Rows of one second may stand in
   another order in every answer, so it is not enough that the first row was already seen;
3. repairs a broken seam by asking again from the *value* where the last good page ended, which
   no shift can move and which brings all rows of that second again.

Where one second holds more rows than two pages share, the walk asks for a second sort key if
the company takes one, and otherwise goes from value to value, one page at a time. Only within a
second that fills a page do positions have to do, and there an overlap of seen rows. Where a company
hands out one row at a time there is no overlap either; the count after the walk has to do.

Pages may be answered shorter than asked for (``Page.limit``): what came is kept, and the walk
goes on from there in pages of the size that works.

Whatever was created or edited meanwhile lies after the start of the walk and is brought by the
change pass that follows it. The rule holds for any order whose keys never decrease.

Decisions 1 and 58 in docs/decisions.md.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ledgerguard_pipeline.errors import IngestionError, RequestRejected
from ledgerguard_pipeline.qbo.answers.pages import Page
from ledgerguard_pipeline.qbo.intuit_limits import MAX_ROWS
from ledgerguard_pipeline.values import Record, Reject

OVERLAP_ROWS = 20
"""Rows two neighbouring pages share; up to this many deletions between them cost no repair."""

MAX_REPAIRS_IN_PLACE = 50
"""Repairs without any progress before the walk gives up; each costs about one page."""


class Fetch(Protocol):
    """Reads rows whose key is at or after ``anchor`` (all if None), in key order."""

    def __call__(self, anchor: datetime | None, start: int, limit: int) -> Page:
        """Rows ``start`` .. ``start + limit - 1`` of that set; ``start`` counts from 1."""
        ...


class Size(Protocol):
    """How many rows to ask for at once; ``settled`` when that is not about to change."""

    @property
    def rows(self) -> int: ...

    @property
    def settled(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class FixedSize:
    """Pages of one size."""

    rows: int = MAX_ROWS
    settled: bool = True


@dataclass(frozen=True, slots=True)
class NewRows:
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
    """One walk; iterate it once. ``ahead`` pages are fetched in parallel and may be changed.

    ``tied`` fetches rows in the same order with Id as a second key. Without a ``pool`` every page
    is fetched when it is wanted.
    """

    def __init__(
        self,
        fetch: Fetch,
        pool: Executor | None,
        key: Callable[[Record], datetime | None],
        *,
        anchor: datetime | None = None,
        expected: int | None = None,
        ahead: int = 1,
        size: Size | None = None,
        tied: Fetch | None = None,
    ) -> None:
        self._fetch = fetch
        self._tied = tied
        self._ties_broken = False
        self._by_value = False
        self._pool = pool
        self._key = key
        self._anchor = anchor
        self._start = 1
        self._expected = expected
        self._size = size or FixedSize()
        self.ahead = ahead
        self.repairs = 0
        self._in_place = 0
        self._epoch: _Epoch | None = self._open(expected)

    def __iter__(self) -> Iterator[NewRows]:
        previous: _Seen | None = None
        delivered = 0
        while True:
            epoch, self._epoch = self._epoch, None
            if epoch is None:
                epoch = self._open(None if self._expected is None else self._expected - delivered)
            try:
                for start, page in self._pages(epoch, previous):
                    # A page that begins at a value needs no seam, and pages of one row share none.
                    seam = start > 1 and epoch.rows > 1
                    if seam and previous is not None and not self._joins(previous, page):
                        self._repair(previous)
                        break
                    limit = page.limit or epoch.rows
                    last = page.rows < limit
                    fresh, rejects = page.records, page.rejects
                    if previous is not None:
                        fresh, rejects = previous.without(fresh), previous.unknown(rejects)
                    previous = seen = _Seen.of(page, self._key, previous)
                    delivered += len(fresh) + len(rejects)
                    yield NewRows(fresh, rejects, seen.last_key, page.time, page.bytes, last)
                    if last:
                        return
                    if limit != epoch.rows or self._size.rows != epoch.rows or self._by_value:
                        self._go_on(seen, start, page.rows)
                        break
            finally:
                epoch.close()

    def close(self) -> None:
        """Drop pages fetched ahead that nobody will read."""
        if self._epoch is not None:
            self._epoch.close()

    def _open(self, expected: int | None) -> _Epoch:
        return _Epoch(
            self._tied if self._ties_broken and self._tied is not None else self._fetch,
            self._pool,
            self._anchor,
            self._start,
            self._size.rows,
            expected,
            lambda: self.ahead if self._size.settled and not self._by_value else 0,
        )

    def _pages(self, epoch: _Epoch, previous: _Seen | None) -> Iterator[tuple[int, Page]]:
        """An epoch's pages; where the second sort key is refused, none, and never again."""
        try:
            yield from epoch
        except RequestRejected:
            if not self._ties_broken or self._tied is None:
                raise
            self._tied, self._ties_broken, self._by_value = None, False, True
            self._anchor, self._start = previous.last_key if previous else None, 1

    def _joins(self, previous: _Seen, page: Page) -> bool:
        """True when no row can lie unread between the page before and this one."""
        if page.rows == 0:
            return False
        if not page.records:
            return True
        first = page.records[0]
        last, value = previous.last_key, self._key(first)
        if last is not None and value is not None and value != last:
            # Behind it, even a row seen before proves nothing: it may have been edited and moved.
            return value < last
        one_second = last is not None and value == last
        if one_second and not self._ties_broken and (self._tied or last != self._anchor):
            # Rows of that second lie on both sides of the seam, and may have changed places.
            self._ties_broken = self._tied is not None
            self._by_value = self._tied is None
            return False
        return first.id in previous.payloads

    def _repair(self, previous: _Seen) -> None:
        self.repairs += 1
        self._in_place = self._in_place + 1 if previous.last_key == self._anchor else 0
        if self._in_place > MAX_REPAIRS_IN_PLACE:
            raise IngestionError(
                "The rows keep shifting faster than pages can be read; nothing was lost, "
                "the next sync resumes here."
            )
        self._anchor, self._start = previous.last_key, 1

    def _go_on(self, seen: _Seen, start: int, rows: int) -> None:
        """Begin the next epoch behind a full page: at its last value, or where it has none there."""
        last = seen.last_key
        if last is not None and (self._anchor is None or last > self._anchor):
            self._anchor, self._start = last, 1
        else:
            self._start = start + max(rows - _overlap(rows), 1)


class _Epoch:
    """Pages of one anchor with their positions, fetched ahead as far as they surely hold rows."""

    def __init__(
        self,
        fetch: Fetch,
        pool: Executor | None,
        anchor: datetime | None,
        start: int,
        rows: int,
        expected: int | None,
        ahead: Callable[[], int],
    ) -> None:
        self.rows = rows
        self._step = max(rows - _overlap(rows), 1)
        self._fetch = fetch
        self._pool = pool
        self._anchor = anchor
        self._start = start
        self._sure = 1 if expected is None else 1 + max(0, -(-(expected - rows) // self._step))
        self._ahead = ahead
        self._next = 0
        self._waiting: deque[tuple[int, Future[Page]]] = deque()
        self._fill(at_least=1)

    def __iter__(self) -> Iterator[tuple[int, Page]]:
        while True:
            if not self._waiting:
                self._submit()
            start, waiting = self._waiting.popleft()
            page = waiting.result()
            self._fill()
            yield start, page

    def close(self) -> None:
        while self._waiting:
            self._waiting.popleft()[1].cancel()

    def _fill(self, *, at_least: int = 0) -> None:
        if self._pool is None:
            return
        while len(self._waiting) < max(self._ahead(), at_least) and self._next < self._sure:
            self._submit()

    def _submit(self) -> None:
        start = self._start + self._next * self._step
        self._next += 1
        page: Future[Page] = Future()
        if self._pool is None:
            page.set_result(self._fetch(self._anchor, start, self.rows))
        else:
            page = self._pool.submit(self._fetch, self._anchor, start, self.rows)
        self._waiting.append((start, page))


def _overlap(rows: int) -> int:
    return min(OVERLAP_ROWS, rows // 2)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a seam check needs to know of the page before."""

    payloads: dict[str, bytes | None]
    last_key: datetime | None
    rejects: frozenset[tuple[str | None, str, bytes | None]] = frozenset()

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
        rejects = frozenset(map(_sight, page.rejects))
        if not keys and before is not None:
            return cls(before.payloads, before.last_key, rejects)
        return cls({record.id: record.payload for record in page.records}, last, rejects)

    def without(self, records: list[Record]) -> list[Record]:
        """The records this page did not hold in the same bytes."""
        return [
            record for record in records if self.payloads.get(record.id, _ABSENT) != record.payload
        ]

    def unknown(self, rejects: list[Reject]) -> list[Reject]:
        """The unreadable rows this page did not hold in the same bytes."""
        return [reject for reject in rejects if _sight(reject) not in self.rejects]


def _sight(reject: Reject) -> tuple[str | None, str, bytes | None]:
    return reject.id, reject.reason, reject.payload


_ABSENT = object()
