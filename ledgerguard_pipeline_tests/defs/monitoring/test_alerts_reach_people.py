"""The two alert sensors on a real instance: what fails or turns ill reaches a real channel."""

import json

import dagster as dg
import pytest

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.defs.build import build_definitions
from ledgerguard_pipeline.defs.keys import REALM_TAG
from ledgerguard_pipeline.defs.run_tags import company_of
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.alerts.channels.receivers import Inbox
from ledgerguard_pipeline_tests.defs.conftest import FIRST, plain_settings
from ledgerguard_pipeline_tests.defs.monitoring.alert_daemon import *  # noqa: F403  # fixtures
from ledgerguard_pipeline_tests.defs.monitoring.alert_daemon import (
    Daemon,
    bronze_changes,
    reconcile,
)


def test_a_failed_run_reaches_the_channel_with_reason_company_and_link(daemon: Daemon) -> None:
    run_id = daemon.run(bronze_changes, fails="yes", **{REALM_TAG: FIRST})
    assert daemon.heard() == [], "the failure sensor only notes"
    assert daemon.tick() == "webhook: 1 sent"
    (reported,) = daemon.heard()
    text = str(reported["text"])
    assert reported["title"] == f"Craig's Design (company {FIRST}) is degraded"
    assert "bronze_changes" in text
    assert "Customer was refused" in text
    assert f"https://dagster.example.com/runs/{run_id}" in text
    assert f"https://books.example.com/companies/{FIRST}" in text
    assert "docs/runbook.md#run_failed" in text


def test_it_is_sent_once_until_a_later_run_of_that_job_succeeds(daemon: Daemon) -> None:
    of_first = {REALM_TAG: FIRST}
    for _ in range(3):
        daemon.run(bronze_changes, fails="yes", **of_first)
        daemon.tick()
    assert [each["kind"] for each in daemon.heard()] == ["problem"]
    daemon.run(reconcile, **of_first)
    daemon.run(bronze_changes, **{REALM_TAG: "9341453474484456"})
    assert daemon.tick() == "Nothing changed."
    daemon.run(bronze_changes, **of_first)
    daemon.tick()
    assert [each["kind"] for each in daemon.heard()] == ["recovered"]
    assert daemon.tick() == "Nothing changed."


def test_a_run_of_no_company_concerns_the_installation(daemon: Daemon) -> None:
    daemon.run(reconcile, fails="library")
    daemon.tick()
    (reported,) = daemon.heard()
    assert reported["title"] == "This installation is degraded"
    assert "RuntimeError" in str(reported["text"])
    assert "c4nary" not in json.dumps(reported)


def test_a_run_that_dagster_starts_again_does_not_alert(daemon: Daemon) -> None:
    daemon.run(bronze_changes, fails="yes", **{REALM_TAG: FIRST, "dagster/will_retry": "true"})
    assert daemon.tick() == "Nothing changed."


def test_a_company_that_falls_ill_is_reported_and_its_recovery_too(
    daemon: Daemon, control: ControlPlane
) -> None:
    assert daemon.tick() == "Nothing changed."
    control.companies.set_status(
        RealmId(FIRST), ConnectionStatus.NEEDS_REAUTH, "Intuit ended it. Do."
    )
    for _ in range(3):
        daemon.tick()
    control.companies.set_status(RealmId(FIRST), ConnectionStatus.CONNECTED)
    for _ in range(3):
        daemon.tick()
    first, second = daemon.heard()
    assert (first["kind"], second["kind"]) == ("problem", "recovered")
    assert "docs/runbook.md#needs_reauth" in str(first["text"])


def test_a_dead_channel_fails_no_tick(daemon: Daemon, control: ControlPlane, inbox: Inbox) -> None:
    inbox.status = 500
    control.companies.set_status(RealmId(FIRST), ConnectionStatus.NEEDS_REAUTH)
    assert (
        daemon.tick()
        == "webhook: LEDGERGUARD_ALERT_WEBHOOK_URL answered 500; it will be tried again."
    )


def test_without_a_channel_nothing_is_noted(
    control: ControlPlane, settings: Settings, inbox: Inbox, ephemeral: dg.DagsterInstance
) -> None:
    silent = settings.model_copy(update={"ledgerguard_alert_webhook_url": None})
    daemon = Daemon(control, silent, inbox, ephemeral)
    daemon.run(bronze_changes, fails="yes", **{REALM_TAG: FIRST})
    assert "LEDGERGUARD_ALERT_WEBHOOK_URL" in daemon.tick()
    assert control.alerts.alert_states() == {}


@pytest.mark.parametrize(
    "tags,realm",
    [
        ({REALM_TAG: FIRST}, FIRST),
        ({"dagster/partition/realm": FIRST}, FIRST),
        ({"dagster/asset_partition_range_start": f"{FIRST}|2026-10-01"}, FIRST),
        ({}, ""),
    ],
)
def test_the_company_of_a_run_is_found_however_it_was_launched(
    tags: dict[str, str], realm: str
) -> None:
    assert (company_of(tags) or "") == realm


def test_both_sensors_run_by_themselves_and_often_enough() -> None:
    sensors = {each.name: each for each in build_definitions(plain_settings()).sensors or ()}
    for name in ("failed_runs", "company_alerts"):
        sensor = sensors[name]
        assert isinstance(sensor, dg.SensorDefinition)
        assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
        assert 30 <= (sensor.minimum_interval_seconds or 0) <= 60
