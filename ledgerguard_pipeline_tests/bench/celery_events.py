"""``python -m ledgerguard_pipeline_tests.bench.celery_events``: from a webhook to the row, with warm Celery workers.

PostgreSQL and Redis come out of the development environment's wheels; everything else is what
`deploy/celery` describes: web edge, code server, daemon and two workers of one slot each.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

import dagster as dg
import typer

from benchmarks.environments import working_folder
from benchmarks.event_parts import EventParts, describe
from benchmarks.goals import Finding, markdown, percentile
from benchmarks.process import BenchFailed
from ledgerguard_pipeline.control.webhook_queue.queue import QueuedEvent
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
        events: list[EventParts] = []
        for each in range(_WARM_UP + edits):
            time.sleep(_SPACING * (1 + each % 4))
            events.append(_one(stack, installation, each))
            sys.stderr.write(f"{events[-1]}\n")
    timed = events[_WARM_UP:]
    whole = [each.whole for each in timed]
    finding.at_most("median", median(whole), 5, "s")
    finding.note("p95", f"{percentile(whole, 0.95):.1f} s")
    describe(finding, timed, starting="in Celery, and Dagster's own start of the run")
    return finding


def _one(stack: Stack, installation: Installation, number: int) -> EventParts:
    """One edit, once it is in Bronze."""
    known = sum(installation.control.inbox.backlog().by_status.values())
    sandbox = stack.sandbox
    id = str(sandbox.edit("update", "Customer", note=f"Edit {number}")["id"])

    def settled() -> QueuedEvent | None:
        backlog = installation.control.inbox.backlog()
        if backlog.depth or sum(backlog.by_status.values()) == known:
            return None
        return installation.control.inbox.list(limit=1)[0]

    event = wait(settled, _LONGEST_SECONDS, "the event")
    realm = parse_realm(sandbox.realm_id)
    if id not in installation.bronze.current(realm, entity_type("Customer"), [id]):
        raise BenchFailed(f"Customer {id} is acknowledged and not in Bronze.")
    return EventParts.of(event, stack.instance)


if __name__ == "__main__":
    typer.run(celery_events)
