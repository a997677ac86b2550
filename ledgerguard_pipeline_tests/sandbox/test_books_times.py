"""Times are written as QuickBooks writes them: whole seconds, Pacific offset of that moment."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ledgerguard_pipeline.sandbox.pacific import day_text, read_time, write_instant, write_time


def _at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        ("2026-03-08T09:59:59+00:00", "2026-03-08T01:59:59-08:00"),
        ("2026-03-08T10:00:00+00:00", "2026-03-08T03:00:00-07:00"),
        ("2026-11-01T08:59:59+00:00", "2026-11-01T01:59:59-07:00"),
        ("2026-11-01T09:00:00+00:00", "2026-11-01T01:00:00-08:00"),
        ("2025-07-01T00:00:00+00:00", "2025-06-30T17:00:00-07:00"),
        ("2024-03-10T10:00:00+00:00", "2024-03-10T03:00:00-07:00"),
    ],
)
def test_the_offset_changes_with_daylight_saving(moment: str, text: str) -> None:
    assert write_time(_at(moment)) == text
    assert datetime.fromisoformat(text).astimezone(UTC) == datetime.fromisoformat(moment)
    assert day_text(_at(moment)) == text[:10]
    assert read_time(text) == _at(moment)


def test_a_literal_without_an_offset_is_pacific_and_a_date_its_midnight() -> None:
    assert read_time("2026-07-01") == _at("2026-07-01T00:00:00-07:00")
    assert read_time("2026-01-05T10:00:00") == _at("2026-01-05T10:00:00-08:00")
    with pytest.raises(ValueError, match="yesterday"):
        read_time("yesterday")


def test_the_envelope_time_has_milliseconds() -> None:
    at = _at("2026-11-22T01:02:03-08:00")
    assert write_instant(at + 0.25) == "2026-11-22T01:02:03.250-08:00"
    assert write_instant(at - 0.0001) == "2026-11-22T01:02:03.000-08:00"
    assert day_text(at, 30) == "2026-12-22"
