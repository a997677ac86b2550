"""Checks of the connections themselves; they call nobody, so they can run at any time.

An asset's freshness is one figure for all companies, so one healthy company would hide a stale
one: here every company is judged for itself and named in the metadata.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import (
    UnresolvedAssetJobDefinition as AssetJob,
)

from ledgerguard_pipeline.control.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.tokens import Tokens
from ledgerguard_pipeline.custody.health import WEBHOOK_LAG_SECONDS, HealthState, SyncFacts, judge
from ledgerguard_pipeline.defs.keys import HEALTH_JOB
from ledgerguard_pipeline.defs.reports import Metadata
from ledgerguard_pipeline.defs.scope import current_settings

CONNECTION = dg.AssetKey(["qbo", "connection"])
HEALTH, TOKEN_LIFE, RECENT = "connection_health", "refresh_token_life", "recently_synced"
LAG = "webhook_lag"

TOKEN_WARNING_DAYS = 14
STALE_HOURS = 1.0


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known about one company without asking Intuit."""

    company: Company
    tokens: Tokens | None
    facts: SyncFacts


ReadStandings = Callable[[], Sequence[Standing]]


def read_standings() -> Sequence[Standing]:
    """Every company that was not disconnected on purpose."""
    from ledgerguard_pipeline.installation import Installation

    with Installation.open(current_settings()) as installation:
        control, settings = installation.control, installation.settings
        found = []
        for company in control.companies.list():
            realm_id = company.realm_id
            if company.status is ConnectionStatus.DISCONNECTED:
                continue
            loads = installation.bronze.last_loads(realm_id).values()
            backlog = control.inbox.backlog(realm_id)
            facts = SyncFacts(
                last_sync_at=max((mark.loaded_at for mark in loads), default=None),
                quarantined=sum(installation.bronze.quarantined(realm_id).values()),
                calls_this_month=control.calls.month_to_date(realm_id),
                monthly_budget=settings.ledgerguard_monthly_call_budget,
                webhook_age_seconds=backlog.age_seconds,
                parked_events=backlog.parked,
            )
            found.append(Standing(company, control.tokens.load(realm_id), facts))
        return found


def build_connection_asset() -> dg.AssetSpec:
    """The connections as an external asset: what the health checks belong to."""
    return dg.AssetSpec(
        CONNECTION,
        group_name="company",
        description="The OAuth connections of all companies.",
        kinds={"quickbooks"},
        owners=["team:finance-data"],
    )


def build_health_checks(standings: ReadStandings) -> dg.AssetChecksDefinition:
    """Four checks, each runnable alone from the UI."""
    specs = [
        dg.AssetCheckSpec(HEALTH, asset=CONNECTION, description="No company is unhealthy."),
        dg.AssetCheckSpec(
            TOKEN_LIFE, asset=CONNECTION,
            description=f"No refresh token ends within {TOKEN_WARNING_DAYS} days.",
        ),
        dg.AssetCheckSpec(
            RECENT, asset=CONNECTION,
            description=f"Every connected company was synced within {STALE_HOURS:g} hour.",
        ),
        dg.AssetCheckSpec(
            LAG, asset=CONNECTION,
            description=f"No webhook event waits longer than {WEBHOOK_LAG_SECONDS:g} seconds, and "
            "none is parked.",
        ),
    ]  # fmt: skip

    @dg.multi_asset_check(specs=specs, can_subset=True, name="check_connections")
    def check_connections(
        context: dg.AssetCheckExecutionContext,
    ) -> Iterable[dg.AssetCheckResult]:
        wanted = {key.name for key in context.selected_asset_check_keys}
        known, now = standings(), datetime.now(UTC)
        judged = (_health(known, now), _token_life(known, now), _recent(known, now), _lag(known))
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


def _health(known: Sequence[Standing], now: datetime) -> dg.AssetCheckResult:
    worst, metadata = HealthState.HEALTHY, _companies(known)
    order = list(HealthState)
    for standing in known:
        health = judge(standing.company, standing.tokens, standing.facts, now)
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
        end = None if standing.tokens is None else standing.tokens.refresh_expires_at
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
        if standing.company.status is not ConnectionStatus.CONNECTED:
            continue
        last = standing.facts.last_sync_at
        hours = None if last is None else (now - last).total_seconds() / 3_600
        metadata[f"{standing.company.realm_id}: hours since sync"] = (
            dg.MetadataValue.text("never synced")
            if hours is None
            else dg.MetadataValue.float(round(hours, 2))
        )
        passed = passed and hours is not None and hours <= STALE_HOURS
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


def _companies(known: Sequence[Standing]) -> Metadata:
    return {"companies": dg.MetadataValue.int(len(known))}
