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
from benchmarks.options import AsJson, Write, chosen
from benchmarks.process import BenchFailed
from benchmarks.silver import tables as silver
from benchmarks.tasks import Plan, company, memory, speed
from ledgerguard_pipeline.cli.help_pages import LOOK

_TASKS = ("speed", "company", "memory", "silver")
_SYMBOLS = {
    "figures": ("speed", "company"),
    "memory figures": ("memory",),
    "silver figures": ("silver",),
}
"""Where tables are written down: those of a quiet machine, and those any machine can find."""


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
        bool,
        typer.Option("--million", help="Measure memory and Silver at 1,000,000 invoices as well."),
    ] = False,
    write: Write = False,
    as_json: AsJson = False,
) -> None:
    """Measure this project and its rivals against the sandbox, all in one go."""
    wanted = chosen(only, _TASKS)
    sync_states = {name: tasks for name, tasks in _SYMBOLS.items() if set(tasks) <= set(wanted)}
    if write and {task for tasks in sync_states.values() for task in tasks} != set(wanted):
        raise typer.BadParameter(
            "--write needs speed and company together, memory, silver, or all of them."
        )
    sizes = (memory_invoices, 1_000_000) if million else (memory_invoices,)
    plan = Plan(invoices, runs, rivals, sizes, warm_up)
    found: dict[str, list[Task]] = {}
    try:
        for name, task in _measure(plan, wanted):
            found.setdefault(name, []).append(task)
            if not as_json:
                sys.stdout.write(f"\n{markdown(task)}\n")
                sys.stdout.flush()
    except BenchFailed as error:
        sys.stderr.write(f"bench: {error}\n")
        raise typer.Exit(1) from None
    if as_json:
        every = [task for name in _TASKS for task in found.get(name, ())]
        sys.stdout.write(json.dumps([asdict(task) for task in every]) + "\n")
    if write:
        arguments = [f"--only {name}" for name in only or ()]
        arguments += ["--million"] if million else []
        command = f'make bench ARGS="{" ".join([*arguments, "--write"])}"'
        for name, tasks in sync_states.items():
            tables = [markdown(task) for each in tasks for task in found[each]]
            write_down(name, command, tables)


def _measure(plan: Plan, wanted: tuple[str, ...]) -> Iterable[tuple[str, Task]]:
    if "speed" in wanted:
        yield "speed", speed(plan)
    if "company" in wanted:
        yield from (("company", task) for task in company(plan))
    if "memory" in wanted:
        yield "memory", memory(plan)
    if "silver" in wanted:
        sizes = (10_000, *plan.memory)
        yield from (("silver", task) for task in silver(sizes, min(plan.runs, 3)))


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, **(LOOK | {"no_args_is_help": False}))
    app.command()(bench)
    app(prog_name="ledgerguard bench")
