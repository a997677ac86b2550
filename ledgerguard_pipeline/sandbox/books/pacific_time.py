"""Pacific time as QuickBooks writes it: whole seconds with the offset of that moment.

The daylight-saving rule of the United States since 2007 is computed here (second Sunday of
March 02:00 to first Sunday of November 02:00), so that texts do not depend on the time zone
data of the machine.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta, timezone

_DAY = 86_400
_EPOCH = date(1970, 1, 1)


def _sunday(year: int, month: int, nth: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(6 - first.weekday()) % 7 + 7 * (nth - 1))


def _changes() -> list[int]:
    """Moments when the offset changes, 2007 to 2099: into daylight time, out of it, and so on."""
    moments: list[int] = []
    for year in range(2007, 2100):
        for day, hour_utc in ((_sunday(year, 3, 2), 10), (_sunday(year, 11, 1), 9)):
            moment = datetime(day.year, day.month, day.day, hour_utc, tzinfo=UTC)
            moments.append(int(moment.timestamp()))
    return moments


_CHANGES = _changes()
_OFFSETS = ((-8 * 3600, "-08:00"), (-7 * 3600, "-07:00"))
_DATES: dict[int, str] = {}


def _date_text(day: int) -> str:
    text = _DATES.get(day)
    if text is None:
        text = _DATES[day] = (_EPOCH + timedelta(days=day)).isoformat()
    return text


def write_time(at: int) -> str:
    """The time as in ``MetaData``: ``2026-11-22T01:02:03-08:00``; ``at`` in epoch seconds."""
    offset, suffix = _OFFSETS[bisect_right(_CHANGES, at) & 1]
    day, second = divmod(at + offset, _DAY)
    minute, second = divmod(second, 60)
    hour, minute = divmod(minute, 60)
    return f"{_date_text(day)}T{hour:02d}:{minute:02d}:{second:02d}{suffix}"


def day_text(at: int, days: int = 0) -> str:
    """The Pacific calendar date of a moment, ``days`` later, as in ``TxnDate``."""
    offset, _ = _OFFSETS[bisect_right(_CHANGES, at) & 1]
    return _date_text((at + offset) // _DAY + days)


def next_midnight(at: float) -> float:
    """The first Pacific midnight at or after a moment, in epoch seconds."""
    whole = -int(-at // 1)
    today = read_time(day_text(whole))
    return today if today == at else read_time(day_text(whole, 1))


def write_instant(at: float, *, exact: bool = True) -> str:
    """The ``time`` of an answer's envelope, ``at`` in epoch seconds; ``exact``: milliseconds."""
    second, milli = divmod(round(at * 1000), 1000)
    whole = write_time(second)
    return f"{whole[:19]}.{milli:03d}{whole[19:]}" if exact else whole


def read_time(text: str) -> float:
    """Epoch seconds of a query literal; a date is its midnight, no offset means Pacific.

    Raises:
        ValueError: it is no date or time of ISO 8601.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        return moment.timestamp()
    winter = moment.replace(tzinfo=timezone(timedelta(hours=-8))).timestamp()
    summer = winter - 3600
    return summer if bisect_right(_CHANGES, summer) & 1 else winter
