"""Dagster's daemon and a channel, for tests of the two alert sensors."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from pydantic import SecretStr

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.tokens.sql_store import Tokens
from ledgerguard_pipeline.defs.fleet.job import SweepSummary
from ledgerguard_pipeline.defs.fleet.shards import Shard, SweepTask
from ledgerguard_pipeline.defs.monitoring.alert_sensors import build_alert_sensors
from ledgerguard_pipeline.errors import AccessDenied
from ledgerguard_pipeline.ingestion.fleet import Ending, Visit
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.alerts.channels.receivers import Inbox, http_receiver
from ledgerguard_pipeline_tests.defs.conftest import FIRST, company, plain_settings

__all__ = ["control", "daemon", "inbox", "overrides", "settings"]


@dg.op
def read_books(context: dg.OpExecutionContext) -> None:
    if context.run.tags.get("fails") == "yes":
        raise dg.Failure("Customer was refused (realm 9341453474484455).")
    if context.run.tags.get("fails") == "companies":
        summary = SweepSummary()
        for realm in context.run.tags["companies"].split(","):
            error = AccessDenied("It may not be read.", realm_id=realm)
            summary.add(Visit(RealmId(realm), Ending.FAILED, error=error))
        raise summary.failure(Shard(SweepTask.EVENTS, 0, 1))
    if context.run.tags.get("fails") == "library":
        raise RuntimeError("password=c4nary")


@dg.job
def bronze_changes() -> None:
    read_books()


@dg.job
def bronze_sync() -> None:
    read_books()


@dg.job
def bronze_webhooks() -> None:
    read_books()


@dg.job
def fleet_sweep() -> None:
    read_books()


@dg.job
def reconcile() -> None:
    read_books()


SCHEDULED = dg.Definitions(
    schedules=[
        dg.ScheduleDefinition(job=job, cron_schedule="0 0 * * *")
        for job in (bronze_changes, reconcile)
    ]
)


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with http_receiver() as opened:
        yield opened


@pytest.fixture
def overrides() -> dict[str, object]:
    """Settings of a test of its own."""
    return {}


@pytest.fixture
def settings(tmp_path: Path, inbox: Inbox, overrides: dict[str, object]) -> Settings:
    return plain_settings(
        ledgerguard_home=tmp_path / "home",
        ledgerguard_alert_webhook_url=SecretStr(inbox.url),
        ledgerguard_dagster_url="https://dagster.example.com",
        ledgerguard_public_url="https://books.example.com",
        **overrides,
    )


@pytest.fixture
def control(settings: Settings) -> Iterator[ControlPlane]:
    with ControlPlane.open(settings) as plane:
        plane.companies.put(company(FIRST))
        now = plane.now()
        plane.tokens.replace(
            RealmId(FIRST),
            Tokens(
                SecretStr("access"), SecretStr("refresh"), now + timedelta(hours=1),
                now + timedelta(days=99), None, 0,
            ),
            None,
        )  # fmt: skip
        yield plane


Reported = list[dict[str, object]]


class Daemon:
    """Evaluates both sensors as Dagster's daemon does."""

    def __init__(
        self, control: ControlPlane, settings: Settings, inbox: Inbox, instance: dg.DagsterInstance
    ) -> None:
        self._inbox = inbox
        self._instance = instance

        @contextmanager
        def opened() -> Iterator[ControlPlane]:
            yield control

        self.failed_runs, self.company_alerts = build_alert_sensors(opened, lambda: settings)

    def run(self, job: dg.JobDefinition, **tags: str) -> str:
        """Run a job; a failure is handed to the failure sensor."""
        result = job.execute_in_process(instance=self._instance, raise_on_error=False, tags=tags)
        failures = [each for each in result.all_events if each.is_run_failure]
        for failure in failures:
            context = dg.build_run_status_sensor_context(
                sensor_name="failed_runs",
                dagster_instance=self._instance,
                dagster_run=result.dagster_run,
                dagster_event=failure,
            ).for_run_failure()
            with context:
                self.failed_runs(context)
        return result.run_id

    def tick(self) -> str:
        with dg.build_sensor_context(instance=self._instance, definitions=SCHEDULED) as context:
            skipped = self.company_alerts(context)
        assert isinstance(skipped, dg.SkipReason)
        return str(skipped.skip_message)

    def heard(self) -> Reported:
        """What arrived since the last look."""
        posts = [json.loads(post.body) for post in self._inbox.posts]
        self._inbox.posts.clear()
        return posts


@pytest.fixture
def daemon(
    control: ControlPlane, settings: Settings, inbox: Inbox, ephemeral: dg.DagsterInstance
) -> Daemon:
    return Daemon(control, settings, inbox, ephemeral)
