"""Silver's checks and the journal run every night for each company, and cost nothing in vain."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import dagster as dg
import pytest

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.companies import Company
from ledgerguard_pipeline.defs.build import build_definitions
from ledgerguard_pipeline.defs.fleet.shards import SweepPolicy
from ledgerguard_pipeline.defs.keys import JOURNAL_JOB, REALM_TAG, SILVER_JOB
from ledgerguard_pipeline.defs.partitions import REALM
from ledgerguard_pipeline.defs.scheduling.schedules import build_nightly_schedules
from ledgerguard_pipeline.defs.silver.assets import build_silver_job
from ledgerguard_pipeline.defs.tieout.journal import build_journal_job
from ledgerguard_pipeline.entities import ENTITIES
from ledgerguard_pipeline_tests.defs.conftest import FIRST, SECOND, company

NIGHT = datetime(2026, 6, 10, 4, 53, tzinfo=UTC)
NAMES = ("silver_nightly", "journal_nightly")


def tick(
    instance: dg.DagsterInstance,
    name: str,
    companies: Sequence[Company],
    *,
    left_out: str | None = None,
    above: int = 20,
) -> list[dg.RunRequest] | dg.SkipReason:
    schedules = build_nightly_schedules(
        build_silver_job(ENTITIES),
        [build_journal_job()],
        lambda: companies,
        lambda _what: left_out,
        lambda: SweepPolicy(above=above),
    )
    (schedule,) = [each for each in schedules if each.name == name]
    evaluated = schedule(
        dg.build_schedule_context(instance=instance, scheduled_execution_time=NIGHT)
    )
    assert isinstance(evaluated, Iterator)
    yielded = list(evaluated)
    skips = [each for each in yielded if isinstance(each, dg.SkipReason)]
    return skips[0] if skips else [each for each in yielded if isinstance(each, dg.RunRequest)]


@pytest.fixture
def two(persistent: dg.DagsterInstance) -> dg.DagsterInstance:
    persistent.add_dynamic_partitions(REALM, [FIRST, SECOND])
    return persistent


@pytest.mark.parametrize("name", NAMES)
def test_each_company_gets_one_run_that_is_its_own(two: dg.DagsterInstance, name: str) -> None:
    asked = tick(two, name, [company(FIRST), company(SECOND)])
    assert not isinstance(asked, dg.SkipReason)
    assert [each.partition_key for each in asked] == [FIRST, SECOND]
    assert [each.tags[REALM_TAG] for each in asked] == [FIRST, SECOND]
    assert len({each.run_key for each in asked}) == 2


def test_the_journal_waits_where_the_budget_ends_and_silver_costs_no_calls(
    two: dg.DagsterInstance,
) -> None:
    why = "The rest is kept for changes."
    skipped = tick(two, "journal_nightly", [company(FIRST)], left_out=why)
    assert isinstance(skipped, dg.SkipReason)
    assert skipped.skip_message == why
    assert not isinstance(
        tick(two, "silver_nightly", [company(FIRST)], left_out=why), dg.SkipReason
    )


@pytest.mark.parametrize("name", NAMES)
def test_more_companies_than_get_runs_of_their_own_are_left_to_a_person(
    two: dg.DagsterInstance, name: str
) -> None:
    skipped = tick(two, name, [company(FIRST), company(SECOND)], above=1)
    assert isinstance(skipped, dg.SkipReason)
    assert skipped.skip_message == (
        "More than 1 companies are connected: start this job by hand for those that need it."
    )


def test_both_are_part_of_the_definitions_and_silver_only_where_it_is_kept() -> None:
    def found(settings: Settings) -> dict[str, str]:
        schedules = build_definitions(settings).schedules or ()
        return {
            each.name: each.job_name
            for each in schedules
            if isinstance(each, dg.ScheduleDefinition) and each.name in NAMES
        }

    assert found(Settings()) == {"silver_nightly": SILVER_JOB, "journal_nightly": JOURNAL_JOB}
    assert found(Settings(ledgerguard_silver="off")) == {"journal_nightly": JOURNAL_JOB}
