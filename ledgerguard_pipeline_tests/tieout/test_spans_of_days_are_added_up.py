"""What the journal holds and what is still to be read of it, as spans of days."""

from __future__ import annotations

from datetime import date

import pytest

from ledgerguard_pipeline.tieout.spans import Span, merged, unread, within

TODAY = date(2026, 9, 10)


def span(start: str, end: str) -> Span:
    return date.fromisoformat(start), date.fromisoformat(end)


FIRST = span("2025-05-25", "2025-10-31")
REST = [span("2025-11-01", "2026-04-30"), span("2026-05-01", "2026-09-30")]


AHEAD = [
    span(f"{year}-{month}", f"{after}-{end}")
    for year, month, after, end in (
        (2026, "10-01", 2027, "03-31"),
        (2027, "04-01", 2027, "09-30"),
        (2027, "10-01", 2028, "03-31"),
        (2028, "04-01", 2028, "09-30"),
    )
]
"""As far ahead as all days are read."""


@pytest.mark.parametrize(
    "held, later, left",
    [
        ([], "", [FIRST, *REST]),
        ([], "2026-11-20", [FIRST, REST[0], span("2026-05-01", "2026-10-31"), span("2026-11-01", "2026-11-30")]),
        ([FIRST], "", REST),
        ([FIRST, *REST], "2026-09-20", []),
        ([FIRST, *REST], "2026-11-20", [span("2026-10-01", "2026-11-30")]),
        # A month that is held in part is read as a whole.
        ([FIRST, REST[0], span("2026-05-01", "2026-09-09")], "", [span("2026-09-01", "2026-09-30")]),
        # A hole between months that were read singly.
        ([FIRST, REST[1]], "", [REST[0]]),
        # A slip of the pen is no reason to read a hundred years.
        ([FIRST, *REST], "2126-03-05", [*AHEAD, span("2126-03-01", "2126-03-31")]),
        # What is posted years in advance is read, and what is held of it is not read again.
        ([FIRST, *REST, *AHEAD, span("2029-01-01", "2029-01-31")], "2026-10-15 2028-10-15 2029-01-15 2029-02-15 2029-04-15 2062-03-05",
         [span("2028-10-01", "2029-02-28"), span("2029-04-01", "2029-04-30"), span("2062-03-01", "2062-03-31")]),
        ([FIRST, *REST, *AHEAD, span("2029-01-01", "2029-01-31")], "2029-01-15", []),
    ],
)  # fmt: skip
def test_what_no_span_holds_is_left_to_read(held: list[Span], later: str, left: list[Span]) -> None:
    days = [date.fromisoformat(day) for day in later.split()]
    assert list(unread(held, FIRST[0], TODAY, days)) == left


def test_days_are_counted_once() -> None:
    year = span("2025-05-25", "2026-09-30")
    assert merged([REST[1], FIRST, *REST]) == [year]
    assert within([year], *span("2026-09-15", "2026-12-31")) == [span("2026-09-15", "2026-09-30")]
    assert within([FIRST], *REST[0]) == []
