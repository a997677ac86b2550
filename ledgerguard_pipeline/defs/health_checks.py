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

from ledgerguard_pipeline.control.budget import SLOW_DOWN_AT, STOP_AT
from ledgerguard_pipeline.control.companies import ConnectionStatus
from ledgerguard_pipeline.custody.health import WEBHOOK_LAG_SECONDS, HealthState
from ledgerguard_pipeline.defs.keys import HEALTH_JOB
from ledgerguard_pipeline.defs.reports import Metadata
from ledgerguard_pipeline.defs.scope import current_settings
from ledgerguard_pipeline.ingestion.standing import Standing, read_standings

CONNECTION = dg.AssetKey(["qbo", "connection"])
HEALTH, TOKEN_LIFE, RECENT = "connection_health", "refresh_token_life", "recently_synced"
LAG, BUDGET = "webhook_lag", "call_budget"

TOKEN_WARNING_DAYS = 14
ListStandings = Callable[[], Sequence[Standing]]


def known_standings() -> Sequence[Standing]:
    """Every company that was not disconnected on purpose."""
    from ledgerguard_pipeline.control.plane import ControlPlane

    settings = current_settings()
    with ControlPlane.open(settings) as control:
        return [
            standing
            for standing in read_standings(control, settings)
            if standing.company.status is not ConnectionStatus.DISCONNECTED
        ]


def build_connection_asset() -> dg.AssetSpec:
    """The connections as an external asset: what the health checks belong to."""
    return dg.AssetSpec(
        CONNECTION,
        group_name="company",
        description="The OAuth connections of all companies.",
        kinds={"quickbooks"},
        owners=["team:finance-data"],
    )


def build_health_checks(standings: ListStandings) -> dg.AssetChecksDefinition:
    """Five checks, each runnable alone from the UI."""
    specs = [
        dg.AssetCheckSpec(HEALTH, asset=CONNECTION, description="No company is unhealthy."),
        dg.AssetCheckSpec(
            TOKEN_LIFE, asset=CONNECTION,
            description=f"No refresh token ends within {TOKEN_WARNING_DAYS} days.",
        ),
        dg.AssetCheckSpec(
            RECENT, asset=CONNECTION,
            description="Every entity of every connected company is as fresh as its schedule "
            "promises: changes every 15 minutes, the other types every hour.",
        ),
        dg.AssetCheckSpec(
            LAG, asset=CONNECTION,
            description=f"No webhook event waits longer than {WEBHOOK_LAG_SECONDS:g} seconds, and "
            "none is parked.",
        ),
        dg.AssetCheckSpec(
            BUDGET, asset=CONNECTION,
            description=f"Less than {SLOW_DOWN_AT:.0%} of the month's metered calls are used, and "
            "Intuit has not refused calls for lack of quota.",
        ),
    ]  # fmt: skip

    @dg.multi_asset_check(specs=specs, can_subset=True, name="check_connections")
    def check_connections(
        context: dg.AssetCheckExecutionContext,
    ) -> Iterable[dg.AssetCheckResult]:
        wanted = {key.name for key in context.selected_asset_check_keys}
        known, now = standings(), datetime.now(UTC)
        judged = (
            _health(known),
            _token_life(known, now),
            _recent(known, now),
            _lag(known),
            _budget(known),
        )
        for result in judged:
            if result.check_name in wanted:
                yield result

    return check_connections


def build_health_job(checks: dg.AssetChecksDefinition) -> AssetJob:
    """The job of the checks."""
    return dg.define_asset_job(
        HEALTH_JOB,
        selection=dg.AssetSelection.checks(checks),
        description="Judge every company's connection; no call to Intuit.",
        executor_def=dg.in_process_executor,
    )


def build_health_schedule(job: AssetJob) -> dg.ScheduleDefinition:
    """Hourly, also while nothing is synced."""
    return dg.ScheduleDefinition(
        name="connection_health_hourly",
        job=job,
        cron_schedule="37 * * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Health of every connection, also while nothing is synced.",
    )


def _health(known: Sequence[Standing]) -> dg.AssetCheckResult:
    worst, metadata = HealthState.HEALTHY, _companies(known)
    order = list(HealthState)
    for standing in known:
        health = standing.health
        worst = max(worst, health.state, key=order.index)
        text = "; ".join((health.state.value, *health.texts))
        metadata[f"{standing.company.realm_id}: health"] = dg.MetadataValue.text(text)
    return dg.AssetCheckResult(
        check_name=HEALTH,
        asset_key=CONNECTION,
        passed=worst is HealthState.HEALTHY,
        severity=(
            dg.AssetCheckSeverity.ERROR
            if worst is HealthState.UNHEALTHY
            else dg.AssetCheckSeverity.WARN
        ),
        metadata=metadata,
    )


def _token_life(known: Sequence[Standing], now: datetime) -> dg.AssetCheckResult:
    metadata, passed = _companies(known), True
    for standing in known:
        end = None if standing.life is None else standing.life.refresh_expires_at
        if end is not None:
            days = (end - now).total_seconds() / 86_400
            metadata[f"{standing.company.realm_id}: days left"] = dg.MetadataValue.float(
                round(days, 1)
            )
            passed = passed and days > TOKEN_WARNING_DAYS
    return dg.AssetCheckResult(
        check_name=TOKEN_LIFE, asset_key=CONNECTION, passed=passed, metadata=metadata,
        severity=dg.AssetCheckSeverity.WARN,
    )  # fmt: skip


def _recent(known: Sequence[Standing], now: datetime) -> dg.AssetCheckResult:
    metadata, passed = _companies(known), True
    for standing in known:
        if not standing.is_connected:
            continue
        realm_id, last = standing.company.realm_id, standing.facts.last_sync_at
        metadata[f"{realm_id}: hours since sync"] = (
            dg.MetadataValue.text("never synced")
            if last is None
            else dg.MetadataValue.float(round((now - last).total_seconds() / 3_600, 2))
        )
        late = [each.entity for each in standing.facts.entities if each.late(now)]
        metadata[f"{realm_id}: late entities"] = dg.MetadataValue.text(", ".join(late) or "none")
        passed = passed and not late
    return dg.AssetCheckResult(
        check_name=RECENT, asset_key=CONNECTION, passed=passed, metadata=metadata,
        severity=dg.AssetCheckSeverity.WARN,
    )  # fmt: skip


def _lag(known: Sequence[Standing]) -> dg.AssetCheckResult:
    metadata, passed = _companies(known), True
    for standing in known:
        age, parked = standing.facts.webhook_age_seconds, standing.facts.parked_events
        realm_id = standing.company.realm_id
        metadata[f"{realm_id}: oldest event, seconds"] = dg.MetadataValue.float(round(age, 1))
        metadata[f"{realm_id}: parked events"] = dg.MetadataValue.int(parked)
        passed = passed and age <= WEBHOOK_LAG_SECONDS and not parked
    return dg.AssetCheckResult(
        check_name=LAG, asset_key=CONNECTION, passed=passed, metadata=metadata,
        severity=dg.AssetCheckSeverity.WARN,
    )  # fmt: skip


def _budget(known: Sequence[Standing]) -> dg.AssetCheckResult:
    metadata, passed = _companies(known), True
    used, budget = 0, 0
    for standing in known:
        realm_id, calls = standing.company.realm_id, standing.calls
        used, budget = calls.all_companies, calls.budget or 0
        metadata[f"{realm_id}: metered calls this month"] = dg.MetadataValue.int(
            calls.month_to_date
        )
        metadata[f"{realm_id}: forecast for the month"] = dg.MetadataValue.int(calls.forecast)
        if standing.facts.quota_resumes_at is not None:
            passed = False
            metadata[f"{realm_id}: quota"] = dg.MetadataValue.text("used up at Intuit")
        metadata["all companies: metered calls this month"] = dg.MetadataValue.int(used)
        metadata["all companies: forecast for the month"] = dg.MetadataValue.int(calls.all_forecast)
        metadata["budget"] = dg.MetadataValue.int(budget)
    share = used / budget if budget else 0.0
    metadata["percent used"] = dg.MetadataValue.float(round(100 * share, 2))
    return dg.AssetCheckResult(
        check_name=BUDGET,
        asset_key=CONNECTION,
        passed=passed and share < SLOW_DOWN_AT,
        metadata=metadata,
        severity=(
            dg.AssetCheckSeverity.WARN
            if passed and share < STOP_AT
            else dg.AssetCheckSeverity.ERROR
        ),
    )


def _companies(known: Sequence[Standing]) -> Metadata:
    return {"companies": dg.MetadataValue.int(len(known))}
