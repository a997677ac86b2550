"""Times as people read them; all in UTC."""

from __future__ import annotations

from datetime import UTC, datetime

_STEPS = ((60, "second"), (60, "minute"), (24, "hour"))


def iso(value: datetime) -> str:
    """For machines: ``2026-11-22T12:18:05Z``."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def instant(value: datetime) -> str:
    """To the minute: ``22 Nov 2026, 12:18``."""
    return f"{value.astimezone(UTC):%-d %b %Y, %H:%M}"


def clock(value: datetime) -> str:
    """The time of day: ``12:18 UTC``."""
    return f"{value.astimezone(UTC):%H:%M} UTC"


def calendar_day(value: datetime) -> str:
    """To the day: ``22 Nov 2026``."""
    return f"{value.astimezone(UTC):%-d %b %Y}"


def ago(value: datetime, now: datetime) -> str:
    """How far away: ``4 minutes ago``, ``in 98 days``."""
    seconds = (now - value).total_seconds()
    text = span(abs(seconds))
    if text == "0 seconds":
        return "just now"
    return f"{text} ago" if seconds >= 0 else f"in {text}"


def span(seconds: float) -> str:
    """A length of time in its largest whole unit, days at most."""
    count = int(seconds)
    for size, unit in _STEPS:
        if count < size:
            return _counted(count, unit)
        count //= size
    return _counted(count, "day")


def _counted(count: int, unit: str) -> str:
    return f"{count:,} {unit}{'' if count == 1 else 's'}"
