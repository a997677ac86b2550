"""Samples, their medians, and how contenders compare within the same rounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median


class Role(StrEnum):
    """What a line of a table is to the others."""

    FLOOR = "floor"
    """No work but reading; nobody is expected to be faster one call at a time."""
    EXTRACTS = "extracts"
    """A rival that reads and stores nothing."""
    LOADS = "loads"
    """A rival that stores what it reads."""
    OURS = "ours"


@dataclass(frozen=True, slots=True)
class Sample:
    """One run. ``seconds`` is the work, ``process_seconds`` start to exit, memory in MB.

    ``refused`` counts the calls that were answered with 429.
    """

    seconds: float
    rows: int
    calls: int
    metered: int
    refused: int
    process_seconds: float
    peak_mb: float


@dataclass(slots=True)
class Line:
    """One contender at one task and its samples, one a round."""

    name: str
    role: Role
    samples: list[Sample] = field(default_factory=list)

    def median(self, value: Callable[[Sample], float]) -> float:
        return median(value(sample) for sample in self.samples)

    @property
    def seconds(self) -> float:
        return self.median(lambda sample: sample.seconds)

    def times_faster(self, other: Line) -> float:
        """The other's time as a multiple of this one's.

        Compared within each round and then the median taken, since a machine's speed drifts.
        Where rounds differ in number, medians are compared.
        """
        if len(self.samples) != len(other.samples):
            return other.seconds / self.seconds
        pairs = zip(self.samples, other.samples, strict=True)
        return median(theirs.seconds / mine.seconds for mine, theirs in pairs)


@dataclass(slots=True)
class Task:
    """One task, everybody who did it, and a sentence on how."""

    key: str
    title: str
    how: str
    lines: list[Line] = field(default_factory=list)

    def line(self, name: str, role: Role) -> Line:
        """A new line at the end."""
        added = Line(name, role)
        self.lines.append(added)
        return added

    def best(self, *roles: Role) -> Line | None:
        """The fastest line of these roles."""
        found = [line for line in self.lines if line.role in roles and line.samples]
        return min(found, key=lambda line: line.seconds, default=None)


COLUMNS = (
    "who", "seconds", "range", "rows", "rows/s", "calls", "metered", "429", "start to exit s", "peak MB",
    "x floor", "x best rival", "x best loader",
)  # fmt: skip


def table(task: Task) -> list[tuple[str, ...]]:
    """The cells of a task's table, header first. Ratios above 1 mean faster."""
    compared = (
        task.best(Role.FLOOR),
        task.best(Role.EXTRACTS, Role.LOADS),
        task.best(Role.LOADS),
    )
    rows: list[tuple[str, ...]] = [COLUMNS]
    for line in task.lines:
        if not line.samples:
            continue
        times = [sample.seconds for sample in line.samples]
        seconds, read = line.seconds, line.median(lambda sample: sample.rows)
        rows.append(
            (
                line.name,
                f"{seconds:.2f}",
                f"{min(times):.2f}-{max(times):.2f} ({len(times)})",
                f"{read:,.0f}" if read else "",
                f"{read / seconds:,.0f}" if read else "",
                f"{line.median(lambda sample: sample.calls):,.0f}",
                f"{line.median(lambda sample: sample.metered):,.0f}",
                f"{max(sample.refused for sample in line.samples):,}",
                f"{line.median(lambda sample: sample.process_seconds):.2f}",
                f"{max(sample.peak_mb for sample in line.samples):,.0f}",
                *("" if each is None else f"{line.times_faster(each):.2f}" for each in compared),
            )
        )
    return rows


def markdown(task: Task) -> str:
    """A heading, the sentence and the table, readable as text too."""
    rows = table(task)
    widths = [max(len(row[index]) for row in rows) for index in range(len(COLUMNS))]

    def row_text(row: Sequence[str]) -> str:
        first, *numbers = zip(row, widths, strict=True)
        cells = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in numbers)]
        return f"| {' | '.join(cells)} |"

    rule = f"| {'-' * widths[0]} | " + " | ".join(f"{'-' * (w - 1)}:" for w in widths[1:]) + " |"
    return "\n".join(
        [f"### {task.title}", "", task.how, "", row_text(rows[0]), rule, *map(row_text, rows[1:])]
    )
