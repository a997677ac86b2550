"""Figures beside what they are to reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. ``goal`` is empty and ``reached`` None where nothing is promised."""

    what: str
    measured: str
    goal: str = ""
    reached: bool | None = None


@dataclass(slots=True)
class Finding:
    """One piece of work, a sentence on how it was measured, and its figures."""

    key: str
    title: str
    how: str
    figures: list[Figure] = field(default_factory=list)

    def note(self, what: str, measured: str) -> None:
        """A figure that only informs."""
        self.figures.append(Figure(what, measured))

    def at_most(self, what: str, value: float, most: float, unit: str = "") -> None:
        """A figure that reaches its goal by not being larger."""
        self.figures.append(
            Figure(what, _text(value, unit), f"at most {_text(most, unit)}", value <= most)
        )

    def at_least(self, what: str, value: float, least: float, unit: str = "") -> None:
        """A figure that reaches its goal by not being smaller."""
        self.figures.append(
            Figure(what, _text(value, unit), f"at least {_text(least, unit)}", value >= least)
        )

    def exactly(self, what: str, value: int, wanted: int) -> None:
        """A count that has one right value."""
        self.figures.append(Figure(what, f"{value:,}", f"{wanted:,}", value == wanted))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * round(share * 1000) // 1000) - 1)]


_COLUMNS = ("figure", "measured", "to reach", "reached")


def markdown(finding: Finding) -> str:
    """A heading, the sentence and the table, readable as text too."""
    judgements = {True: "yes", False: "no", None: ""}
    rows = [
        _COLUMNS,
        *(
            (each.what, each.measured, each.goal, judgements[each.reached])
            for each in finding.figures
        ),
    ]
    widths = [max(len(row[index]) for row in rows) for index in range(len(_COLUMNS))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    rule = "| " + " | ".join("-" * width for width in widths) + " |"
    return "\n".join([f"### {finding.title}", "", finding.how, "", lines[0], rule, *lines[1:]])


def _text(value: float, unit: str) -> str:
    number = f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:,.1f}"
    return f"{number} {unit}".strip()
