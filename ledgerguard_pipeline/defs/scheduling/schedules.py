"""Keeping connected companies current.

Dagster's own partition schedules launch a partition once; the current window has to run again and
again, so these are plain schedules with one run per company and tick. The run key holds the
scheduled time: evaluating a tick twice starts nothing twice.
"""

from collections.abc import Iterator

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition as AssetJob,
)

from ledgerguard_pipeline.defs.connected_companies import LeftOut, ListCompanies
from ledgerguard_pipeline.defs.fleet.shards import UNFINISHED, SweepPolicy, late_companies
from ledgerguard_pipeline.defs.jobs import Jobs
from ledgerguard_pipeline.defs.keys import REALM_TAG
from ledgerguard_pipeline.defs.partitions import REALM, current_cell
from ledgerguard_pipeline.defs.run_context import one_control_plane


def build_schedules(
    jobs: Jobs,
    cells: dg.MultiPartitionsDefinition,
    companies: ListCompanies,
    left_out: LeftOut,
    policy: SweepPolicy | None = None,
) -> list[dg.ScheduleDefinition]:
    """Changes every 15 minutes, what change data capture leaves out every hour, counts nightly.

    The last two are optional: ``left_out`` says why they are skipped near the end of the month's
    call budget. With more companies than the policy says sweeps do all this
    (``fleet_schedules``); then only those late in the last sweep for changes get a run here.
    """
    policy = policy or SweepPolicy()
    schedules = []
    if jobs.changes is not None:
        schedules.append(
            _schedule(
                "changes_every_15_minutes",
                "*/15 * * * *",
                jobs.changes,
                jobs,
                cells,
                companies,
                policy,
                "What changed in every connected company, one call each.",
            )
        )
    if jobs.queried is not None:
        schedules.append(
            _schedule(
                "queried_entities_hourly",
                "7 * * * *",
                jobs.queried,
                jobs,
                cells,
                companies,
                policy,
                "Entities that change data capture leaves out, one batch call per company.",
                left_out=left_out,
            )
        )
    if jobs.reconcile is not None:
        schedules.append(
            _schedule(
                "reconcile_nightly",
                "37 3 * * *",
                jobs.reconcile,
                jobs,
                cells,
                companies,
                policy,
                "Intuit's counts against Bronze, two batch calls per company; rows are read only "
                "where they differ.",
                left_out=left_out,
            )
        )
    return schedules


def _schedule(
    name: str,
    cron: str,
    job: AssetJob,
    jobs: Jobs,
    cells: dg.MultiPartitionsDefinition,
    companies: ListCompanies,
    policy: SweepPolicy,
    description: str,
    *,
    left_out: LeftOut | None = None,
) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=name,
        job=job,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=description,
    )
    def sync_connected(
        context: dg.ScheduleEvaluationContext,
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        with one_control_plane():
            connected = companies()
            why = None if left_out is None or not connected else left_out("This schedule")
        if not connected:
            yield dg.SkipReason(
                "No company is connected. Run `ledgerguard connect` or press Connect to QuickBooks."
            )
            return
        if why is not None:
            yield dg.SkipReason(why)
            return
        # The new-company sensor adds a company and runs its first load; until then it is no cell.
        known = set(context.instance.get_dynamic_partitions(REALM))
        if len(connected) > policy.above:
            late = late_companies(context.instance, policy.shards) if job is jobs.changes else []
            connected = [company for company in connected if company.realm_id in late]
            if not connected:
                yield dg.SkipReason(
                    f"More than {policy.above} companies are connected: sweeps sync them, and "
                    "none was late in the last one."
                )
                return
        busy = _busy(context.instance, job.name)
        waiting = []
        for company in connected:
            realm_id = company.realm_id
            if realm_id not in known or realm_id in busy:
                waiting.append(realm_id)
                continue
            yield dg.RunRequest(
                run_key=f"{realm_id}:{context.scheduled_execution_time.isoformat()}",
                partition_key=current_cell(cells, realm_id),
                tags={REALM_TAG: realm_id},
            )
        if len(waiting) == len(connected):
            yield dg.SkipReason(
                "Every connected company is new or still at its last run: " + ", ".join(waiting)
            )

    return sync_connected


def _busy(instance: dg.DagsterInstance, job_name: str) -> set[str]:
    """Companies whose last run is not done: another one would only queue up behind it."""
    runs = instance.get_runs(dg.RunsFilter(job_name=job_name, statuses=UNFINISHED))
    return {run.tags.get(REALM_TAG, "") for run in runs}
