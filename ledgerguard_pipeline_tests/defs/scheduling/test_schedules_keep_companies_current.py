"""One run per connected company and tick, never two for one tick, none that cannot help."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import dagster as dg
import pytest

from ledgerguard_pipeline.control.company_state.companies import Company
from ledgerguard_pipeline.defs.jobs import build_jobs
from ledgerguard_pipeline.defs.keys import REALM_TAG
from ledgerguard_pipeline.defs.partitions import REALM, current_cell
from ledgerguard_pipeline.defs.scheduling.schedules import build_schedules
from ledgerguard_pipeline.entities import ENTITIES
from ledgerguard_pipeline_tests.defs.conftest import FIRST, SECOND, company

TICK = datetime(2026, 6, 10, 12, 15, tzinfo=UTC)


def _tick(
    cells: dg.MultiPartitionsDefinition,
    instance: dg.DagsterInstance,
    companies: Sequence[Company],
    *,
    name: str = "changes_every_15_minutes",
    at: datetime = TICK,
    left_out: str | None = None,
) -> list[dg.RunRequest] | dg.SkipReason:
    schedules = build_schedules(
        build_jobs(ENTITIES), cells, lambda: companies, lambda _what: left_out
    )
    schedule = next(each for each in schedules if each.name == name)
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=at)
    evaluated = schedule(context)
    assert isinstance(evaluated, Iterator)
    yielded = list(evaluated)
    skips = [each for each in yielded if isinstance(each, dg.SkipReason)]
    if skips:
        assert len(yielded) == 1
        return skips[0]
    return [each for each in yielded if isinstance(each, dg.RunRequest)]


def _affordable(_what: str) -> None:
    """There is budget for everything."""


@pytest.mark.parametrize(
    "name,skipped",
    [
        ("changes_every_15_minutes", False),
        ("queried_entities_hourly", True),
        ("reconcile_nightly", True),
    ],
)
def test_near_the_end_of_the_call_budget_optional_ticks_are_skipped_and_changes_go_on(
    cells: dg.MultiPartitionsDefinition, persistent: dg.DagsterInstance, name: str, skipped: bool
) -> None:
    why = "What is left of the budget is kept for changes."
    asked = _tick(cells, persistent, [company()], name=name, left_out=why)
    if skipped:
        assert isinstance(asked, dg.SkipReason)
        assert asked.skip_message == why
    else:
        assert isinstance(asked, list)
        assert len(asked) == 1


def test_each_connected_company_gets_one_run_of_its_current_cell(
    cells: dg.MultiPartitionsDefinition, persistent: dg.DagsterInstance
) -> None:
    persistent.add_dynamic_partitions(REALM, [SECOND])
    requests = _tick(cells, persistent, [company(FIRST), company(SECOND)])
    assert isinstance(requests, list)
    assert {each.tags[REALM_TAG]: each.partition_key for each in requests} == {
        FIRST: current_cell(cells, FIRST),
        SECOND: current_cell(cells, SECOND),
    }


def test_evaluating_a_tick_again_asks_for_the_same_run_and_the_next_tick_for_another(
    cells: dg.MultiPartitionsDefinition, persistent: dg.DagsterInstance
) -> None:
    first = _tick(cells, persistent, [company()])
    again = _tick(cells, persistent, [company()])
    later = _tick(cells, persistent, [company()], at=TICK.replace(minute=30))
    assert isinstance(first, list)
    assert isinstance(again, list)
    assert isinstance(later, list)
    assert first[0].run_key == again[0].run_key
    assert first[0].run_key != later[0].run_key


def test_nothing_connected_is_a_skip_that_says_what_to_do(
    cells: dg.MultiPartitionsDefinition, persistent: dg.DagsterInstance
) -> None:
    skip = _tick(cells, persistent, [])
    assert isinstance(skip, dg.SkipReason)
    assert "ledgerguard connect" in str(skip.skip_message)


def test_a_company_without_partitions_is_left_to_its_first_load(
    cells: dg.MultiPartitionsDefinition, persistent: dg.DagsterInstance
) -> None:
    requests = _tick(cells, persistent, [company(FIRST), company(SECOND)])
    assert isinstance(requests, list)
    assert [each.tags[REALM_TAG] for each in requests] == [FIRST]


def test_a_company_whose_last_run_is_not_done_gets_no_second_one(
    cells: dg.MultiPartitionsDefinition, persistent: dg.DagsterInstance
) -> None:
    @dg.job(name="bronze_changes")
    def company_status() -> None: ...

    persistent.create_run_for_job(job_def=company_status, tags={REALM_TAG: FIRST})
    assert persistent.get_runs()[0].status is dg.DagsterRunStatus.NOT_STARTED
    skip = _tick(cells, persistent, [company(FIRST)])
    assert isinstance(skip, dg.SkipReason)
    assert FIRST in str(skip.skip_message)


@pytest.mark.parametrize(
    "name,cron,job",
    [
        ("changes_every_15_minutes", "*/15 * * * *", "bronze_changes"),
        ("queried_entities_hourly", "7 * * * *", "bronze_queried"),
        ("reconcile_nightly", "37 3 * * *", "quickbooks_reconcile"),
    ],
)
def test_the_schedules_run_by_themselves(
    cells: dg.MultiPartitionsDefinition, name: str, cron: str, job: str
) -> None:
    schedules = {s.name: s for s in build_schedules(build_jobs(ENTITIES), cells, list, _affordable)}
    assert schedules[name].cron_schedule == cron
    assert schedules[name].job_name == job
    assert schedules[name].default_status is dg.DefaultScheduleStatus.RUNNING


def test_together_the_schedules_cover_every_entity_once() -> None:
    jobs = build_jobs(ENTITIES)
    assert jobs.changes is not None
    assert jobs.queried is not None
    changing = {entity.name for entity in ENTITIES if entity.cdc}
    queried = {entity.name for entity in ENTITIES if not entity.cdc}
    assert changing | queried == {entity.name for entity in ENTITIES}
    assert queried == {
        "TimeActivity", "TaxCode", "TaxRate", "TaxAgency", "TaxClassification", "JournalCode"
    }  # fmt: skip
