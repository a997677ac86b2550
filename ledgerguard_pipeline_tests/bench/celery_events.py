"""``python -m ledgerguard_pipeline_tests.bench.celery_events``: from a webhook to the row, with warm Celery workers.

PostgreSQL and Redis come out of the development environment's wheels; everything else is what
`deploy/celery` describes: web edge, code server, daemon and two workers of one slot each.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

import dagster as dg
import typer

from benchmarks.environments import working_folder
from benchmarks.goals import Finding, markdown, percentile
from benchmarks.process import BenchFailed
from ledgerguard_pipeline.control.webhook_queue.queue import EventStatus, QueuedEvent
from ledgerguard_pipeline.defs.keys import BATCH_TAG, WEBHOOK_JOB
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.errors import LedgerGuardError
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxProcess
from ledgerguard_pipeline.values import parse_realm
from ledgerguard_pipeline_tests.deploy.stack import Stack, free_port, listens, wait

_TOKEN = "bench-verifier-token"  # signs made-up events
_SPACING = 1.3
"""Seconds between an event and the next edit; no multiple of the sensor's five."""
_WARM_UP = 2
_PARTS = (
    "until the sensor's tick has made a run",
    "in Dagster's queue",
    "in Celery, and Dagster's own start of the run",
    "reading, committing, acknowledging",
)
_LONGEST_SECONDS = 300.0


def celery_events(
    edits: Annotated[int, typer.Option(min=1, help="Single edits whose time is taken.")] = 10,
    invoices: Annotated[int, typer.Option(min=0, help="Size of the sandbox company.")] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, not a table.")] = False,  # noqa: FBT002
) -> None:
    """Measure event to Bronze on Celery, and where the time goes."""
    try:
        with working_folder("celery") as folder:
            finding = _measure(folder, edits, invoices)
    except (BenchFailed, LedgerGuardError, AssertionError) as error:
        sys.stderr.write(f"celery-events: {error}\n")
        raise typer.Exit(1) from None
    shown = json.dumps(asdict(finding)) if as_json else markdown(finding)
    sys.stdout.write(shown + "\n")


def _measure(folder: Path, edits: int, invoices: int) -> Finding:
    finding = Finding(
        "celery latency",
        "From the webhook's answer to the committed row, warm Celery workers",
        f"{edits} single edits of the sandbox's books; PostgreSQL for Dagster and the control "
        "plane, Redis for broker, tokens, leases and limiter, two workers, sensor every 5 s. From "
        "the moment an event was stored, just before the 200, to its acknowledgement, just after "
        "the commit.",
    )
    port = free_port()
    with (
        SandboxProcess(invoices=invoices) as sandbox,
        Stack(
            folder,
            sandbox,
            INTUIT_REDIRECT_URI=f"http://localhost:{port}/api/v1/auth/callback",
            INTUIT_WEBHOOK_VERIFIER_TOKEN=_TOKEN,
        ) as stack,
        Installation.open(stack.settings) as installation,
    ):
        stack.start()
        stack.spawn("web", "ledgerguard", "web", "--port", str(port))
        wait(lambda: listens(port), _LONGEST_SECONDS, "the web edge")
        callback = urlsplit(sandbox.consent(installation.connector.begin()))
        installation.connector.complete(dict(parse_qsl(callback.query)))
        wait(lambda: stack.runs(dg.DagsterRunStatus.SUCCESS), _LONGEST_SECONDS, "the first load")
        sandbox.send_webhooks(f"http://localhost:{port}/api/v1/webhooks/qbo", _TOKEN)
        parts: list[tuple[float, ...]] = []
        for each in range(_WARM_UP + edits):
            time.sleep(_SPACING * (1 + each % 4))
            parts.append(_one(stack, installation, each))
            sys.stderr.write("  ".join(f"{part:5.2f}" for part in parts[-1]) + "\n")
    reported = list(zip(*parts[_WARM_UP:], strict=True))
    whole = reported[0]
    finding.at_most("median", median(whole), 5, "s")
    finding.note("p95", f"{percentile(whole, 0.95):.1f} s")
    finding.note("fastest and slowest", f"{min(whole):.1f} s, {max(whole):.1f} s")
    for name, values in zip(
        _PARTS,
        reported[1:],
        strict=True,
    ):
        finding.note(f"of the median: {name}", f"{median(values):.1f} s")
    return finding


def _one(stack: Stack, installation: Installation, number: int) -> tuple[float, ...]:
    """One edit; seconds in all, to the run's row, to its launch, to its start, to the end."""
    known = sum(installation.control.inbox.backlog().by_status.values())
    sandbox = stack.sandbox
    id = str(sandbox.edit("update", "Customer", note=f"Edit {number}")["id"])

    def settled() -> QueuedEvent | None:
        backlog = installation.control.inbox.backlog()
        if backlog.depth or sum(backlog.by_status.values()) == known:
            return None
        return installation.control.inbox.list(limit=1)[0]

    event = wait(settled, _LONGEST_SECONDS, "the event")
    if event.status is not EventStatus.DONE or event.settled_at is None:
        raise BenchFailed(f"The event ended as {event.status}: {event.reason}")
    realm = parse_realm(sandbox.realm_id)
    if id not in installation.bronze.current(realm, entity_type("Customer"), [id]):
        raise BenchFailed(f"Customer {id} is acknowledged and not in Bronze.")
    record = stack.instance.get_run_records(dg.RunsFilter(job_name=WEBHOOK_JOB), limit=1)[0]
    if BATCH_TAG not in record.dagster_run.tags:
        raise BenchFailed("The newest run is not of this event.")
    stats = stack.instance.get_run_stats(record.dagster_run.run_id)
    received, done = event.received_at.timestamp(), event.settled_at.timestamp()
    made = _seconds(record.create_timestamp)
    launched, started = stats.launch_time or made, stats.start_time or made
    return done - received, made - received, launched - made, started - launched, done - started


def _seconds(moment: datetime) -> float:
    return moment.timestamp()


if __name__ == "__main__":
    typer.run(celery_events)
