"""A company connected anywhere appears in the grid and is loaded without anybody's doing."""

from collections.abc import Sequence
from datetime import timedelta

import dagster as dg
import pytest

from ledgerguard_pipeline.control.company_state.companies import Company
from ledgerguard_pipeline.defs.jobs import build_jobs
from ledgerguard_pipeline.defs.keys import REALM_TAG
from ledgerguard_pipeline.defs.partitions import current_cell
from ledgerguard_pipeline.defs.scheduling.new_company_sensor import build_new_company_sensor
from ledgerguard_pipeline.entities import ENTITIES
from ledgerguard_pipeline_tests.defs.conftest import CONNECTED_AT, FIRST, SECOND, company


def _tick(
    cells: dg.MultiPartitionsDefinition,
    instance: dg.DagsterInstance,
    companies: Sequence[Company],
    cursor: str | None = None,
) -> dg.SensorResult | dg.SkipReason:
    sensor = build_new_company_sensor(build_jobs(ENTITIES), cells, lambda: companies)
    result = sensor(dg.build_sensor_context(instance=instance, cursor=cursor))
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def _runs(result: dg.SensorResult | dg.SkipReason) -> list[dg.RunRequest]:
    assert isinstance(result, dg.SensorResult)
    return list(result.run_requests or [])


def test_a_new_company_becomes_a_partition_and_gets_its_first_load(
    cells: dg.MultiPartitionsDefinition, ephemeral: dg.DagsterInstance
) -> None:
    result = _tick(cells, ephemeral, [company(SECOND)])
    assert isinstance(result, dg.SensorResult)
    [addition] = result.dynamic_partitions_requests or []
    assert list(addition.partition_keys) == [SECOND]
    [run] = _runs(result)
    assert run.partition_key == current_cell(cells, SECOND)
    assert run.tags[REALM_TAG] == SECOND


def test_a_served_company_is_not_loaded_again(
    cells: dg.MultiPartitionsDefinition, ephemeral: dg.DagsterInstance
) -> None:
    first = _tick(cells, ephemeral, [company(FIRST)])
    assert isinstance(first, dg.SensorResult)
    again = _tick(cells, ephemeral, [company(FIRST)], first.cursor)
    assert isinstance(again, dg.SkipReason)


def test_a_company_connected_anew_is_loaded_under_a_new_run_key(
    cells: dg.MultiPartitionsDefinition, ephemeral: dg.DagsterInstance
) -> None:
    first = _tick(cells, ephemeral, [company(FIRST)])
    assert isinstance(first, dg.SensorResult)
    later = company(FIRST, connected_at=CONNECTED_AT + timedelta(days=90))
    again = _tick(cells, ephemeral, [later], first.cursor)
    assert _runs(first)[0].run_key != _runs(again)[0].run_key


@pytest.mark.parametrize("cursor", ["", "not json", "[1, 2]", '{"x": null}'])
def test_a_lost_or_damaged_cursor_asks_for_the_run_it_asked_for_before(
    cells: dg.MultiPartitionsDefinition, ephemeral: dg.DagsterInstance, cursor: str
) -> None:
    before = _runs(_tick(cells, ephemeral, [company(FIRST)]))
    after = _runs(_tick(cells, ephemeral, [company(FIRST)], cursor))
    assert [run.run_key for run in before] == [run.run_key for run in after]


def test_a_partition_that_was_deleted_by_hand_comes_back(
    cells: dg.MultiPartitionsDefinition, ephemeral: dg.DagsterInstance
) -> None:
    served = _tick(cells, ephemeral, [company(SECOND)])
    assert isinstance(served, dg.SensorResult)
    again = _tick(cells, ephemeral, [company(SECOND)], served.cursor)
    assert isinstance(again, dg.SensorResult)
    assert again.dynamic_partitions_requests
    assert not again.run_requests


def test_nothing_connected_is_a_skip(
    cells: dg.MultiPartitionsDefinition, ephemeral: dg.DagsterInstance
) -> None:
    assert isinstance(_tick(cells, ephemeral, []), dg.SkipReason)
