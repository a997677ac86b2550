"""A schedule with one run per connected company and tick.

The run key holds the scheduled time: evaluating a tick twice starts nothing twice.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition as AssetJob,
)

from ledgerguard_pipeline.defs.company_names import company_tags
from ledgerguard_pipeline.defs.connected_companies import LeftOut, ListCompanies
from ledgerguard_pipeline.defs.fleet.shards import UNFINISHED, ReadPolicy
from ledgerguard_pipeline.defs.keys import REALM_TAG
from ledgerguard_pipeline.defs.partitions import known_realms
from ledgerguard_pipeline.defs.run_context import one_control_plane
from ledgerguard_pipeline.defs.site import at_site, current_site
from ledgerguard_pipeline.values import RealmId


@dataclass(frozen=True, slots=True)
class Companies:
    """Which companies get a run: all connected ones, unless they are more than the ``policy`` says.

    ``cell`` is the partition of a company's run. Where there are more, ``late`` names those that
    get one all the same, and ``instead`` says what is done about the others.
    """

    connected: ListCompanies
    policy: ReadPolicy
    cell: Callable[[RealmId], str]
    late: Callable[[dg.DagsterInstance], Collection[str]] | None = None
    instead: str = "sweeps sync them, and none was late in the last one"


def company_schedule(
    name: str,
    cron: str,
    job: AssetJob,
    companies: Companies,
    description: str,
    *,
    left_out: LeftOut | None = None,
) -> dg.ScheduleDefinition:
    """A running schedule of that job; ``left_out`` says why it is skipped to save calls."""

    @dg.schedule(
        name=current_site().name(name),
        job=job,
        cron_schedule=cron,
        execution_timezone="UTC",
        default_status=current_site().schedule_status,
        description=description,
    )
    @at_site
    def sync_connected(
        context: dg.ScheduleEvaluationContext,
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        with one_control_plane():
            connected = companies.connected()
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
        known = set(known_realms(context.instance))
        above = companies.policy().above
        if len(connected) > above:
            late = companies.late(context.instance) if companies.late is not None else ()
            connected = [company for company in connected if company.realm_id in late]
            if not connected:
                yield dg.SkipReason(
                    f"More than {above} companies are connected: {companies.instead}."
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
                partition_key=companies.cell(realm_id),
                tags=company_tags(company),
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
