"""Where the CPU time of a sweep goes: ``python -m benchmarks.fleet_shares --realms 60``."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.document import write_down
from benchmarks.environments import working_folder
from benchmarks.fleet import Fleet
from benchmarks.options import Write

SHARES_WORKER = Path(__file__).parent / "clients" / "sweep_shares.py"
TASKS = {"first": "bring-up", "changes": "idle pass"}
"""What is measured, and its column."""
Seconds = Mapping[str, float]
"""CPU seconds by piece of work."""


def measure_shares(folder: Path, realms: int) -> dict[str, Seconds]:
    """CPU seconds of sweeps by task and piece of work."""
    found: dict[str, Seconds] = {}
    with Fleet(folder, realms=realms, shards=1, worker=SHARES_WORKER) as fleet:
        for task in TASKS:
            fleet.sweep(task)
            found[task] = shares_of(folder, task)
    return found


def shares_of(folder: Path, task: str) -> Seconds:
    """What the run of a sweep in this folder noted."""
    seconds: Seconds = json.loads((folder / f"{task}-0" / "shares.json").read_text("utf-8"))
    return seconds


def table_of(found: Mapping[str, Seconds], realms: int) -> str:
    """Milliseconds a company and shares, the largest of the first task first."""
    columns = [f"{TASKS[task]}, ms a company | share" for task in found]
    lines = [f"| work | {' | '.join(columns)} |", "| --- |" + " ---: | ---: |" * len(found)]
    totals = {task: sum(seconds.values()) for task, seconds in found.items()}
    first = next(iter(found.values()))
    for work in sorted(first, key=lambda each: -first[each]):
        cells = [_cells(found[task][work], totals[task], realms) for task in found]
        lines.append(f"| {work} | {' | '.join(cells)} |")
    cells = [_cells(total, total, realms) for total in totals.values()]
    return "\n".join([*lines, f"| all | {' | '.join(cells)} |"])


def _cells(seconds: float, total: float, realms: int) -> str:
    return f"{seconds / realms * 1000:,.1f} | {seconds / total:.0%}"


def fleet_shares(
    realms: Annotated[int, typer.Option(min=21, help="How many companies.")] = 60,
    write: Write = False,
) -> None:
    """Print a table of the pieces of work of a sweep."""
    with working_folder("shares") as folder:
        table = table_of(measure_shares(folder, realms), realms)
    sys.stdout.write(f"{table}\n")
    if write:
        command = f"python -m benchmarks.fleet_shares --realms {realms} --write"
        write_down("share figures", command, [table])


if __name__ == "__main__":
    typer.run(fleet_shares)
