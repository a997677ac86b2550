"""``python -m benchmarks.events``, which ``make bench-events`` starts: webhooks, end to end."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Annotated

import typer

from benchmarks.document import write_down
from benchmarks.environments import working_folder
from benchmarks.event_queue import queue
from benchmarks.goals import Finding, markdown
from benchmarks.installed import Installed, burst, latency
from benchmarks.options import AsJson, Write, all_or_no_figures, chosen
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
    write: Write = False,
    as_json: AsJson = False,
) -> None:
    """Measure the receiver, the queue, and the way from a webhook to the row."""
    wanted = chosen(only, _PARTS)
    all_or_no_figures(wanted, _PARTS, write=write)
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
        with working_folder("events") as folder:
            yield receiver(folder, rate=size.rate, seconds=size.seconds)
    if {"latency", "burst"} & set(wanted):
        with working_folder("events") as folder, Installed(folder, invoices=500) as installed:
            if "latency" in wanted:
                yield latency(installed, edits=size.edits)
            if "burst" in wanted:
                yield burst(installed, events=size.burst_events)
    if "queue" in wanted:
        with working_folder("events") as folder:
            yield queue(folder, events=size.queue_events)


if __name__ == "__main__":
    typer.run(bench_events)
