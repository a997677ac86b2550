"""What somebody pressed on the company page becomes one run."""

from collections.abc import Sequence
from contextlib import nullcontext

import dagster as dg

from ledgerguard_pipeline.control.company_state.companies import Company
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.defs.jobs import build_jobs
from ledgerguard_pipeline.defs.keys import REALM_TAG, TRIGGER_TAG
from ledgerguard_pipeline.defs.scheduling.sync_request_sensor import build_sync_request_sensor
from ledgerguard_pipeline.entities import ENTITIES
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.defs.conftest import FIRST, SECOND, company


def _tick(
    cells: dg.MultiPartitionsDefinition,
    instance: dg.DagsterInstance,
    plane: ControlPlane,
    connected: Sequence[Company],
    cursor: str | None = None,
) -> dg.SensorResult | dg.SkipReason:
    sensor = build_sync_request_sensor(
        build_jobs(ENTITIES), cells, ENTITIES, lambda: connected, lambda: nullcontext(plane)
    )
    result = sensor(dg.build_sensor_context(instance=instance, cursor=cursor))
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def test_a_request_is_one_run_of_what_was_asked_for(
    cells: dg.MultiPartitionsDefinition, ephemeral: dg.DagsterInstance, installation: Installation
) -> None:
    plane, connected = installation.control, [company(FIRST)]
    assert isinstance(_tick(cells, ephemeral, plane, connected), dg.SkipReason)
    plane.sync_requests.ask(RealmId(FIRST), "Invoice")
    plane.sync_requests.ask(RealmId(SECOND))

    result = _tick(cells, ephemeral, plane, connected)

    assert isinstance(result, dg.SensorResult)
    (run,) = result.run_requests or []
    assert (run.tags[REALM_TAG], run.tags[TRIGGER_TAG]) == (FIRST, "company page")
    assert run.asset_selection == [dg.AssetKey(["qbo", "bronze", "invoice"])]
    again = _tick(cells, ephemeral, plane, connected, result.cursor)
    assert isinstance(again, dg.SkipReason), "and SECOND, which may not be called, is let go"
    lost = _tick(cells, ephemeral, plane, connected)
    assert isinstance(lost, dg.SensorResult)
    assert [each.run_key for each in lost.run_requests or []] == [run.run_key]


def test_requests_for_one_company_keep_a_pause(installation: Installation) -> None:
    plane = installation.control
    assert plane.sync_requests.ask(RealmId(FIRST)) == 0
    assert 0 < plane.sync_requests.ask(RealmId(FIRST), "Bill") <= 30
    assert plane.sync_requests.ask(RealmId(SECOND)) == 0
    assert {each.entity for each in plane.sync_requests.read().values()} == {""}
