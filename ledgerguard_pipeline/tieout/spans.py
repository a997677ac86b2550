"""Spans of days: which of them the journal holds, and which are still to be read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date, timedelta

from ledgerguard_pipeline.qbo.reporting import WINDOW_MONTHS, windows

Span = tuple[date, date]
"""First and last day, both included."""
_DAY = timedelta(days=1)
_AHEAD = 24
"""Months after today up to which all days are read; of later ones those that a document is dated in.

What is dated later is a slip of the pen, or entries that were posted for years in advance.
"""


def next_month(day: date) -> date:
    """The first day of the month after a day's."""
    number = day.year * 12 + day.month
    return date(number // 12, number % 12 + 1, 1)


def month_end(day: date) -> date:
    """The last day of a day's month."""
    return next_month(day) - _DAY


def months_after(day: date, count: int) -> date:
    """The last day of the month that is so many months after a day's."""
    number = day.year * 12 + day.month - 1 + count
    return month_end(date(number // 12, number % 12 + 1, 1))


def months_of(days: Iterable[date]) -> list[Span]:
    """The months of these days, oldest first."""
    return [(first, month_end(first)) for first in sorted({day.replace(day=1) for day in days})]


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same days in as few spans as possible, oldest first."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1] + _DAY:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def within(spans: Iterable[Span], start: date, end: date) -> list[Span]:
    """The parts of these spans that lie in a span."""
    clipped = ((max(first, start), min(last, end)) for first, last in spans)
    return [(first, last) for first, last in clipped if first <= last]


def grouped(months: Iterable[Span]) -> list[Span]:
    """Windows as long as Intuit advises at most, which together hold these months."""
    found: list[Span] = []
    for first, last in sorted(months):
        if found and last <= months_after(found[-1][0], WINDOW_MONTHS - 1):
            found[-1] = (found[-1][0], last)
        else:
            found.append((first, last))
    return found


def unread(
    held: Sequence[Span], begin: date, today: date, later: Collection[date] = ()
) -> Iterator[Span]:
    """What no span holds from a day to the end of this month, or to the newest document's.

    ``later`` are the days after today that documents are dated; far ahead their months are read and
    none between. In windows as Intuit advises: a first load that was interrupted goes on as it would
    have.
    """
    horizon = months_after(today, _AHEAD)
    last = max(month_end(today), min(month_end(max(later, default=today)), horizon))
    for first, end in _gaps(held, begin, last):
        # Of a month that is held in part the rest is no window of its own.
        yield from windows(first if first == begin else first.replace(day=1), end, WINDOW_MONTHS)
    known = merged(held)
    beyond = months_of(day for day in later if day > last)
    yield from grouped(month for month in beyond if within(known, *month) != [month])


def _gaps(held: Iterable[Span], first: date, last: date) -> Iterator[Span]:
    day = first
    for start, end in merged(within(held, first, last)):
        if day < start:
            yield day, start - _DAY
        day = end + _DAY
    if day <= last:
        yield day, last
