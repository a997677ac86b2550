"""Runs whose process was killed, reported to Dagster, which cannot notice every kill itself.

Dagster's default launcher notices a dead run only while the code server that started it lives, a
Celery task of a killed worker stays "started" forever. Such a run would block its company (one
run per company at a time) until ``max_runtime_seconds``. Runs give signs of life in the control
plane; one that stopped giving them is reported as failed, so that it is retried, and webhook
events it held are due again at once.

A false alarm is harmless: the run given up goes on to the end, and what both commit is the same.

Decision 41 in docs/decisions.md.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.snap import ExecutionPlanSnapshot

from ledgerguard_pipeline.control.leases.run_heartbeats import RunBeat
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.defs.keys import BATCH_TAG, REALM_TAG
from ledgerguard_pipeline.defs.monitoring.overlooked_failures import report_overlooked_failures
from ledgerguard_pipeline.defs.run_context import OpenControl
from ledgerguard_pipeline.defs.site import INSTALLATION_TAG, at_site, current_site

SILENT_SECONDS = 120.0
"""A run of a company that began this long ago and never gave a sign was killed as it began."""
FORGOTTEN_AFTER = timedelta(days=1)
"""How long a killed run that this Dagster does not know stays on the list for the one that does."""
_STEP_STARTS = {dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_RESTARTED}
_STEP_ENDS = {
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.STEP_SKIPPED,
}
_ATTEMPT_ENDS = _STEP_ENDS | {dg.DagsterEventType.STEP_UP_FOR_RETRY}
_STEP_EVENTS = _STEP_STARTS | _ATTEMPT_ENDS | {dg.DagsterEventType.STEP_WORKER_STARTING}


def build_lost_runs_sensor(opened: OpenControl) -> dg.SensorDefinition:
    """The sensor; it launches nothing itself."""

    @dg.sensor(
        name=current_site().name("lost_runs"),
        minimum_interval_seconds=10,
        default_status=current_site().sensor_status,
        description="Reports runs whose process was killed as failed, so that they are retried "
        "and do not block their company.",
    )
    @at_site
    def lost_runs(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        with opened() as control:
            origin = context.code_location_origin
            found = report_lost_runs(
                context.instance,
                control,
                _suspects(context.cursor),
                location=None if origin is None else origin.location_name,
            )
        if overlooked := report_overlooked_failures(context.instance):
            context.log.warning("Reported as failed once more: %s.", ", ".join(overlooked))
        if found.reported:
            context.log.warning("Reported as killed: %s.", ", ".join(found.reported))
        reported = ", ".join(found.reported)
        return dg.SensorResult(
            skip_reason=f"Reported as killed: {reported}." if reported else "No run was killed.",
            cursor=json.dumps(found.suspects),
        )

    return lost_runs


@dataclass(frozen=True, slots=True)
class Found:
    """Runs reported as failed, and runs to look at once more before doing so."""

    reported: list[str]
    suspects: list[str]


def report_lost_runs(
    instance: dg.DagsterInstance,
    control: ControlPlane,
    suspects: Collection[str] = (),
    *,
    location: str | None = None,
) -> Found:
    """Report every killed run as failed and give its webhook events back.

    A run that never gave a sign of life is reported when it is found so twice: one that ends in
    order takes itself off the list a moment before Dagster knows. ``location`` is the name of the
    code location whose runs are looked at, None for those of any.
    """
    beats = control.run_beats.list()
    reported = [
        each.run_id
        for each in beats
        if each.lost
        and _is_known_here(instance, control, each)
        and _give_up(instance, control, each.run_id)
    ]
    silent = _silent(instance, {each.run_id for each in beats}, location)
    reported += [
        run_id for run_id in silent if run_id in suspects and _give_up(instance, control, run_id)
    ]
    return Found(reported, [run_id for run_id in silent if run_id not in reported])


def _is_known_here(instance: dg.DagsterInstance, control: ControlPlane, beat: RunBeat) -> bool:
    """Whether this Dagster has the run; one that another has is that one's to report, for a day."""
    if instance.has_run(beat.run_id):
        return True
    if control.now() - beat.expires_at > FORGOTTEN_AFTER:
        control.run_beats.end(beat.run_id)
    return False


def _give_up(instance: dg.DagsterInstance, control: ControlPlane, run_id: str) -> bool:
    """True if Dagster took the run for alive until now."""
    run = instance.get_run_by_id(run_id)
    believed_alive = run is not None and not run.is_finished
    if run is not None and believed_alive and run.status is dg.DagsterRunStatus.CANCELING:
        # Somebody wanted it to end; a failed run would begin again.
        instance.report_run_canceled(run, "Its process had ended before it was asked to.")
    elif run is not None and believed_alive:
        instance.report_run_failed(run, "Its process was killed: it gave no sign of life any more.")
    if run is not None and (batch := run.tags.get(BATCH_TAG)):
        # The lease ends now: the next tick hands the events out again.
        control.inbox.heartbeat(batch, 0.0)
    control.run_beats.end(run_id)
    return believed_alive


def _silent(
    instance: dg.DagsterInstance, heard: Collection[str], location: str | None
) -> list[str]:
    """Runs of one company that began a while ago, are under way and gave no sign of life."""
    earliest = datetime.now(UTC).timestamp() - SILENT_SECONDS
    records = instance.get_run_records(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    return [
        record.dagster_run.run_id
        for record in records
        if REALM_TAG in record.dagster_run.tags
        # Another installation on this instance has its own list of runs alive.
        and record.dagster_run.tags.get(INSTALLATION_TAG)
        == current_site().run_tags.get(INSTALLATION_TAG)
        and record.dagster_run.run_id not in heard
        and record.start_time is not None
        and record.start_time < earliest
        and _is_of(location, record.dagster_run)
        and not _goes_on(instance, record.dagster_run)
    ]


def _is_of(location: str | None, run: dg.DagsterRun) -> bool:
    """Whether a code location defines the run: others' runs of a company give us no signs."""
    origin = run.remote_job_origin
    if location is None or origin is None:
        return True
    return bool(origin.repository_origin.code_location_origin.location_name == location)


def _goes_on(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether a run without a sign of life may be working all the same.

    Only our steps give signs. A host project's run may have steps of its own before, beside and after
    ours, or none of ours at all: a run that begins another one again has its tags, whatever is left to
    do. So it goes on unless a step of ours is under way, or is the next to begin.
    """
    logs = instance.event_log_storage.get_logs_for_run(run.run_id, of_type=_STEP_EVENTS)
    over = {entry.step_key for entry in logs if _type(entry) in _STEP_ENDS}
    if run.execution_plan_snapshot_id is None:
        return bool(over)
    plan = instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id)
    to_do = set(plan.step_keys_to_execute)
    ours = set(filter(current_site().has_step, to_do))
    left = to_do - over
    if not left or not ours:
        return bool(to_do) and not ours
    under_way = {entry.step_key for entry in logs if _type(entry) in _STEP_STARTS} & left
    if not (under_way or _next(plan, left)) <= ours:
        return True
    tried = {entry.step_key for entry in logs if _type(entry) in _ATTEMPT_ENDS}
    if tried & ours and (current_site().guest or _has_processes(logs)):
        # Each step may have a process of its own, which takes the run off the list as it ends in
        # order, whatever another one does.
        return True
    # A run of ours takes itself off with its last step, and may be killed before Dagster has noted
    # which steps it skipped: then nothing happens any more.
    newest = max((entry.timestamp for entry in logs), default=0.0)
    return datetime.now(UTC).timestamp() - newest < SILENT_SECONDS


def _type(entry: dg.EventLogEntry) -> dg.DagsterEventType | None:
    return entry.dagster_event.event_type if entry.dagster_event else None


def _next(plan: ExecutionPlanSnapshot, left: Collection[str]) -> set[str]:
    """The steps that wait for no other one."""
    return {
        step.key
        for step in plan.steps
        if step.key in left
        and not any(key in left for each in step.inputs for key in each.upstream_step_keys)
    }


def _has_processes(logs: Collection[dg.EventLogEntry]) -> bool:
    return any(_type(entry) is dg.DagsterEventType.STEP_WORKER_STARTING for entry in logs)


def _suspects(cursor: str | None) -> list[str]:
    try:
        known = json.loads(cursor or "[]")
    except ValueError:
        return []
    return [str(each) for each in known] if isinstance(known, list) else []
