"""Whether a process grows: the slope of its memory, and how far so short a life can tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from statistics import median

from ledgerguard_pipeline_tests.soak.watch import Sample

WARM_UP_SECONDS = 600.0
"""A code server of Celery's stack took nine minutes to its size and kept it for the twelve it was watched."""
_WARM_UP_SHARE = 1 / 3
"""Of a long soak: a code server takes some 2,000 ticks of its sensors to its size."""
JUDGED_SECONDS = 480.0
"""Of life after warming up; a process that was killed sooner has no slope worth a word."""
MB_PER_HOUR = 1.0
_WINDOW_SECONDS = 30.0
_NORMAL_95 = 1.96


@dataclass(frozen=True, slots=True)
class Slope:
    """How the memory of one process went: MB an hour, and where it lies with 95 % certainty.

    The median of the slopes between any two half minutes (Theil and Sen), and its interval by
    Kendall's statistic: one peak of a garbage collection moves neither.
    """

    service: str
    seconds: float
    mb_per_hour: float
    low: float
    high: float

    @property
    def grows(self) -> bool:
        """Certainly by more than a megabyte an hour."""
        return self.low > MB_PER_HOUR

    @property
    def flat(self) -> bool:
        """Certainly by less."""
        return self.high < MB_PER_HOUR

    def __str__(self) -> str:
        said = "flat" if self.flat else "grows" if self.grows else "too short a life to tell"
        return (
            f"{self.mb_per_hour:+.1f} MB an hour over {self.seconds / 60:.0f} minutes "
            f"({self.low:+.1f} to {self.high:+.1f}): {said}"
        )


def slopes(samples: Sequence[Sample]) -> list[Slope]:
    """Of every process that lived for long enough, in the order of their names."""
    return [
        slope_of(name, life)
        for (name, _), life in sorted(_lives(samples).items())
        if life and life[-1][0] - life[0][0] >= JUDGED_SECONDS
    ]


def processes_seen(samples: Sequence[Sample]) -> int:
    """How many lived at all."""
    return len({process for sample in samples for process in sample.memory})


def as_csv(samples: Sequence[Sample]) -> str:
    """Time, service, process and megabytes, to look at a slope with other eyes."""
    lines = ["at,service,process,mb"]
    for sample in samples:
        for (name, process), size in sorted(sample.memory.items()):
            lines.append(f"{sample.at:.0f},{name},{process},{size:.2f}")
    return "\n".join(lines) + "\n"


def slope_of(service: str, life: Sequence[tuple[float, float]]) -> Slope:
    """The slope of points of a time in seconds and a size in MB, two windows of them at least."""
    windows: dict[int, list[tuple[float, float]]] = {}
    for at, size in life:
        windows.setdefault(int((at - life[0][0]) // _WINDOW_SECONDS), []).append((at, size))
    points = [
        (median(at for at, _ in each), median(size for _, size in each))
        for each in windows.values()
    ]
    found = sorted(
        (later[1] - earlier[1]) / (later[0] - earlier[0]) * 3600
        for earlier, later in combinations(points, 2)
    )
    count = len(points)
    spread = _NORMAL_95 * sqrt(count * (count - 1) * (2 * count + 5) / 18)
    low = max(0, int((len(found) - spread) / 2))
    high = min(len(found) - 1, int((len(found) + spread) / 2) + 1)
    return Slope(service, life[-1][0] - life[0][0], median(found), found[low], found[high])


def _lives(samples: Sequence[Sample]) -> dict[tuple[str, int], list[tuple[float, float]]]:
    """Times and sizes of every process from when it was warm."""
    watched = samples[-1].at - samples[0].at if samples else 0.0
    warm_up = max(WARM_UP_SECONDS, watched * _WARM_UP_SHARE)
    lives: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for sample in samples:
        for process, size in sample.memory.items():
            lives.setdefault(process, []).append((sample.at, size))
    return {
        process: [each for each in life if each[0] >= life[0][0] + warm_up]
        for process, life in lives.items()
    }
