"""The tasks: what is measured, by whom, in which order."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.environments import rival_python
from benchmarks.figures import Line, Role, Sample, Task
from benchmarks.process import BenchFailed, Finished
from benchmarks.stage import Asked, Stage
from ledgerguard_pipeline.entities import ENTITIES, EntityType, entity_types

_INVOICE = entity_types(["Invoice"])
_SLOW_RUNS = 3
"""Rounds of contenders that need most of a minute each."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much to measure."""

    invoices: int
    runs: int
    rivals: bool
    memory: tuple[int, ...]
    warm_up: bool = True
    """Begin with a round that is not kept: it compiles modules and fills the file cache."""


Contender = Callable[[int], Sample]
_QUERIED = tuple(each for each in ENTITIES if each.queried and not each.inactive_apart)
"""What all contenders can read: of the others QuickBooks answers no query, or hides what is inactive."""


def speed(plan: Plan) -> Task:
    """(a)-(d): invoices without latency or limits."""
    task = Task(
        "speed",
        f"{plan.invoices:,} invoices of 5 lines, 0 ms a call, limits and budgets lifted",
        "Seconds are the work itself, without starting Python and importing; `ledgerguard sync` "
        "is measured inside its Dagster run, with Silver. Only Bronze and dlt store what they read.",
    )
    with Stage(invoices=plan.invoices) as stage:
        expected = stage.living(_INVOICE)
        indexes: list[tuple[Line, Contender, int]] = []

        def enter(name: str, role: Role, contender: Contender, runs: int = plan.runs) -> None:
            indexes.append((task.line(name, role), contender, runs))

        enter("floor: requests + json", Role.FLOOR, _floor(stage, _INVOICE))
        enter("this project, into Bronze", Role.OURS, _ours(stage, _INVOICE, silver="off"))
        enter("this project, into Bronze and Silver", Role.OURS, _ours(stage, _INVOICE))
        enter("this project, `ledgerguard sync`", Role.OURS, _command(stage, _INVOICE))
        if plan.rivals:
            for name, page in (("page 1000", 1000), ("default page", None)):
                enter(
                    f"python-quickbooks 0.9.12, {name}",
                    Role.EXTRACTS,
                    _python_quickbooks(stage, _INVOICE, page),
                )
            enter(
                "dlt 1.31.0, into DuckDB",
                Role.LOADS,
                _dlt(stage, _INVOICE),
                min(plan.runs, _SLOW_RUNS),
            )
        _rounds(plan, indexes)
    for line in task.lines:
        _require(line, expected)
    return task


def company(plan: Plan) -> list[Task]:
    """(e)-(g): a whole company under Intuit's limits, and the syncs that find nothing new."""
    first = Task(
        "company",
        f"First load of a whole company, {len(_QUERIED)} entity types, {plan.invoices:,} "
        "invoices, 150 ms a call, Intuit's limits, default budgets",
        "Seconds of `ledgerguard sync` are those of its Dagster run, start to success. "
        "python-quickbooks reads the types it knows, without inactive rows.",
    )
    idle = Task(
        "idle",
        f"Sync when nothing changed, {len(_QUERIED)} entity types, 150 ms a call",
        "Seconds from process start to exit. Calls as the sandbox counted them.",
    )
    with Stage(invoices=plan.invoices, latency_ms=150, lifted=False) as stage:
        expected = stage.living(_QUERIED)
        slow = min(plan.runs, _SLOW_RUNS)
        floor = first.line("floor: one call after the other", Role.FLOOR)
        alone = first.line("this project, without Dagster", Role.OURS)
        ours = first.line("this project, `ledgerguard sync`", Role.OURS)
        indexes = [
            (floor, _floor(stage, _QUERIED), slow),
            (alone, _ours(stage, _QUERIED), slow),
            (ours, _command(stage, _QUERIED), slow),
        ]
        if plan.rivals:
            rival = first.line("python-quickbooks 0.9.12, page 1000", Role.EXTRACTS)
            indexes.append((rival, _python_quickbooks(stage, _QUERIED, 1000), slow))
        _rounds(plan, indexes)
        for line in (floor, alone, ours):
            _require(line, expected)

        loaded = stage.home("loaded")
        _load(stage, ENTITIES, loaded)
        waiting = idle.line("this project, `ledgerguard sync`", Role.OURS)
        _rounds(plan, [(waiting, lambda _: _idle(stage, loaded), plan.runs)])
        if plan.rivals:
            python, folder = rival_python("dlt"), stage.folder("dlt")

            def pipeline(_: int) -> Sample:
                return _noted(
                    stage,
                    lambda: stage.contender("dlt_pipeline.py", _QUERIED, folder, python),
                )

            loader = first.line("dlt 1.31.0, one resource a type", Role.LOADS)
            loader.samples.append(pipeline(0))
            _require(loader, expected)
            again = idle.line("dlt 1.31.0, one resource a type", Role.LOADS)
            _rounds(plan, [(again, lambda round_: _whole(pipeline(round_)), slow)])
    return [first, idle]


def memory(plan: Plan) -> Task:
    """(h): the peak of one full `ledgerguard sync`, at growing sizes."""
    task = Task(
        "memory",
        "Peak memory of a first `ledgerguard sync` of everything, budgets lifted",
        "One run a size; seconds inside the Dagster run.",
    )
    for invoices in plan.memory:
        with Stage(invoices=invoices) as stage:
            line = task.line(f"this project, {invoices:,} invoices", Role.OURS)
            line.samples.append(_command(stage, ENTITIES)(0))
            _require(line, stage.living(ENTITIES))
    return task


def _rounds(plan: Plan, indexes: Sequence[tuple[Line, Contender, int]]) -> None:
    """Everybody once a round, so that what disturbs the machine disturbs all alike.

    Round 0 is not kept.
    """
    for round_ in range(0 if plan.warm_up else 1, max(runs for _, _, runs in indexes) + 1):
        for line, contender, runs in indexes:
            if round_ <= runs:
                sample = contender(round_)
                sys.stderr.write(f"  {round_}  {line.name}: {sample.seconds:.2f} s\n")
                if round_:
                    line.samples.append(sample)


def _floor(stage: Stage, entities: Sequence[EntityType]) -> Contender:
    return _scripted(stage, "floor.py", entities, sys.executable)


def _ours(stage: Stage, entities: Sequence[EntityType], silver: str = "on") -> Contender:
    return _scripted(stage, "ours.py", entities, sys.executable, silver=silver)


def _python_quickbooks(stage: Stage, entities: Sequence[EntityType], page: int | None) -> Contender:
    python = rival_python("python_quickbooks")
    return _scripted(stage, "python_quickbooks.py", entities, python, page=page)


def _dlt(stage: Stage, entities: Sequence[EntityType]) -> Contender:
    return _scripted(stage, "dlt_pipeline.py", entities, rival_python("dlt"))


def _scripted(
    stage: Stage, script: str, entities: Sequence[EntityType], python: str, **more: object
) -> Contender:
    def contender(_: int) -> Sample:
        folder = stage.home(Path(script).stem)
        try:
            return _noted(stage, lambda: stage.contender(script, entities, folder, python, **more))
        finally:
            stage.discard(folder)

    return contender


def _noted(stage: Stage, work: Callable[[], Finished]) -> Sample:
    """Run a script and put together what it says and what the sandbox saw."""
    stage.forget_calls()
    done = work()
    said, asked = done.last_line(), stage.asked()
    if said.get("errors"):
        raise BenchFailed(f"It ended with errors: {said['errors']}")
    seconds, rows = said["seconds"], said["rows"]
    if not isinstance(seconds, float) or not isinstance(rows, int):
        raise BenchFailed(f"A contender's last line cannot be read: {said}")
    return _sample(seconds, rows, asked, done)


def _command(stage: Stage, entities: Sequence[EntityType]) -> Contender:
    def contender(_: int) -> Sample:
        folder = stage.home("command")
        try:
            return _load(stage, entities, folder)
        finally:
            stage.discard(folder)

    return contender


def _load(stage: Stage, entities: Sequence[EntityType], folder: Path) -> Sample:
    """A first `ledgerguard sync`; seconds of its Dagster run."""
    chosen = [] if entities == ENTITIES else [f"--entity={each.name}" for each in entities]
    stage.forget_calls()
    done = stage.ledgerguard(folder, "sync", "--json", *chosen)
    asked = stage.asked()
    written = json.loads(done.output)["total_entities_written"]
    seconds = _run_seconds(folder / "home")
    return _sample(seconds, written, asked, done)


def _run_seconds(home: Path) -> float:
    """Seconds between start and success of the one Dagster run of a home."""
    with closing(sqlite3.connect(home / "dagster" / "history" / "runs.db")) as connection:
        found = connection.execute(
            "SELECT end_time - start_time FROM runs WHERE status = 'SUCCESS'"
        ).fetchall()
    if len(found) != 1:
        raise BenchFailed(f"Dagster lists {len(found)} successful runs instead of one.")
    return float(found[0][0])


def _idle(stage: Stage, folder: Path) -> Sample:
    stage.forget_calls()
    done = stage.ledgerguard(folder, "sync", "--json")
    asked = stage.asked()
    written = json.loads(done.output)["total_entities_written"]
    if written:
        raise BenchFailed(f"An idle sync wrote {written} rows.")
    return _sample(done.seconds, written, asked, done)


def _whole(sample: Sample) -> Sample:
    """The same with the process as the work, and without rows, as nothing changed."""
    return replace(sample, seconds=sample.process_seconds, rows=0)


def _sample(seconds: float, rows: int, asked: Asked, done: Finished) -> Sample:
    return Sample(
        seconds, rows, asked.calls, asked.metered, asked.refused, done.seconds, done.peak_mb
    )


def _require(line: Line, rows: int) -> None:
    """Everybody must have all rows, or the figures mean nothing."""
    for sample in line.samples:
        if sample.rows != rows:
            raise BenchFailed(f"{line.name} has {sample.rows:,} rows instead of {rows:,}.")
