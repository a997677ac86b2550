"""Keeping many companies current: a few runs a tick, however many companies there are."""

from collections.abc import Iterator, Sequence

import dagster as dg

from ledgerguard_pipeline.defs.connected_companies import LeftOut, ListCompanies
from ledgerguard_pipeline.defs.fleet.shards import (
    SweepPolicy,
    SweepTask,
    request_sweep,
    shards_of,
    sweeps_under_way,
)
from ledgerguard_pipeline.defs.run_context import one_control_plane
from ledgerguard_pipeline.entities import EntityType

QUERIED_CRON = "7 * * * *"
RECONCILE_CRON = "37 3 * * *"


def build_fleet_schedules(
    job: dg.JobDefinition,
    entities: Sequence[EntityType],
    companies: ListCompanies,
    left_out: LeftOut,
    policy: SweepPolicy,
) -> list[dg.ScheduleDefinition]:
    """Sweeps for changes, for types that are queried, and for counts.

    They skip while there are no more companies than ``LEDGERGUARD_SWEEP_ABOVE``; all but the
    sweep for changes also while ``left_out`` says why, near the end of the month's call budget.
    """
    minutes = policy.minutes
    changes = f"*/{minutes} * * * *" if minutes < 60 else f"0 */{minutes // 60} * * *"
    crons = {
        SweepTask.CHANGES: changes,
        SweepTask.QUERIED: QUERIED_CRON,
        SweepTask.RECONCILE: RECONCILE_CRON,
    }
    return [
        _schedule(task, cron, job, companies, left_out, policy)
        for task, cron in crons.items()
        if task.entities(entities)
    ]


def _schedule(
    task: SweepTask,
    cron: str,
    job: dg.JobDefinition,
    companies: ListCompanies,
    left_out: LeftOut,
    policy: SweepPolicy,
) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"sweep_{task.value}",
        job=job,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Where there are more than {policy.above} companies: "
        f"{policy.shards} runs that go through all of them.",
    )
    def sweep(
        context: dg.ScheduleEvaluationContext,
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        with one_control_plane():
            connected = companies()
            few = len(connected) <= policy.above
            why = None if few or task is SweepTask.CHANGES else left_out("This sweep")
        if few:
            yield dg.SkipReason(
                f"{len(connected)} companies are connected; each has runs of its own up to "
                f"{policy.above} (LEDGERGUARD_SWEEP_ABOVE)."
            )
            return
        if why is not None:
            yield dg.SkipReason(why)
            return
        busy = sweeps_under_way(context.instance)
        waiting = []
        for shard in shards_of(task, policy.shards):
            if shard.name in busy:
                waiting.append(shard.name)
                continue
            yield request_sweep(
                shard, f"{shard.name}:{context.scheduled_execution_time.isoformat()}"
            )
        if len(waiting) == policy.shards:
            yield dg.SkipReason(f"The last sweep is still under way: {', '.join(waiting)}.")

    return sweep
