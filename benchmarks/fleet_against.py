"""A fleet with today's build and with that of another commit, one after the other in one run.

Both have a home and the sandbox of their build, as a process of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.commits import checked_out
from benchmarks.environments import ROOT
from benchmarks.fleet import Fleet, Pass
from benchmarks.goals import Finding


def measure_against(folder: Path, *, realms: int, shards: int, commit: str) -> Iterator[Finding]:
    """From nothing to loaded, and an idle pass, by both builds.

    Raises:
        BenchFailed: there is no such commit, or a run failed.
    """
    with checked_out(commit, folder) as (code, name):
        before = passes_of(folder / "before", realms, shards, code)
    now = passes_of(folder / "now", realms, shards, ROOT)
    finding = Finding(
        "fleet_against",
        f"{realms:,} companies: this build and {name} in the same run",
        f"Small books of some 470 objects each; Dagster runs at a time: {shards}. CPU time is that "
        "of the runs, their start included, without the sandbox's.",
    )
    for title, old, new in zip(("bring-up", "idle pass"), before, now, strict=True):
        finding.note(
            f"{title}: CPU of a company", _sides(cpu_of_company(new), cpu_of_company(old), "ms")
        )
        finding.note(f"{title}: time of the pass", _sides(new.seconds, old.seconds, "s"))
        finding.note(f"{title}: peak memory", _sides(new.peak_mb, old.peak_mb, "MB"))
        finding.note(f"{title}: Dagster events", f"{new.events:,} against {old.events:,}")
    for title, done in (("this build", now[0]), (name, before[0])):
        finding.exactly(f"companies loaded by {title}", done.endings.get("changed", 0), realms)
    yield finding


def passes_of(folder: Path, realms: int, shards: int, code: Path) -> tuple[Pass, Pass]:
    """A bring-up and an idle pass, by the build whose files are in ``code``.

    Raises:
        BenchFailed: a run failed.
    """
    folder.mkdir()
    # Each build makes the run by its own program, for modules moved between them.
    worker = code / "benchmarks" / "clients" / "sweep.py"
    with Fleet(folder, realms=realms, shards=shards, code=code, worker=worker) as fleet:
        return fleet.sweep("first"), fleet.sweep("changes")


def cpu_of_company(done: Pass) -> float:
    """Milliseconds of CPU time for each company of a pass."""
    return done.cpu_seconds / sum(done.endings.values()) * 1000


def _sides(new: float, old: float, unit: str) -> str:
    return f"{new:,.1f} {unit} against {old:,.1f} {unit}, {old / new:.1f} times less"
