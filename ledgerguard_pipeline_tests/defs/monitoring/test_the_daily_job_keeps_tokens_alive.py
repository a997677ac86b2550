"""The keep-alive run reports every company and turns red only for what is new."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from ledgerguard_pipeline.auth.keepalive_result import KeepAliveOutcome, KeepAliveResult
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.storage.schema import refresh_attempts
from ledgerguard_pipeline.control.tokens.sql_store import Tokens
from ledgerguard_pipeline.defs.build import build_definitions
from ledgerguard_pipeline.defs.keys import KEEP_ALIVE_JOB, connection_key
from ledgerguard_pipeline.defs.monitoring.token_keepalive import (
    build_keep_alive_job,
    build_keep_alive_schedule,
)
from ledgerguard_pipeline.errors import ConfigurationError
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.defs.conftest import FIRST, SECOND, plain_settings

ENDS = datetime(2027, 3, 2, tzinfo=UTC)


def _result(realm_id: str, outcome: KeepAliveOutcome, detail: str | None = None) -> KeepAliveResult:
    return KeepAliveResult(
        RealmId(realm_id), f"Company {realm_id[-2:]}", outcome, ENDS, None, detail
    )


def _run(outcomes: Sequence[KeepAliveResult]) -> tuple[bool, dict[str, str], str]:
    """Whether it was green, the observed metadata as text, and what a failure said."""
    with dg.DagsterInstance.ephemeral() as instance:
        job = build_keep_alive_job(lambda _: outcomes)
        result = job.execute_in_process(instance=instance, raise_on_error=False)
        (entry,) = instance.fetch_observations(connection_key(), limit=5).records
        observed = entry.asset_observation
        assert observed is not None
        failure = ""
        for event in result.all_events:
            if event.is_step_failure:
                user = event.step_failure_data.user_failure_data
                assert user is not None
                failure = str(user.description)
        reported = {name: str(value.value) for name, value in observed.metadata.items()}
        return result.success, reported, failure


def test_every_company_has_its_outcome_in_the_metadata() -> None:
    green, reported, _ = _run(
        [_result(FIRST, KeepAliveOutcome.RENEWED), _result(SECOND, KeepAliveOutcome.IN_USE)]
    )
    assert green
    assert reported[f"{FIRST}: Company 55"] == "renewed; refresh token ends 2027-03-02"
    assert reported[f"{SECOND}: Company 56"].startswith("in use")
    assert (reported["companies"], reported["renewed"], reported["died"]) == ("2", "1", "0")


@pytest.mark.parametrize("outcome", [KeepAliveOutcome.DIED, KeepAliveOutcome.FAILED])
def test_a_failure_of_one_is_red_and_names_it_after_all_were_tried(
    outcome: KeepAliveOutcome,
) -> None:
    bad = _result(SECOND, outcome, "Connect it again.")
    green, reported, failure = _run([bad, _result(FIRST, KeepAliveOutcome.RENEWED)])
    assert not green
    assert SECOND in failure
    assert "Connect it again." in failure
    assert FIRST not in failure
    assert reported[f"{FIRST}: Company 55"].startswith("renewed")


def test_what_was_reported_before_is_not_repeated() -> None:
    green, reported, _ = _run(
        [_result(FIRST, KeepAliveOutcome.NEEDS_CONSENT), _result(SECOND, KeepAliveOutcome.REVIVED)]
    )
    assert green
    assert reported[f"{FIRST}: Company 55"].startswith("needs a new consent")


def test_missing_credentials_are_one_sentence() -> None:
    def outcome(_: int) -> Sequence[KeepAliveResult]:
        raise ConfigurationError("INTUIT_CLIENT_ID is not set.")

    with dg.DagsterInstance.ephemeral() as instance:
        result = build_keep_alive_job(outcome).execute_in_process(
            instance=instance, raise_on_error=False
        )
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    user = failed.step_failure_data.user_failure_data
    assert user is not None
    assert user.description == "INTUIT_CLIENT_ID is not set."


def test_it_runs_daily_by_itself() -> None:
    definitions = build_definitions(plain_settings())
    schedules = [
        each for each in definitions.schedules or () if isinstance(each, dg.ScheduleDefinition)
    ]
    (schedule,) = [each for each in schedules if each.job_name == KEEP_ALIVE_JOB]
    assert schedule.cron_schedule == "23 * * * *"
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


Starts = Callable[[datetime], bool]
"""Whether the schedule starts a run at this time."""


def _starts(schedule: dg.ScheduleDefinition, instance: dg.DagsterInstance) -> Starts:
    def starts(at: datetime) -> bool:
        context = dg.build_schedule_context(instance, scheduled_execution_time=at)
        return bool(schedule.evaluate_tick(context).run_requests)

    return starts


def _time(day: int, hour: int) -> datetime:
    return datetime(2026, 11, day, hour, 23, tzinfo=UTC)


@pytest.mark.parametrize("refused", [False, True])
def test_idle_companies_are_looked_at_daily_and_refused_grants_hourly(
    persistent: dg.DagsterInstance, refused: bool
) -> None:
    job = build_keep_alive_job(lambda _: [])
    starts = _starts(build_keep_alive_schedule(job, lambda: refused), persistent)
    job.execute_in_process(instance=persistent)
    hours = [hour for hour in range(24) if starts(_time(2, hour))]
    assert hours == (list(range(24)) if refused else [4])


def test_a_machine_that_is_off_at_that_time_looks_at_idle_companies_later(
    persistent: dg.DagsterInstance,
) -> None:
    """Of the ticks that it missed Dagster looks at the last only."""
    job = build_keep_alive_job(lambda _: [])
    starts = _starts(build_keep_alive_schedule(job, lambda: False), persistent)
    earlier = datetime.now(UTC).replace(minute=23, second=0, microsecond=0) - timedelta(hours=1)
    daily = earlier.replace(hour=4) - timedelta(days=earlier.hour < 4)
    assert starts(daily + timedelta(hours=1)), "never yet"
    job.execute_in_process(instance=persistent)
    assert starts(daily)
    assert not starts(daily + timedelta(hours=1))
    assert not starts(daily + timedelta(hours=23))
    assert starts(daily + timedelta(hours=49)), "not since the last time of the day"


def test_only_a_grant_that_is_to_be_asked_about_starts_a_run(
    connected: Installation, persistent: dg.DagsterInstance
) -> None:
    (company,) = connected.control.companies.list()
    tokens = connected.control.tokens.load(company.realm_id)
    assert tokens is not None
    definitions = build_definitions(connected.settings)
    definitions.resolve_job_def(KEEP_ALIVE_JOB).execute_in_process(instance=persistent)
    starts = _starts(definitions.resolve_schedule_def("token_keep_alive_daily"), persistent)
    assert not starts(_time(2, 11))
    connected.control.tokens.note_attempt(company.realm_id, tokens)
    connected.control.companies.set_status(company.realm_id, ConnectionStatus.NEEDS_REAUTH, "gone")
    assert not starts(_time(2, 11)), "refused only just now"
    with connected.control.database.write("test") as connection:
        earlier = connected.control.now() - timedelta(hours=1)
        connection.execute(refresh_attempts.update().values(started_at=earlier))
    assert starts(_time(2, 11))


def test_the_real_job_refreshes_an_idle_company_and_leaves_one_in_use_alone(
    connected: Installation, sandbox: SandboxServer
) -> None:
    job = build_definitions(connected.settings).resolve_job_def(KEEP_ALIVE_JOB)
    control, realm = connected.control, RealmId(sandbox.realm_id)

    def run() -> None:
        with dg.DagsterInstance.ephemeral() as instance:
            assert job.execute_in_process(instance=instance).success

    run()
    fresh = control.tokens.load(realm)
    assert fresh is not None
    assert fresh.version == 1
    idle = Tokens(
        fresh.access_token,
        fresh.refresh_token,
        control.now() - timedelta(days=8),
        fresh.refresh_expires_at,
        fresh.hard_expires_at,
    )
    control.tokens.replace(realm, idle, fresh.version)
    run()
    renewed = control.tokens.load(realm)
    assert renewed is not None
    assert renewed.version == 3
    assert renewed.access_expires_at > control.now()
