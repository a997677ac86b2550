"""The outcome of a soak: figures, the promises that broke, and the log of the first difference."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import linear_regression

from ledgerguard_pipeline_tests.soak.memory import processes_seen, slopes
from ledgerguard_pipeline_tests.soak.truth import Difference, Wrong
from ledgerguard_pipeline_tests.soak.watch import Sample

PROMISES = {
    Wrong.LOST: "Complete: no row is lost when the books change while pages are read (seam check)",
    Wrong.STALE: "Complete: what is shown late is read again (overlap of the watermark)",
    Wrong.BURIED_ALIVE: (
        "Deletions are seen: one is believed only once it is confirmed (tombstone confirmation)"
    ),
    Wrong.UNDEAD: "Deletions are seen: what is gone is not called alive",
    Wrong.ALTERED: "Exact: a payload equals the bytes Intuit sent",
    Wrong.STATE: "One form, one row per version: the state is that of the newest version",
}
ACKNOWLEDGED = "All or nothing: commit, then acknowledge (ack after commit)"
TOKENS = "Tokens survive: a late answer never replaces newer tokens (compare-and-swap of tokens)"
REFRESHES = "Tokens survive: one refresh per expiry"
POLITE = "Polite: the budgets hold across all processes"
DOUBLED = "One form, one row per version: nothing is stored twice"
SECRETS = "Quiet about secrets"
SILVER = "Silver is what a rebuild makes of Bronze"
TIED_OUT = "The books tie out with Intuit's own reports"
SETTLED = "Stored first: every event that arrived is settled"
ENDED = "Every process and command does its work once the faults are over"
FLAT = "Memory does not grow"


@dataclass(frozen=True, slots=True)
class Broken:
    """A promise that did not hold, and what shows it."""

    promise: str
    evidence: tuple[str, ...]

    @property
    def count(self) -> int:
        return len(self.evidence)


@dataclass(slots=True)
class Outcome:
    """Everything a soak found out."""

    seed: int
    minutes: float
    stack: str
    without: Sequence[str] = ()
    only: Sequence[str] = ()
    in_minutes: float | None = None
    """How many of the minutes passed in reality, where the clock leapt over the others."""
    figures: dict[str, object] = field(default_factory=dict)
    broken: list[Broken] = field(default_factory=list)
    first: list[str] = field(default_factory=list)
    """The smallest log that shows the first difference."""
    schedule: list[str] = field(default_factory=list)
    deaths: list[str] = field(default_factory=list)
    """Processes that ended by themselves, with the end of their logs."""

    @property
    def held(self) -> bool:
        return not self.broken

    def judge(self, promise: str, evidence: Sequence[object]) -> None:
        """Note a promise as broken if there is any evidence that it is."""
        if evidence:
            self.broken.append(Broken(promise, tuple(map(str, evidence))))

    def differences(self, name: str, found: Sequence[Difference]) -> None:
        """Sort differences by the promise they break."""
        counts = {wrong: [each for each in found if each.wrong is wrong] for wrong in Wrong}
        for wrong, each in counts.items():
            self.figures[f"{wrong.value} {name}"] = len(each)
            self.judge(PROMISES[wrong], each)

    def command(self) -> str:
        """What repeats this soak."""
        without = "".join(f" --without {name}" for name in self.without)
        only = f" --only {','.join(self.only)}" if self.only else ""
        seconds = round(self.minutes * 60, 3)
        length = f"--minutes {seconds / 60:g}" if seconds % 60 == 0 else f"--seconds {seconds:g}"
        if self.in_minutes is not None:
            length += f" --in-minutes {self.in_minutes:g}"
        return f'make soak ARGS="{length} --seed {self.seed} --stack {self.stack}{without}{only}"'

    def to_json(self) -> str:
        return json.dumps({"held": self.held, "command": self.command(), **asdict(self)}, indent=2)

    def table(self) -> str:
        """The figures, in Markdown."""
        rows = [f"| {name} | {_shown(value)} |" for name, value in self.figures.items()]
        return "\n".join(["| measure | found |", "|---|---|", *rows])

    def text(self) -> str:
        """For people: the figures as a table, then what broke."""
        lines = [f"Soak: {self.command()}", "", self.table(), ""]
        if self.held:
            lines.append("Every promise held.")
            return "\n".join(lines)
        for each in self.broken:
            lines.append(f"BROKEN: {each.promise} ({each.count})")
            lines += [f"    {text}" for text in each.evidence[:5]]
        if self.first:
            lines += ["", "The first difference, and what happened to it:", *self.first]
        lines += ["", f"Repeat it with: {self.command()}", "The schedule was:", *self.schedule]
        return "\n".join(lines)


def growth(samples: Sequence[Sample]) -> dict[str, object]:
    """What grew by how much an hour: files and rows in all, and every process that lived for long."""
    if len(samples) < 3:
        return {}
    times = [each.at for each in samples]
    found: dict[str, object] = {
        "files, MB an hour": _slope(times, [each.files_bytes / 1e6 for each in samples]),
        "Dagster's storage, MB an hour": _slope(
            times, [each.dagster_bytes / 1e6 for each in samples]
        ),
        "control plane, rows an hour": _slope(
            times, [float(each.control_rows) for each in samples]
        ),
    }
    judged = slopes(samples)
    found["processes whose memory was judged"] = f"{len(judged)} of {processes_seen(samples)}"
    for number, each in enumerate(judged, 1):
        found[f"memory of {each.service} (process {number})"] = str(each)
    return found


def leaking(samples: Sequence[Sample]) -> list[str]:
    """Processes that certainly grew by more than a megabyte an hour."""
    return [f"{each.service}: {each}" for each in slopes(samples) if each.grows]


def _slope(times: Sequence[float], values: Sequence[float]) -> float:
    if max(times) == min(times):
        return 0.0
    hours = [(at - times[0]) / 3600 for at in times]
    return round(linear_regression(hours, values).slope, 1)


def _shown(value: object) -> str:
    return f"{value:,}" if isinstance(value, int | float) else str(value)
