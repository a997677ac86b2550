"""Runs of webhook events as Dagster's daemon and their processes leave them, without any process."""

import dagster as dg
from dagster._core.events import DagsterEvent

from ledgerguard_pipeline.defs.keys import WEBHOOK_JOB


def queued_run(
    instance: dg.DagsterInstance, request: dg.RunRequest, status: dg.DagsterRunStatus
) -> dg.DagsterRun:
    """A run as it stands in the instance after the daemon took the request."""
    return instance.create_run(
        job_name=WEBHOOK_JOB, run_id=None, run_config=None, status=status, tags=request.tags,
        step_keys_to_execute=None, execution_plan_snapshot=None, job_snapshot=None,
        parent_job_snapshot=None, root_run_id=None, parent_run_id=None, remote_job_origin=None,
        job_code_origin=None, asset_selection=None, asset_check_selection=None,
        resolved_op_selection=None, op_selection=None, asset_graph=None,  # type: ignore[arg-type]
    )  # fmt: skip


def begin(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """As its process says once it is up."""
    instance.report_dagster_event(
        DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name), run.run_id
    )


def end(instance: dg.DagsterInstance, run: dg.DagsterRun, status: dg.DagsterRunStatus) -> None:
    """As whoever finds its process gone says, or whoever terminates it."""
    if status is dg.DagsterRunStatus.FAILURE:
        instance.report_run_failed(run)
    else:
        instance.report_run_canceled(run)
