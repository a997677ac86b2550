"""``python -m benchmarks.fleet``, which ``make bench-fleet`` starts: a load of many companies.

Every run is a Dagster run of the job ``fleet_sweep`` in a process of its own, as a run worker
starts it: its CPU time contains interpreter, imports and bookkeeping. The sandbox runs beside
them on the same machine; its CPU time is reported separately.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

import msgspec
import typer

from benchmarks.clients.connect import connect_all
from benchmarks.document import write_down
from benchmarks.environments import ROOT, working_folder
from benchmarks.goals import Finding, markdown
from benchmarks.options import AsJson, Write
from benchmarks.process import BenchFailed, Finished, clean_environment, run
from benchmarks.receiver import settings_of
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.errors import LedgerGuardError
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxProcess

_WORKER = Path(__file__).parent / "clients" / "sweep.py"
_CONNECT = Path(__file__).parent / "clients" / "connect.py"
_CONNECT_OLDER = Path(__file__).parent / "clients" / "connect_older.py"
_IDLE_SECONDS = 600
_EDITED_SHARE = 0.05
_BUDGET = "1000000000"
_PARTS = {
    "benchmarks.page": "The company page of 500 companies",
    "benchmarks.claims": "Claims a second on PostgreSQL",
    "benchmarks.lake": "Commits into a DuckLake",
    "ledgerguard_pipeline_tests.bench.celery_events": "From the webhook to the row on Celery",
}
"""Measurements of their own, and the heading for one that prints none."""


class What(StrEnum):
    """What to measure: sweeps of many companies, the parts that grow with them, or both."""

    SWEEPS = "sweeps"
    PARTS = "parts"
    ALL = "all"


class _Said(msgspec.Struct):
    status: str
    events: int
    table: dict[str, object] = {}


class _Stats(msgspec.Struct):
    calls: dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Pass:
    """One sweep over all companies."""

    seconds: float
    runs: int
    events: int
    cpu_seconds: float
    sandbox_cpu_seconds: float
    api_calls: int
    peak_mb: float
    endings: dict[str, int]
    rows_written: int


class _Sandbox(SandboxProcess):
    """The sandbox of a build: QuickBooks as it was known then, for a build asks what it knew of."""

    def __init__(self, code: Path, *, companies: int, invoices: int) -> None:
        super().__init__(companies=companies, invoices=invoices)
        self._code = code

    def environment(self) -> dict[str, str]:
        # Without the latter the folder this is started from would come first.
        return {**os.environ, "PYTHONPATH": str(self._code), "PYTHONSAFEPATH": "1"}


class Fleet:
    """A sandbox of many companies and a home in which all of them are connected.

    ``code`` is the folder of the build that is measured, with its sandbox; ``worker`` the program
    that makes a run.
    """

    def __init__(
        self,
        folder: Path,
        *,
        realms: int,
        shards: int,
        code: Path = ROOT,
        worker: Path = _WORKER,
    ) -> None:
        self._folder = folder
        self._code = code
        self._worker = worker
        self._shards = shards
        self.realms = realms
        self.sandbox = _Sandbox(code, companies=realms, invoices=8)

    def __enter__(self) -> Self:
        began = time.perf_counter()
        self.sandbox.start()
        self.sandbox_seconds = time.perf_counter() - began
        began = time.perf_counter()
        issued = self.sandbox.issue_tokens()
        if self._code == ROOT:
            with ControlPlane.open(settings_of(self._folder / "home")) as control:
                connect_all(control, issued)
        else:  # its own control plane: today's may be of a newer layout
            older = not (self._code / "ledgerguard_pipeline" / "config").is_dir()
            connect = _CONNECT_OLDER if older else _CONNECT
            self._program(connect, self._folder, msgspec.to_builtins(issued))
        self.connected_seconds = time.perf_counter() - began
        return self

    def __exit__(self, *_: object) -> None:
        self.sandbox.stop()

    def sweep(self, task: str) -> Pass:
        """One run per shard, all at once, as the daemon starts them.

        Raises:
            BenchFailed: a run failed, or not every company was visited.
        """
        self.sandbox.reset_stats()
        before = self.sandbox_cpu()
        began = time.perf_counter()
        with ThreadPoolExecutor(self._shards) as pool:
            done = list(pool.map(lambda shard: self._run(task, shard), range(self._shards)))
        seconds = time.perf_counter() - began
        said = [msgspec.json.decode(each.output.splitlines()[-1], type=_Said) for each in done]
        for each in said:
            if each.status != "SUCCESS":
                raise BenchFailed(f"A run of {task} ended as {each.status}.")
        tables = [each.table for each in said]
        endings: dict[str, int] = {}
        for table in tables:
            for name, value in table.items():
                if name.startswith("companies_"):
                    ending = name.removeprefix("companies_")
                    endings[ending] = endings.get(ending, 0) + int(str(value))
        stats = msgspec.convert(self.sandbox.stats(), _Stats)
        return Pass(
            seconds=seconds,
            runs=len(done),
            events=sum(each.events for each in said),
            cpu_seconds=sum(each.cpu_seconds for each in done),
            sandbox_cpu_seconds=self.sandbox_cpu() - before,
            api_calls=sum(sum(calls.values()) for calls in stats.calls.values()),
            peak_mb=sum(each.peak_mb for each in done),
            endings=endings,
            rows_written=sum(int(str(table.get("rows_written", 0))) for table in tables),
        )

    def edit(self, share: float) -> int:
        """Change one customer of every so many companies; how many companies."""
        chosen = self.sandbox.realms[:: max(1, round(1 / share))]
        for realm in chosen:
            self.sandbox.edit("update", "Customer", realm_id=realm)
        return len(chosen)

    def sandbox_mb(self) -> float:
        pages = Path(f"/proc/{self.sandbox.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE") / 1024 / 1024

    def sandbox_cpu(self) -> float:
        """CPU seconds of the sandbox so far."""
        stat = Path(f"/proc/{self.sandbox.pid}/stat").read_text(encoding="utf-8")
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _run(self, task: str, shard: int) -> Finished:
        folder = self._folder / f"{task}-{shard}"
        folder.mkdir(exist_ok=True)
        order = {"task": task, "shard": shard, "shards": self._shards}
        return self._program(self._worker, folder, order)

    def _program(self, program: Path, folder: Path, order: object) -> Finished:
        environment = {
            **clean_environment(),
            "PYTHONPATH": str(self._code),
            "INTUIT_CLIENT_ID": self.sandbox.client_id,
            "INTUIT_CLIENT_SECRET": self.sandbox.client_secret,
            "INTUIT_BASE_URL": self.sandbox.base_url,
            "LEDGERGUARD_HOME": str(self._folder / "home"),
            # The default is for a dozen companies; a fleet buys more calls of Intuit.
            "LEDGERGUARD_MONTHLY_CALL_BUDGET": _BUDGET,
        }
        return run(
            [sys.executable, str(program)], environment=environment, folder=folder, order=order
        )


def measure(folder: Path, *, realms: int, shards: int) -> Iterator[Finding]:
    """From nothing to loaded, an idle pass, and a pass in which a twentieth changed."""
    with Fleet(folder, realms=realms, shards=shards) as fleet:
        setting = Finding(
            "fleet",
            f"{realms:,} companies: sandbox and first load",
            f"Small books of some 470 objects each; Dagster runs at a time: {shards}, on one "
            "machine with the sandbox; nothing was connected before.",
        )
        setting.note("sandbox answering after", f"{fleet.sandbox_seconds:.1f} s")
        setting.note("all companies connected after", f"{fleet.connected_seconds:.1f} s more")
        first = fleet.sweep("first")
        _note(setting, first, realms)
        setting.exactly("companies loaded", first.endings.get("changed", 0), realms)
        setting.note("rows a second", f"{first.rows_written / first.seconds:,.0f}")
        setting.note("sandbox's memory", f"{fleet.sandbox_mb():.0f} MB")
        yield setting

        idle = Finding(
            "fleet_idle",
            f"{realms:,} companies: a pass in which nothing changed",
            "Changes of all types of every company; CPU time without the sandbox's.",
        )
        swept = fleet.sweep("changes")
        idle.at_most("all companies up to date after", swept.seconds, _IDLE_SECONDS, "s")
        idle.exactly("API calls", swept.api_calls, realms)
        cpu = swept.cpu_seconds / realms
        idle.at_most("CPU time of a company", round(cpu * 1000), 1000, "ms")
        _note(idle, swept, realms)
        idle.exactly("companies visited", sum(swept.endings.values()), realms)
        yield idle

        edited = fleet.edit(_EDITED_SHARE)
        busy = Finding(
            "fleet_changed",
            f"{realms:,} companies: a pass in which {edited:,} changed",
            "One customer edited in each of them before the pass.",
        )
        swept = fleet.sweep("changes")
        busy.exactly("companies changed", swept.endings.get("changed", 0), edited)
        busy.exactly("rows written", swept.rows_written, edited)
        _note(busy, swept, realms)
        yield busy


def _note(finding: Finding, swept: Pass, realms: int) -> None:
    finding.note("time of the pass", f"{swept.seconds:.1f} s")
    finding.note("Dagster runs", f"{swept.runs}")
    finding.note("Dagster events", f"{swept.events:,}")
    finding.note("API calls a company", f"{swept.api_calls / realms:.2f}")
    finding.note(
        "CPU time",
        f"{swept.cpu_seconds:.1f} s, {swept.cpu_seconds / realms * 1000:.0f} ms a company",
    )
    finding.note("the sandbox's CPU time", f"{swept.sandbox_cpu_seconds:.1f} s")
    finding.note(
        "peak memory of the runs",
        f"{swept.peak_mb:.0f} MB, {swept.peak_mb / realms * 1000:.0f} KB a company",
    )
    finding.note("endings", ", ".join(f"{n:,} {name}" for name, n in sorted(swept.endings.items())))


def bench_fleet(
    realms: Annotated[int, typer.Option(min=21, help="How many companies.")] = 1000,
    shards: Annotated[int, typer.Option(min=1, help="Runs at a time.")] = 1,
    what: Annotated[
        What,
        typer.Option(help="parts: the company page, PostgreSQL claims, DuckLake commits, Celery."),
    ] = What.SWEEPS,
    against: Annotated[
        str | None,
        typer.Option(help="A commit: only compare this build with that one, in one run."),
    ] = None,
    write: Write = False,
    as_json: AsJson = False,
) -> None:
    """Measure what many companies cost: runs, events, CPU time, calls and memory."""
    from benchmarks.fleet_against import measure_against

    command = "make bench-fleet"
    found: list[Finding] = []
    if against is not None:
        what, write = What.SWEEPS, False
    if what is not What.PARTS:
        try:
            with working_folder("fleet") as folder:
                size = {"realms": realms, "shards": shards}
                findings = (
                    measure(folder, **size)
                    if against is None
                    else measure_against(folder, **size, commit=against)
                )
                for finding in findings:
                    _tell(finding, found, quiet=as_json)
        except (BenchFailed, LedgerGuardError) as error:
            sys.stderr.write(f"bench-fleet: {error}\n")
            raise typer.Exit(1) from None
        if write:
            arguments = f'ARGS="--realms {realms} --shards {shards} --write"'
            write_down("fleet figures", f"{command} {arguments}", [*map(markdown, found)])
    parts = [] if what is What.SWEEPS else list(_parts(quiet=as_json))
    if as_json:
        sys.stdout.write(json.dumps([asdict(finding) for finding in found]) + "\n")
    if write and parts:
        write_down("part figures", f'{command} ARGS="--what parts --write"', parts)


def _parts(*, quiet: bool) -> Iterator[str]:
    """What the measurements of the parts that grow with the fleet print."""
    for module, title in _PARTS.items():
        with working_folder("fleet") as folder:
            done = run(
                [sys.executable, "-m", module],
                environment={**clean_environment(), "PYTHONPATH": str(ROOT)},
                folder=folder,
            )
        text = done.output.strip()
        reported = text if text.startswith("### ") else f"### {title}\n\n{text}"
        if not quiet:
            sys.stdout.write(f"\n{reported}\n")
            sys.stdout.flush()
        yield reported


def _tell(finding: Finding, found: list[Finding], *, quiet: bool) -> None:
    found.append(finding)
    if not quiet:
        sys.stdout.write(f"\n{markdown(finding)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    typer.run(bench_fleet)
