"""In a host project the settings of sweeps are those of its environment, read when something ticks."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
import time_machine

from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.dagster import QuickBooksBronze, quickbooks_definitions
from ledgerguard_pipeline.defs.keys import FLEET_JOB, SWEEP_TAG
from ledgerguard_pipeline_tests.defs.conftest import company
from ledgerguard_pipeline_tests.defs.guest.host_project import ENTITIES, REALMS

COMPANIES = [str(1000 + number) for number in range(3)]
NOON = datetime(2026, 11, 30, 13, 50, tzinfo=UTC)


@pytest.fixture
def instance(persistent: dg.DagsterInstance) -> dg.DagsterInstance:
    persistent.add_dynamic_partitions(REALMS, COMPANIES)
    return persistent


@pytest.fixture
def taken(tmp_path: Path) -> Iterator[dg.Definitions]:
    """The definitions of an installation with three companies; no setting of sweeps was read yet."""
    home = tmp_path / "books"
    with ControlPlane.open(load_settings(ledgerguard_home=home)) as control:
        for realm in COMPANIES:
            control.companies.put(company(realm))
    with time_machine.travel(NOON):
        yield quickbooks_definitions(
            QuickBooksBronze(home=str(home)), entities=ENTITIES, journal=True, attachments=True
        )


def noticed(taken: dg.Definitions, instance: dg.DagsterInstance) -> dg.SensorResult:
    """What the sensor that notices companies starts."""
    sensor = taken.get_repository_def().get_sensor_def("quickbooks_new_company")
    with dg.build_sensor_context(instance=instance) as context:
        found = sensor(context)
    assert isinstance(found, dg.SensorResult)
    return found


def scheduled(taken: dg.Definitions, instance: dg.DagsterInstance, name: str) -> int | str:
    """How many runs a schedule starts, or why none."""
    schedule = taken.get_repository_def().get_schedule_def(f"quickbooks_{name}")
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=NOON)
    evaluated = schedule(context)
    assert isinstance(evaluated, Iterator)
    found = list(evaluated)
    skips = [each.skip_message for each in found if isinstance(each, dg.SkipReason)]
    return str(skips[0]) if skips else len(found)


@pytest.mark.parametrize("name", ["journal_nightly", "reconcile_nightly", "silver_nightly"])
def test_so_many_companies_have_runs_of_their_own(
    taken: dg.Definitions, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert scheduled(taken, instance, name) == 3
    monkeypatch.setenv("LEDGERGUARD_SWEEP_ABOVE", "2")
    assert str(scheduled(taken, instance, name)).startswith("More than 2 companies")


def test_more_of_them_are_swept_in_shards_every_so_many_minutes(
    taken: dg.Definitions, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = noticed(taken, instance)
    assert len(own.run_requests or []) == 3
    assert {each.job_name for each in own.run_requests or []} == {"quickbooks_bronze_sync"}
    monkeypatch.setenv("LEDGERGUARD_SWEEP_ABOVE", "2")
    monkeypatch.setenv("LEDGERGUARD_SWEEP_SHARDS", "2")
    monkeypatch.setenv("LEDGERGUARD_SWEEP_MINUTES", "240")
    swept = noticed(taken, instance)
    assert {each.job_name for each in swept.run_requests or []} == {f"quickbooks_{FLEET_JOB}"}
    assert {each.tags[SWEEP_TAG].partition("of")[2] for each in swept.run_requests or []} == {"2"}
    cursor = json.loads(str(swept.cursor))
    assert cursor["sweep_changes"] == datetime(2026, 11, 30, 12, tzinfo=UTC).isoformat()
