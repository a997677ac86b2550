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


@pytest.mark.parametrize(
    "held, newest, left",
    [
        ([], None, [FIRST, *REST]),
        ([], "2026-08-01", [FIRST, *REST]),
        ([], "2026-11-20", [FIRST, REST[0], span("2026-05-01", "2026-10-31"), span("2026-11-01", "2026-11-30")]),
        ([FIRST], None, REST),
        ([FIRST, *REST], "2026-09-20", []),
        ([FIRST, *REST], "2026-11-20", [span("2026-10-01", "2026-11-30")]),
        # A month that is held in part is read as a whole.
        ([FIRST, REST[0], span("2026-05-01", "2026-09-09")], None, [span("2026-09-01", "2026-09-30")]),
        # A hole between months that were read singly.
        ([FIRST, REST[1]], None, [REST[0]]),
        # A slip of the pen is no reason to read a hundred years.
        ([FIRST, *REST], "2126-03-05", [span("2126-03-01", "2126-03-31"), *[span(f"{year}-{month}", f"{after}-{end}") for year, month, after, end in (
            (2026, "10-01", 2027, "03-31"), (2027, "04-01", 2027, "09-30"), (2027, "10-01", 2028, "03-31"), (2028, "04-01", 2028, "09-30"))]]),
    ],
)  # fmt: skip
def test_what_no_span_holds_is_left_to_read(
    held: list[Span], newest: str | None, left: list[Span]
) -> None:
    day = None if newest is None else date.fromisoformat(newest)
    assert list(unread(held, FIRST[0], TODAY, day)) == left


def test_days_are_counted_once() -> None:
    year = span("2025-05-25", "2026-09-30")
    assert merged([REST[1], FIRST, *REST]) == [year]
    assert within([year], *span("2026-09-15", "2026-12-31")) == [span("2026-09-15", "2026-09-30")]
    assert within([FIRST], *REST[0]) == []
