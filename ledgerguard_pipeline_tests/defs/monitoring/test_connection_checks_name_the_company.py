"""One healthy company never hides a sick one, and no check calls Intuit."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus

from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.tokens.sql_store import TokenLife
from ledgerguard_pipeline.defs.keys import connection_key
from ledgerguard_pipeline.defs.monitoring.check_sensor import correct_connections
from ledgerguard_pipeline.defs.monitoring.health_checks import (
    build_connection_asset,
    build_health_checks,
)
from ledgerguard_pipeline.defs.monitoring.health_metadata import (
    BUDGET,
    HEALTH,
    LAG,
    RECENT,
    SHOWN,
    TOKEN_LIFE,
)
from ledgerguard_pipeline.health.company_status import CompanyStatus, MonthlyCalls
from ledgerguard_pipeline.health.rules import EntityFacts, HealthState, SyncFacts, judge
from ledgerguard_pipeline_tests.defs.conftest import FIRST, SECOND, company
from ledgerguard_pipeline_tests.defs.runs import by_company

CALLS = MonthlyCalls(10, 1_000, 30, all_companies=20, all_forecast=60)


def _company_status(
    realm_id: str = FIRST,
    *,
    status: ConnectionStatus = ConnectionStatus.CONNECTED,
    days: float = 100,
    synced: timedelta | None = timedelta(minutes=5),
    calls: MonthlyCalls = CALLS,
    facts: SyncFacts | None = None,
) -> CompanyStatus:
    now = datetime.now(UTC)
    life = TokenLife(now + timedelta(hours=1), now + timedelta(days=days), None, "key")
    last = None if synced is None else now - synced
    known = replace(
        facts or SyncFacts(),
        entities=(EntityFacts("Invoice", last, 900.0), EntityFacts("TaxCode", last, 3_600.0)),
        monthly_budget=calls.budget,
        all_calls_this_month=calls.all_companies,
    )
    owner = company(realm_id, status=status)
    return CompanyStatus(owner, life, known, judge(owner, life, known, now), (), calls)


def _shown(instance: dg.DagsterInstance) -> dict[str, bool | None]:
    """By check whether its last evaluation passed; None where nobody evaluated it."""
    keys = [
        dg.AssetCheckKey(connection_key(), name)
        for name in (HEALTH, TOKEN_LIFE, RECENT, LAG, BUDGET)
    ]
    last = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    return {
        key.name: None
        if (record := last.get(key)) is None
        else record.status is AssetCheckExecutionRecordStatus.SUCCEEDED
        for key in keys
    }


def test_what_dagster_shows_follows_within_a_tick_of_the_sensor() -> None:
    """Not at the next hour: what the page and `ledgerguard status` say, Dagster says too."""
    well = dict.fromkeys((HEALTH, TOKEN_LIFE, RECENT, LAG, BUDGET), True)
    revoked = _company_status(status=ConnectionStatus.NEEDS_REAUTH)
    with dg.DagsterInstance.ephemeral() as instance:
        assert correct_connections(instance, []) == []
        loading = _company_status(synced=None, facts=SyncFacts(syncing=True))
        assert loading.health.state is HealthState.LOADING
        assert correct_connections(instance, [loading, _company_status(SECOND)]) == []
        assert set(_shown(instance).values()) == {None}, "a first load is neither"

        assert len(correct_connections(instance, [_company_status()])) == len(well)
        assert _shown(instance) == well
        assert correct_connections(instance, [_company_status()]) == [], "nothing is repeated"

        assert f"connection {HEALTH}" in correct_connections(instance, [revoked])
        assert _shown(instance)[HEALTH] is False
        tables = instance.fetch_observations(connection_key(), limit=10).records
        assert len(tables) == 2, "each time the companies by name"

        correct_connections(instance, [_company_status()])
        assert _shown(instance) == well


def _check(statuses: Sequence[CompanyStatus], *only: str) -> dict[str, dg.AssetCheckEvaluation]:
    checks = build_health_checks(lambda: statuses)
    wanted = [dg.AssetCheckKey(connection_key(), name) for name in only]
    selection = dg.AssetSelection.checks(*wanted) if wanted else dg.AssetSelection.checks(checks)
    with dg.DagsterInstance.ephemeral() as instance:
        job = dg.Definitions(
            assets=[build_connection_asset()],
            asset_checks=[checks],
            jobs=[dg.define_asset_job("health", selection=selection)],
        ).resolve_job_def("health")
        result = job.execute_in_process(instance=instance)
        return {each.check_name: each for each in result.get_asset_check_evaluations()}


def test_healthy_companies_pass_every_check() -> None:
    evaluations = _check([_company_status(FIRST), _company_status(SECOND)])
    assert {name: each.passed for name, each in evaluations.items()} == {
        HEALTH: True, TOKEN_LIFE: True, RECENT: True, LAG: True, BUDGET: True,
    }  # fmt: skip


def test_one_dead_connection_among_healthy_ones_is_an_error_that_names_it() -> None:
    dead = _company_status(SECOND, status=ConnectionStatus.NEEDS_REAUTH)
    health = _check([_company_status(FIRST), dead])[HEALTH]
    assert not health.passed
    assert health.severity is dg.AssetCheckSeverity.ERROR
    rows = by_company(health.metadata, "table")
    assert rows[FIRST]["health"] == "healthy"
    assert str(rows[SECOND]["health"]).startswith("unhealthy")
    assert next(iter(rows)) == SECOND, "who fails comes first"
    assert health.description == f"1 of 2 companies: Craig's Design ({SECOND})."


def test_a_refresh_token_about_to_end_is_a_warning_in_days() -> None:
    life = _check([_company_status(days=5)])[TOKEN_LIFE]
    assert not life.passed
    assert life.severity is dg.AssetCheckSeverity.WARN
    assert by_company(life.metadata, "table")[FIRST]["days left"] == 5.0


def test_a_company_nobody_synced_for_hours_is_stale() -> None:
    recent = _check([_company_status(FIRST), _company_status(SECOND, synced=timedelta(hours=3))])[
        RECENT
    ]
    assert not recent.passed
    rows = by_company(recent.metadata, "table")
    assert rows[SECOND]["hours since sync"] == 3.0
    assert rows[SECOND]["late entities"] == "Invoice, TaxCode"
    assert rows[FIRST]["late entities"] == "none"


def test_each_type_is_measured_by_its_own_schedule() -> None:
    recent = _check([_company_status(synced=timedelta(minutes=45))])[RECENT]
    assert not recent.passed
    assert by_company(recent.metadata, "table")[FIRST]["late entities"] == "Invoice"


def test_a_company_that_was_never_synced_is_stale() -> None:
    recent = _check([_company_status(synced=None)])[RECENT]
    assert not recent.passed
    assert by_company(recent.metadata, "table")[FIRST]["hours since sync"] == "never synced"


@pytest.mark.parametrize("late", [{"webhook_age_seconds": 301.0}, {"parked_events": 1}])
def test_webhook_events_that_wait_or_are_parked_are_a_warning(late: dict[str, float]) -> None:
    behind = _company_status(SECOND, facts=replace(SyncFacts(), **late))  # type: ignore[arg-type]  # as named
    lag = _check([_company_status(FIRST), behind])[LAG]
    assert not lag.passed
    assert lag.severity is dg.AssetCheckSeverity.WARN
    assert by_company(lag.metadata, "table")[FIRST]["parked events"] == 0


def test_events_that_wait_for_a_new_consent_are_no_lag() -> None:
    waiting = replace(SyncFacts(), webhook_age_seconds=301.0)
    lost = _company_status(SECOND, status=ConnectionStatus.NEEDS_REAUTH, facts=waiting)
    assert _check([_company_status(FIRST), lost])[LAG].passed


@pytest.mark.parametrize(
    "used,passed,severity",
    [
        (799, True, dg.AssetCheckSeverity.WARN),
        (800, False, dg.AssetCheckSeverity.WARN),
        (950, False, dg.AssetCheckSeverity.ERROR),
    ],
)
def test_the_budget_of_all_companies_is_weighed_together(
    used: int, passed: bool, severity: dg.AssetCheckSeverity
) -> None:
    calls = replace(CALLS, all_companies=used)
    budget = _check([_company_status(FIRST, calls=calls), _company_status(SECOND, calls=calls)])[
        BUDGET
    ]
    assert (budget.passed, budget.severity) == (passed, severity)
    assert budget.metadata["percent used"].value == used / 10
    assert by_company(budget.metadata, "table")[SECOND]["metered calls this month"] == 10


def test_a_spent_quota_is_an_error_that_names_the_company() -> None:
    spent = _company_status(SECOND, facts=SyncFacts(quota_resumes_at=datetime.now(UTC)))
    budget = _check([_company_status(FIRST), spent])[BUDGET]
    assert (budget.passed, budget.severity) == (False, dg.AssetCheckSeverity.ERROR)
    rows = by_company(budget.metadata, "table")
    assert (rows[SECOND]["quota"], rows[FIRST]["quota"]) == ("used up at Intuit", None)


def test_each_check_can_run_alone() -> None:
    assert set(_check([_company_status()], TOKEN_LIFE)) == {TOKEN_LIFE}


def test_no_company_at_all_is_no_failure() -> None:
    assert [each.passed for each in _check([]).values()] == [True] * 5


def test_among_many_companies_those_that_fail_are_named() -> None:
    many = [_company_status(f"{9_341_453_474_480_000 + number}") for number in range(SHOWN + 10)]
    dead = _company_status(SECOND, status=ConnectionStatus.NEEDS_REAUTH)
    evaluations = _check([*many, dead])
    assert set(by_company(evaluations[HEALTH].metadata, "table")) == {SECOND}
    assert evaluations[HEALTH].metadata["companies that fail"].value == 1
    assert evaluations[HEALTH].metadata["companies"].value == SHOWN + 11
    assert "table" not in evaluations[BUDGET].metadata
