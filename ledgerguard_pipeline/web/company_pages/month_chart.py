"""The chart of a year's net income as the numbers an SVG needs; the server draws, no script runs.

Two bars a month: solid is this copy, hatched is QuickBooks, so it can be read without colour. A month
that differs has a sign above it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from ledgerguard_pipeline.control.company_state.tie_outs import MonthLine

WIDTH, HEIGHT = 480, 200
_TOP, _BOTTOM = 26, 28
"""Room for the sign and for the names of months."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class MonthBars:
    """One month: its name, both amounts as text, and where they are drawn."""

    name: str
    letter: str
    center: float
    ours: Bar
    theirs: Bar | None
    ours_text: str
    theirs_text: str
    differs: bool


@dataclass(frozen=True, slots=True)
class MonthChart:
    """The whole chart; ``zero`` is the height of the line that stands for nothing."""

    months: tuple[MonthBars, ...]
    zero: float
    width: int = WIDTH
    height: int = HEIGHT

    @property
    def differing(self) -> int:
        """Months in which both differ."""
        return sum(each.differs for each in self.months)


def month_chart(lines: Sequence[MonthLine]) -> MonthChart | None:
    """The chart of these months; None without any."""
    if not lines:
        return None
    values = [value for line in lines for value in (line.ours, line.theirs) if value is not None]
    high, low = max(*values, Decimal(0)), min(*values, Decimal(0))
    span = high - low or Decimal(1)
    room = HEIGHT - _TOP - _BOTTOM
    zero = _TOP + float(high / span) * room
    slot = WIDTH / len(lines)
    bar = slot * 0.36

    def drawn(value: Decimal, left: float) -> Bar:
        # A month without any result is still a bar, if a thin one.
        height = max(float(abs(value) / span) * room, 1.0)
        top = zero - height if value >= 0 else zero
        return Bar(round(left, 1), round(top, 1), round(bar, 1), round(height, 1))

    months = []
    for at, line in enumerate(lines):
        left = at * slot + slot * 0.12
        months.append(
            MonthBars(
                name=f"{line.month:%B %Y}",
                letter=f"{line.month:%b}"[0],
                center=round(at * slot + slot / 2, 1),
                ours=drawn(line.ours, left),
                theirs=None if line.theirs is None else drawn(line.theirs, left + bar + 1),
                ours_text=amount_text(line.ours),
                theirs_text="-" if line.theirs is None else amount_text(line.theirs),
                differs=line.theirs is not None and line.theirs != line.ours,
            )
        )
    return MonthChart(tuple(months), round(zero, 1))


def amount_text(value: Decimal) -> str:
    """Every digit, with thousands apart and at least two decimals."""
    whole, _, decimals = f"{value:,f}".partition(".")
    return f"{whole}.{decimals.ljust(2, '0')}"
