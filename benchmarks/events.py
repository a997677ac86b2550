"""``python -m benchmarks.events``, which ``make bench-events`` starts: webhooks, end to end."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.document import write_down
from benchmarks.environments import FOLDER
from benchmarks.event_queue import queue
from benchmarks.goals import Finding, markdown
from benchmarks.installed import Installed, burst, latency
from benchmarks.process import BenchFailed
from benchmarks.receiver import receiver
from ledgerguard_pipeline.errors import LedgerGuardError

_PARTS = ("receiver", "latency", "burst", "queue")


@dataclass(frozen=True, slots=True)
class Size:
    """How much to measure."""

    rate: float
    seconds: float
    edits: int
    burst_events: int
    queue_events: int


def bench_events(
    rate: Annotated[float, typer.Option(min=1, help="Deliveries a second.")] = 500,
    seconds: Annotated[float, typer.Option(min=1, help="How long they come.")] = 60,
    edits: Annotated[int, typer.Option(min=1, help="Single edits whose time is taken.")] = 10,
    burst_events: Annotated[
        int, typer.Option(min=10, help="Events of one company that come at once.")
    ] = 1000,
    queue_events: Annotated[
        int, typer.Option(min=1, help="Events of each of the queue's producers.")
    ] = 200,
    only: Annotated[
        list[str] | None, typer.Option(help=f"One of {', '.join(_PARTS)}; may be repeated.")
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Put the tables into docs/performance.md.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Measure the receiver, the queue, and the way from a webhook to the row."""
    wanted = tuple(only or _PARTS)
    unknown = [name for name in wanted if name not in _PARTS]
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)} is none of {', '.join(_PARTS)}.")
    if write and set(wanted) != set(_PARTS):
        raise typer.BadParameter("--write needs all parts: leave out --only.")
    size = Size(rate, seconds, edits, burst_events, queue_events)
    found: list[Finding] = []
    try:
        for finding in _measure(size, wanted):
            found.append(finding)
            if not as_json:
                sys.stdout.write(f"\n{markdown(finding)}\n")
                sys.stdout.flush()
    except (BenchFailed, LedgerGuardError) as error:
        sys.stderr.write(f"bench-events: {error}\n")
        raise typer.Exit(1) from None
    if as_json:
        sys.stdout.write(json.dumps([asdict(finding) for finding in found]) + "\n")
    if write:
        write_down("event figures", "make bench-events ARGS=--write", [*map(markdown, found)])


def _measure(size: Size, wanted: tuple[str, ...]) -> Iterator[Finding]:
    if "receiver" in wanted:
        with folder_of_its_own() as folder:
            yield receiver(folder, rate=size.rate, seconds=size.seconds)
    if {"latency", "burst"} & set(wanted):
        with folder_of_its_own() as folder, Installed(folder, invoices=500) as installed:
            if "latency" in wanted:
                yield latency(installed, edits=size.edits)
            if "burst" in wanted:
                yield burst(installed, events=size.burst_events)
    if "queue" in wanted:
        with folder_of_its_own() as folder:
            yield queue(folder, events=size.queue_events)


@contextmanager
def folder_of_its_own() -> Iterator[Path]:
    """A folder beside the rivals' environments that ends with the block."""
    FOLDER.mkdir(exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix="events-", dir=FOLDER))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    typer.run(bench_events)
