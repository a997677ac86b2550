"""Where the CPU time of a sweep goes: ``python -m benchmarks.fleet_shares --realms 60``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.environments import working_folder
from benchmarks.fleet import Fleet

_WORKER = Path(__file__).parent / "clients" / "sweep_shares.py"
_TASKS = {"first": "bring-up", "changes": "idle pass"}


def measure_shares(folder: Path, realms: int) -> str:
    """Milliseconds a company and shares, of bringing companies up and of a pass that finds nothing."""
    found: dict[str, dict[str, float]] = {}
    with Fleet(folder, realms=realms, shards=1, worker=_WORKER) as fleet:
        for task in _TASKS:
            fleet.sweep(task)
            said = (folder / f"{task}-0" / "shares.json").read_text(encoding="utf-8")
            found[task] = json.loads(said)
    columns = [f"{title}, ms a company | share" for title in _TASKS.values()]
    lines = [f"| work | {' | '.join(columns)} |", "| --- |" + " ---: |" * 4]
    totals = {task: sum(seconds.values()) for task, seconds in found.items()}
    first = found["first"]
    for work in sorted(first, key=lambda each: -first[each]):
        cells = [_cells(found[task][work], totals[task], realms) for task in _TASKS]
        lines.append(f"| {work} | {' | '.join(cells)} |")
    cells = [_cells(totals[task], totals[task], realms) for task in _TASKS]
    return "\n".join([*lines, f"| all | {' | '.join(cells)} |"])


def _cells(seconds: float, total: float, realms: int) -> str:
    return f"{seconds / realms * 1000:,.1f} | {seconds / total:.0%}"


def fleet_shares(
    realms: Annotated[int, typer.Option(min=21, help="How many companies.")] = 60,
) -> None:
    """Print a table of the pieces of work of a sweep."""
    with working_folder("shares") as folder:
        table = measure_shares(folder, realms)
    sys.stdout.write(f"{table}\n")


if __name__ == "__main__":
    typer.run(fleet_shares)
