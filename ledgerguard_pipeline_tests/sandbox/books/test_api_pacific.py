from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerguard_pipeline.sandbox.books.pacific_time import write_instant, write_time
from ledgerguard_pipeline.sandbox.query.literals import read_literal

LOS_ANGELES = ZoneInfo("America/Los_Angeles")


@given(st.integers(min_value=1_200_000_000, max_value=2_500_000_000))
def test_times_are_written_as_the_zone_database_has_them(epoch: int) -> None:
    expected = datetime.fromtimestamp(epoch, LOS_ANGELES).isoformat()
    assert write_time(epoch) == expected
    assert read_literal(expected) == epoch


@pytest.mark.parametrize(
    "text,expected",
    [
        ("2026-03-08T01:59:59", "2026-03-08T01:59:59-08:00"),
        ("2026-03-08T03:00:00", "2026-03-08T03:00:00-07:00"),
        ("2026-11-01T12:00:00", "2026-11-01T12:00:00-08:00"),
        ("2026-07-04", "2026-07-04T00:00:00-07:00"),
        ("2026-07-04T00:00:00Z", "2026-07-03T17:00:00-07:00"),
        ("2026-07-04T00:00:00-0700", "2026-07-04T00:00:00-07:00"),
    ],
)
def test_literals_without_an_offset_are_pacific(text: str, expected: str) -> None:
    assert write_time(int(read_literal(text))) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-13-01",
        "2026-02-30",
        "2026-01-01T25:00:00",
        "2026-01-01 00:00",
        "20260101",
        "2026-W01-1",
        "2026-01-01T10",
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_literal(text)


def test_an_instant_has_milliseconds() -> None:
    assert write_instant(1_795_340_568.75) == "2026-11-22T01:42:48.750-08:00"
