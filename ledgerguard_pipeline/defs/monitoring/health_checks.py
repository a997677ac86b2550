"""Checks of the connections themselves; they call nobody, so they can run at any time.

An asset's freshness is one figure for all companies, so one healthy company would hide a stale
one: here every company is judged for itself and named in the metadata.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition as AssetJob,
)

from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.rate_limits.monthly_budget import SLOW_DOWN_AT
from ledgerguard_pipeline.defs.keys import HEALTH_JOB, connection_key
from ledgerguard_pipeline.defs.monitoring import health_metadata as reports
from ledgerguard_pipeline.defs.monitoring.health_metadata import (
    BUDGET,
    HEALTH,
    LAG,
    RECENT,
    TOKEN_LIFE,
    TOKEN_WARNING_DAYS,
)
from ledgerguard_pipeline.defs.run_context import current_settings
from ledgerguard_pipeline.defs.site import at_site, current_site
from ledgerguard_pipeline.health.company_status import CompanyStatus, read_statuses
from ledgerguard_pipeline.health.rules import WEBHOOK_LAG_SECONDS

__all__ = [
    "build_connection_asset",
    "build_health_checks",
    "build_health_job",
    "build_health_schedule",
    "judged",
    "known_statuses",
]

ListStatuses = Callable[[], Sequence[CompanyStatus]]


def known_statuses() -> Sequence[CompanyStatus]:
    """Every company that was not disconnected on purpose."""
    from ledgerguard_pipeline.control.plane import ControlPlane

    settings, site = current_settings(), current_site()
    with ControlPlane.open(settings) as control:
        return [
            company_status
            for company_status in read_statuses(control, settings)
            if company_status.company.status is not ConnectionStatus.DISCONNECTED
            and site.works_on(company_status.company.realm_id)
        ]


def judged(known: Sequence[CompanyStatus]) -> list[dg.AssetCheckResult]:
    """What the five checks find now."""
    now = datetime.now(UTC)
    return [
        reports.health(known),
        reports.token_life(known, now),
        reports.recent(known, now),
        reports.lag(known),
        reports.budget(known),
    ]


def build_connection_asset() -> dg.AssetSpec:
    """The connections as an external asset: what the health checks belong to."""
    return current_site().spec(
        "connection",
        "connection",
        "company",
        dg.AssetSpec(
            connection_key(),
            description="The OAuth connections of all companies.",
            kinds={"quickbooks"},
        ),
    )


def build_health_checks(statuses: ListStatuses) -> dg.AssetChecksDefinition:
    """Five checks, each runnable alone from the UI."""
    specs = [
        dg.AssetCheckSpec(HEALTH, asset=connection_key(), description="Every company is healthy."),
        dg.AssetCheckSpec(
            TOKEN_LIFE, asset=connection_key(),
            description=f"No refresh token and no grant ends within {TOKEN_WARNING_DAYS} days.",
        ),
        dg.AssetCheckSpec(
            RECENT, asset=connection_key(),
            description="Every entity of every connected company is as fresh as its schedule "
            "promises: changes every 15 minutes, the other types every hour.",
        ),
        dg.AssetCheckSpec(
            LAG, asset=connection_key(),
            description=f"No webhook event waits longer than {WEBHOOK_LAG_SECONDS:g} seconds, and "
            "none is parked.",
        ),
        dg.AssetCheckSpec(
            BUDGET, asset=connection_key(),
            description=f"Less than {SLOW_DOWN_AT:.0%} of the month's metered calls are used, and "
            "Intuit has not refused calls for lack of quota.",
        ),
    ]  # fmt: skip

    @dg.multi_asset_check(
        specs=specs, can_subset=True, name=current_site().name("check_connections")
    )
    @at_site
    def check_connections(
        context: dg.AssetCheckExecutionContext,
    ) -> Iterable[dg.AssetCheckResult]:
        wanted = {key.name for key in context.selected_asset_check_keys}
        known = statuses()
        context.op_execution_context.log_event(reports.companies_table(known, current_settings()))
        for result in judged(known):
            if result.check_name in wanted:
                yield result

    return check_connections


def build_health_job(checks: dg.AssetChecksDefinition) -> AssetJob:
    """The job of the checks."""
    return dg.define_asset_job(
        current_site().name(HEALTH_JOB),
        selection=dg.AssetSelection.checks(checks),
        description="Judge every company's connection; no call to Intuit.",
        executor_def=dg.in_process_executor,
    )


def build_health_schedule(job: AssetJob) -> dg.ScheduleDefinition:
    """Hourly, also while nothing is synced."""
    return dg.ScheduleDefinition(
        name=current_site().name("connection_health_hourly"),
        job=job,
        cron_schedule="37 * * * *",
        execution_timezone="UTC",
        default_status=current_site().schedule_status,
        description="Health of every connection, even while nothing is synced.",
    )
