"""What tests of running installations do: connect companies, look for a run to kill, wait."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import dagster as dg

from ledgerguard_pipeline.control.webhook_queue.queue import EventStatus, QueuedEvent
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import delivery, event
from ledgerguard_pipeline_tests.deploy.stack import Embedded, wait

EVENT_SECONDS = 120.0


def connect_all(stack: Embedded, installation: Installation) -> None:
    """Connect every company of the sandbox by real OAuth."""
    for realm in stack.sandbox.realms:
        callback = urlsplit(stack.sandbox.consent(installation.connector.begin(), realm))
        installation.connector.complete(dict(parse_qsl(callback.query)))


def mid_run(
    stack: Embedded, installation: Installation, *, loaded: range
) -> tuple[dg.DagsterRun, int] | None:
    """A run under way that has loaded so many entities, and the process that works on it."""
    for beat in installation.control.run_beats.list():
        run = stack.instance.get_run_by_id(beat.run_id)
        if run is None or run.status is not dg.DagsterRunStatus.STARTED:
            continue
        done = stack.instance.all_logs(
            run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
        )
        if len(done) in loaded:
            return run, int(beat.holder.split(":")[1])
    return None


def await_status(stack: Embedded, run_id: str, status: dg.DagsterRunStatus, seconds: float) -> None:
    """Wait until a run stands like this."""

    def stands() -> bool:
        run = stack.instance.get_run_by_id(run_id)
        return run is not None and run.status is status

    wait(stands, seconds, f"{status.value} of run {run_id}")


def edit_and_await(stack: Embedded, installation: Installation, realm: str) -> None:
    """Edit a customer, announce it as the receiver does, wait until the event is in Bronze."""
    edited = str(stack.sandbox.edit("update", "Customer", realm_id=realm, note="edited")["id"])
    installation.control.deliveries.accept(
        [delivery([event(f"edit-{edited}", realm=realm, entity="Customer", object_id=edited)])]
    )
    reported: list[QueuedEvent] = []

    def settled() -> bool:
        reported[:] = installation.control.inbox.list(realm=realm, limit=1)
        return reported[0].status is EventStatus.DONE

    try:
        wait(settled, EVENT_SECONDS, "the event in Bronze")
    except AssertionError:
        raise AssertionError(f"{reported}\n{story(stack)}") from None


def story(stack: Embedded) -> str:
    """What the runs did last, for a failing test."""
    lines = []
    for record in stack.runs():
        run = record.dagster_run
        lines.append(f"{run.job_name} {run.status.value}")
        for entry in stack.instance.all_logs(run.run_id)[-4:]:
            moment = datetime.fromtimestamp(entry.timestamp, UTC).isoformat(timespec="seconds")
            lines.append(f"  {moment} {entry.user_message or entry.dagster_event}"[:300])
    return "\n".join(lines)
