"""Metered calls over the month against the budget, as the numbers an SVG needs.

The budget is that of all companies together, so the bars grow over the month: solid is this
company, hatched the others. A line stands for the budget where the scale reaches it.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ledgerguard_pipeline.health.company_status import MonthlyCalls
from ledgerguard_pipeline.web.company_pages.month_chart import Bar

WIDTH, HEIGHT = 480, 150
_TOP, _BOTTOM = 22, 24
_NEAR = 0.3
"""From this share of the budget on, used or expected, the chart is scaled to the budget."""


@dataclass(frozen=True, slots=True)
class DayCalls:
    """One day: the sums up to it, as bars and as text."""

    day: int
    center: float
    ours: Bar
    others: Bar
    text: str


@dataclass(frozen=True, slots=True)
class MonthCalls:
    """The chart; ``budget_y`` is None where the budget is far above everything drawn."""

    name: str
    days: tuple[DayCalls, ...]
    labels: tuple[tuple[float, int], ...]
    budget_y: float | None
    budget: int | None
    used: int
    of_company: int
    expected: int
    alone: bool
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def share(self) -> str:
        """What part of the budget is used."""
        return f"{100 * self.used / self.budget:.1f} %" if self.budget else ""


def month_calls(
    now: datetime, ours: Mapping[str, int], everybody: Mapping[str, int], calls: MonthlyCalls
) -> MonthCalls:
    """The chart of the month that ``now`` is in; ``ours`` and ``everybody`` are by day."""
    last = monthrange(now.year, now.month)[1]
    # Calls from before days were counted belong to the first one.
    mine = calls.month_to_date - sum(ours.values())
    total = calls.all_companies - sum(everybody.values())
    sums = []
    for day in range(1, now.day + 1):
        name = f"{now:%Y-%m}-{day:02}"
        mine += ours.get(name, 0)
        total += everybody.get(name, 0)
        sums.append((day, max(mine, 0), max(total, mine, 0)))
    budget = calls.budget
    reach = max(calls.all_companies, calls.all_forecast, 1)
    scaled = budget is not None and reach >= _NEAR * budget
    top = max(reach, budget or 0) if scaled else max(calls.all_companies, 1)
    room, slot = HEIGHT - _TOP - _BOTTOM, WIDTH / last

    def bar(day: int, low: int, high: int) -> Bar:
        height = room * (high - low) / top
        y = _TOP + room * (1 - high / top)
        return Bar(
            round((day - 1) * slot + 2, 1), round(y, 1), round(slot - 4, 1), round(height, 1)
        )

    return MonthCalls(
        name=f"{now:%B %Y}",
        days=tuple(
            DayCalls(
                day,
                round((day - 0.5) * slot, 1),
                bar(day, 0, own),
                bar(day, own, whole),
                f"{day} {now:%b}: {own:,} of this company, {whole:,} of all, since the first",
            )
            for day, own, whole in sums
        ),
        labels=tuple((round((day - 0.5) * slot, 1), day) for day in range(1, last) if day % 5 == 0),
        budget_y=round(_TOP + room * (1 - budget / top), 1) if scaled and budget else None,
        budget=budget,
        used=calls.all_companies,
        of_company=calls.month_to_date,
        expected=calls.all_forecast,
        alone=calls.month_to_date == calls.all_companies,
    )
