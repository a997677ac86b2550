"""``python -m benchmarks``, which ``ledgerguard bench`` and ``make bench`` start."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.environments import ROOT
from benchmarks.figures import Task, markdown
from benchmarks.process import BenchFailed
from benchmarks.tasks import Plan, company, memory, speed

_DOCUMENT = ROOT / "docs" / "performance.md"
_BEGIN, _END = "<!-- figures: begin -->", "<!-- figures: end -->"
_TASKS = ("speed", "company", "memory")


def bench(
    invoices: Annotated[int, typer.Option(min=100, help="Invoices of the company.")] = 20_000,
    runs: Annotated[int, typer.Option(min=1, help="Rounds; medians are reported.")] = 5,
    only: Annotated[
        list[str] | None, typer.Option(help=f"One of {', '.join(_TASKS)}; may be repeated.")
    ] = None,
    rivals: Annotated[bool, typer.Option(help="Measure the rivals too.")] = True,
    warm_up: Annotated[bool, typer.Option(help="Begin with a round that is not kept.")] = True,
    memory_invoices: Annotated[
        int, typer.Option(min=100, help="Invoices of the memory measurement.")
    ] = 100_000,
    million: Annotated[
        bool, typer.Option("--million", help="Measure memory at 1,000,000 invoices as well.")
    ] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Put the tables into docs/performance.md.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Measure this project and its rivals against the sandbox, all in one go."""
    wanted = tuple(only or _TASKS)
    unknown = [name for name in wanted if name not in _TASKS]
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)} is none of {', '.join(_TASKS)}.")
    if write and set(wanted) != set(_TASKS):
        raise typer.BadParameter("--write needs all tasks: leave out --only.")
    sizes = (memory_invoices, 1_000_000) if million else (memory_invoices,)
    plan = Plan(invoices, runs, rivals, sizes, warm_up)
    tasks: list[Task] = []
    try:
        for task in _measure(plan, wanted):
            tasks.append(task)
            if not as_json:
                sys.stdout.write(f"\n{markdown(task)}\n")
                sys.stdout.flush()
    except BenchFailed as error:
        sys.stderr.write(f"bench: {error}\n")
        raise typer.Exit(1) from None
    if as_json:
        sys.stdout.write(json.dumps([asdict(task) for task in tasks]) + "\n")
    if write:
        _write(tasks, million=million)


def _measure(plan: Plan, wanted: tuple[str, ...]) -> Iterable[Task]:
    if "speed" in wanted:
        yield speed(plan)
    if "company" in wanted:
        yield from company(plan)
    if "memory" in wanted:
        yield memory(plan)


def _write(tasks: list[Task], *, million: bool) -> None:
    text = _DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    command = f'make bench ARGS="{"--million " if million else ""}--write"'
    where = (
        f"Measured on {datetime.now(UTC):%Y-%m-%d} with `{command}`: {os.cpu_count()} cores"
        f"{_processor()}, Python {platform.python_version()}."
    )
    tables = "\n\n".join(markdown(task) for task in tasks)
    _DOCUMENT.write_text(f"{before}{_BEGIN}\n{where}\n\n{tables}\n{_END}{after}", encoding="utf-8")


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return f" of {value.strip()}"
    return ""


if __name__ == "__main__":
    typer.run(bench)
