"""The pictures of a company's last thirty days, as the numbers an SVG needs; the server draws.

Forms and texts say everything, colour says it again: a day's state has a sign, a bar a length, a
limit a line with its name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from math import log1p
from statistics import median, quantiles

from ledgerguard_pipeline.control.company_state.daily_history import (
    ALL_COMPANIES,
    DayHealth,
    days_until,
)
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.entities import Group
from ledgerguard_pipeline.health.company_status import MonthlyCalls
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline.web.company_pages.month_calls import MonthCalls, month_calls
from ledgerguard_pipeline.web.company_pages.month_chart import Bar

DAYS = 30
SLOT = 16
STRIP_HEIGHT, ROW_HEIGHT = 30, 28
BUCKETS = ((1.0, "1 s"), (2.0, "2 s"), (5.0, "5 s"), (10.0, "10 s"), (30.0, "30 s"),
           (60.0, "1 min"), (300.0, "5 min"), (float("inf"), "longer"))  # fmt: skip

_SIGNS = {
    "healthy": "",
    "loading": "…",
    "disconnected": "-",
    "degraded": "!",
    "unhealthy": "\N{MULTIPLICATION SIGN}",
}
NOT_SEEN = "not seen"
_WRONG = frozenset({"degraded", "unhealthy"})
"""A first load and a disconnect on purpose are none of these."""


@dataclass(frozen=True, slots=True)
class DayCell:
    """One day of the strip; ``sign`` stands in it, ``text`` is said of it."""

    day: str
    state: str
    sign: str
    x: int
    text: str


@dataclass(frozen=True, slots=True)
class GroupBars:
    """Rows of one group of entity types by day, in bars of one scale for all groups."""

    name: str
    total: int
    bars: tuple[tuple[Bar, str], ...]


@dataclass(frozen=True, slots=True)
class Bucket:
    """Events that took at most so long, and more than the bucket before; ``width`` is in percent."""

    name: str
    count: int
    width: float


@dataclass(frozen=True, slots=True)
class EventTimes:
    """From the receipt of an event to durable rows, for the latest events."""

    count: int
    middle: str
    most: str
    buckets: tuple[Bucket, ...]


@dataclass(frozen=True, slots=True)
class HistoryView:
    """The section; what nothing is known of is empty or None."""

    first: str
    last: str
    strip: tuple[DayCell, ...]
    seen: int
    bad_days: tuple[DayCell, ...]
    groups: tuple[GroupBars, ...]
    calls: MonthCalls
    events: EventTimes | None
    width: int = DAYS * SLOT
    strip_height: int = STRIP_HEIGHT
    row_height: int = ROW_HEIGHT


def history_view(
    control: ControlPlane, realm: RealmId, now: datetime, calls: MonthlyCalls
) -> HistoryView:
    """What is known of a company's last days.

    Raises:
        ControlUnavailable: the control plane cannot be read.
    """
    days = days_until(now.date(), DAYS)
    month = now.date().replace(day=1)
    strip = _strip(days, control.history.health(realm, days[0]))
    seen = [each for each in strip if each.state != NOT_SEEN]
    return HistoryView(
        first=f"{days[0]:%-d %b}",
        last=f"{days[-1]:%-d %b}",
        strip=strip,
        seen=len(seen),
        bad_days=tuple(each for each in reversed(seen) if each.state in _WRONG),
        groups=_groups(days, control.history.rows(realm, days[0])),
        calls=month_calls(
            now,
            control.history.calls(realm, month),
            control.history.calls(ALL_COMPANIES, month),
            calls,
        ),
        events=event_times(control.inbox.seconds_to_rows(realm)),
    )


def _strip(days: Sequence[date], known: Mapping[str, DayHealth]) -> tuple[DayCell, ...]:
    cells = []
    for at, day in enumerate(days):
        found = known.get(day.isoformat())
        state = NOT_SEEN if found is None else found.state
        reason = "" if found is None or not found.reason else f": {found.reason}"
        cells.append(
            DayCell(
                f"{day:%-d %b}",
                state,
                _SIGNS.get(state, "") if found is not None else "",
                at * SLOT,
                f"{day:%-d %b}: {state.replace('_', ' ')}{reason}",
            )
        )
    return tuple(cells)


def _groups(days: Sequence[date], known: Mapping[str, Mapping[str, int]]) -> tuple[GroupBars, ...]:
    most = max((count for rows in known.values() for count in rows.values()), default=0)
    found = []
    for group in Group:
        rows = known.get(group.value, {})
        if not rows:
            continue
        bars = []
        for at, day in enumerate(days):
            count = rows.get(day.isoformat(), 0)
            if count:
                # Logarithmic: a first load would leave nothing of all other days.
                height = max(2.0, (ROW_HEIGHT - 2) * log1p(count) / log1p(most))
                bar = Bar(at * SLOT + 2, round(ROW_HEIGHT - height, 1), SLOT - 4, round(height, 1))
                bars.append((bar, f"{day:%-d %b}: {count:,}"))
        found.append(GroupBars(group.value.capitalize(), sum(rows.values()), tuple(bars)))
    return tuple(found)


def event_times(seconds: Sequence[float]) -> EventTimes | None:
    """The figures; None without any event."""
    if not seconds:
        return None
    counts = [0] * len(BUCKETS)
    for each in seconds:
        counts[next(at for at, (bound, _) in enumerate(BUCKETS) if each <= bound)] += 1
    last = max(at for at, count in enumerate(counts) if count)
    most = max(counts)
    usual = quantiles(seconds, n=20)[-1] if len(seconds) > 1 else seconds[0]
    return EventTimes(
        len(seconds),
        _duration(median(seconds)),
        _duration(min(usual, max(seconds))),
        tuple(
            Bucket(name, count, round(100 * count / most, 1))
            for (_, name), count in list(zip(BUCKETS, counts, strict=True))[: max(last + 1, 3)]
        ),
    )


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
