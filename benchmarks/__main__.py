"""``python -m benchmarks``, which ``ledgerguard bench`` and ``make bench`` start."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated

import typer

from benchmarks.document import write_down
from benchmarks.figures import Task, markdown
from benchmarks.process import BenchFailed
from benchmarks.tasks import Plan, company, memory, speed

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
        command = f'make bench ARGS="{"--million " if million else ""}--write"'
        write_down("figures", command, [markdown(task) for task in tasks])


def _measure(plan: Plan, wanted: tuple[str, ...]) -> Iterable[Task]:
    if "speed" in wanted:
        yield speed(plan)
    if "company" in wanted:
        yield from company(plan)
    if "memory" in wanted:
        yield memory(plan)


if __name__ == "__main__":
    typer.run(bench)
