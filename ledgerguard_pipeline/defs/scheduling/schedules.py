"""Keeping connected companies current, and proving every night that they are.

Dagster's own partition schedules launch a partition once; the current window has to run again and
again, so these are plain schedules with one run per company and tick (``company_schedule.py``).
"""

from collections.abc import Sequence
from functools import partial

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition as AssetJob,
)

from ledgerguard_pipeline.defs.connected_companies import LeftOut, ListCompanies
from ledgerguard_pipeline.defs.fleet.shards import ReadPolicy, SweepPolicy, late_companies
from ledgerguard_pipeline.defs.jobs import Jobs
from ledgerguard_pipeline.defs.partitions import current_cell
from ledgerguard_pipeline.defs.scheduling.company_schedule import Companies, company_schedule


def build_schedules(
    jobs: Jobs,
    cells: dg.MultiPartitionsDefinition,
    companies: ListCompanies,
    left_out: LeftOut,
    policy: ReadPolicy = SweepPolicy,
) -> list[dg.ScheduleDefinition]:
    """Changes every 15 minutes, what change data capture leaves out every hour, counts nightly.

    The last two are optional: ``left_out`` says why they are skipped near the end of the month's
    call budget. With more companies than the policy says sweeps do all this
    (``fleet_schedules``); then only those late in the last sweep for changes get a run here.
    """
    cell = partial(current_cell, cells)
    every = Companies(companies, policy, cell)
    schedules = []
    if jobs.changes is not None:
        schedules.append(
            company_schedule(
                "changes_every_15_minutes",
                "*/15 * * * *",
                jobs.changes,
                Companies(
                    companies,
                    policy,
                    cell,
                    lambda instance: late_companies(instance, policy().shards),
                ),
                "What changed in every connected company, one call each.",
            )
        )
    if jobs.queried is not None:
        schedules.append(
            company_schedule(
                "queried_entities_hourly",
                "7 * * * *",
                jobs.queried,
                every,
                "Entities that change data capture leaves out, one batch call per company.",
                left_out=left_out,
            )
        )
    if jobs.reconcile is not None:
        schedules.append(
            company_schedule(
                "reconcile_nightly",
                "37 3 * * *",
                jobs.reconcile,
                every,
                "Intuit's counts against Bronze, two batch calls per company; rows are read only "
                "where they differ.",
                left_out=left_out,
            )
        )
    return schedules


def build_nightly_schedules(
    silver: Sequence[AssetJob],
    journal: Sequence[AssetJob],
    companies: ListCompanies,
    left_out: LeftOut,
    policy: ReadPolicy,
) -> list[dg.ScheduleDefinition]:
    """Silver's checks and the journal against Intuit's reports, every night for each company.

    The journal needs a few calls and is skipped near the end of the month's budget; Silver's checks
    need none. Their runs are for as many companies as the policy gives runs of their own.
    """
    instead = "start this job by hand for those that need it"
    every = Companies(companies, policy, str, instead=instead)
    return [
        *(
            company_schedule(
                "silver_nightly",
                "43 4 * * *",
                job,
                every,
                "Checks of the typed tables, which are brought up to date if need be; no calls.",
            )
            for job in silver
        ),
        *(
            company_schedule(
                "journal_nightly",
                "53 4 * * *",
                job,
                every,
                "The journal of every connected company against Intuit's trial balance; two to "
                "six calls each where little changed.",
                left_out=left_out,
            )
            for job in journal
        ),
    ]
