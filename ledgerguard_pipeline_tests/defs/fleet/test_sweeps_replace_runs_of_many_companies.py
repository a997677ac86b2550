"""With many companies the number of runs and events stays small, and nothing else changes."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial

import dagster as dg
import pytest

from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.webhook_queue.queue import LEASE_SECONDS
from ledgerguard_pipeline.defs.build import build_definitions
from ledgerguard_pipeline.defs.fleet.due_sweeps import SweepTimes
from ledgerguard_pipeline.defs.fleet.shards import OWN_RUNS, Shard, SweepPolicy, SweepTask, shard_of
from ledgerguard_pipeline.defs.jobs import build_jobs
from ledgerguard_pipeline.defs.keys import (
    BATCH_TAG,
    FLEET_JOB,
    LATE_TAG,
    REALM_TAG,
    SWEEP_TAG,
    TRIGGER_TAG,
    WEBHOOK_JOB,
)
from ledgerguard_pipeline.defs.partitions import REALM
from ledgerguard_pipeline.defs.scheduling.new_company_sensor import (
    KEYS_AT_ONCE,
    add_requests,
    build_new_company_sensor,
)
from ledgerguard_pipeline.defs.scheduling.schedules import build_schedules
from ledgerguard_pipeline.defs.scheduling.webhook_sensor import TRIGGER, build_webhook_sensors
from ledgerguard_pipeline.entities import ENTITIES, entity_types
from ledgerguard_pipeline.sandbox.serve.server_process import FIRST_REALM
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import delivery, event
from ledgerguard_pipeline_tests.defs.conftest import company, plain_settings

TICK = datetime(2026, 6, 10, 12, 15, tzinfo=UTC)
REALMS = [str(FIRST_REALM + index) for index in range(30)]
POLICY = partial(SweepPolicy, above=4, shards=2)
COMPANIES = [company(realm) for realm in REALMS]


def free(_: str) -> str | None:
    return None


def swept(
    cells: dg.MultiPartitionsDefinition,
    instance: dg.DagsterInstance,
    companies: Sequence[Company] = COMPANIES,
    *,
    after: timedelta = timedelta(minutes=15),
    left_out: str | None = None,
) -> list[dg.RunRequest]:
    """What the sensor asks for when so much time has passed since its last look."""
    clock, cursor = FakeClock(TICK), None
    found: list[dg.RunRequest] = []
    sweeps = SweepTimes(ENTITIES, POLICY, lambda _: left_out)
    jobs = build_jobs(ENTITIES)
    sensor = build_new_company_sensor(jobs, cells, lambda: companies, POLICY, sweeps, clock)
    for _ in range(2):
        with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
            result = sensor(context)
        found = []
        if isinstance(result, dg.SensorResult):
            cursor = result.cursor
            instance.add_dynamic_partitions(REALM, [each.realm_id for each in companies])
            found = list(result.run_requests or [])
        clock.advance(after.total_seconds())
    return found


def own(
    cells: dg.MultiPartitionsDefinition, instance: dg.DagsterInstance, name: str
) -> list[dg.RunRequest] | str:
    """One tick of a schedule of runs per company."""
    schedules = build_schedules(build_jobs(ENTITIES), cells, lambda: COMPANIES, free, POLICY)
    return _evaluated(next(each for each in schedules if each.name == name), instance)


def _evaluated(
    schedule: dg.ScheduleDefinition, instance: dg.DagsterInstance
) -> list[dg.RunRequest] | str:
    context = dg.build_schedule_context(instance=instance, scheduled_execution_time=TICK)
    evaluated = schedule(context)
    assert isinstance(evaluated, Iterator)
    yielded = list(evaluated)
    skips = [each for each in yielded if isinstance(each, dg.SkipReason)]
    if skips:
        assert len(yielded) == 1
        return str(skips[0].skip_message)
    return [each for each in yielded if isinstance(each, dg.RunRequest)]


def stored(
    instance: dg.DagsterInstance, tags: dict[str, str], status: dg.DagsterRunStatus
) -> dg.DagsterRun:
    """A run of the fleet job as it stands in the instance."""
    return instance.create_run(
        job_name=FLEET_JOB, run_id=None, run_config=None, status=status, tags=tags,
        step_keys_to_execute=None, execution_plan_snapshot=None, job_snapshot=None,
        parent_job_snapshot=None, root_run_id=None, parent_run_id=None, remote_job_origin=None,
        job_code_origin=None, asset_selection=None, asset_check_selection=None,
        resolved_op_selection=None, op_selection=None, asset_graph=None,  # type: ignore[arg-type]
    )  # fmt: skip


def test_every_company_belongs_to_exactly_one_shard_for_good() -> None:
    for shards in (1, 2, 7):
        parts = [Shard(SweepTask.CHANGES, number, shards) for number in range(shards)]
        for realm in REALMS:
            assert [part.holds(realm) for part in parts].count(True) == 1
    assert [shard_of(realm, 4) for realm in REALMS[:6]] == [1, 1, 2, 0, 1, 3], "never move these"
    assert {shard_of(realm, 2) for realm in REALMS} == {0, 1}


@pytest.mark.parametrize(
    "hours,tasks",
    [(0.25, ["changes"]), (1, ["changes", "queried"]), (24, ["changes", "queried", "reconcile"])],
)
def test_what_is_due_asks_for_as_many_runs_as_there_are_shards(
    cells: dg.MultiPartitionsDefinition,
    persistent: dg.DagsterInstance,
    hours: float,
    tasks: Sequence[str],
) -> None:
    requests = swept(cells, persistent, after=timedelta(hours=hours))
    names = [each.tags[SWEEP_TAG] for each in requests]
    assert names == [f"{task}/{shard}of2" for task in tasks for shard in range(2)]
    assert len({each.run_key for each in requests}) == len(names)
    again = swept(cells, persistent, after=timedelta(hours=hours))
    assert [each.run_key for each in again] == [each.run_key for each in requests]


def test_nothing_is_swept_between_two_times(
    cells: dg.MultiPartitionsDefinition, persistent: dg.DagsterInstance
) -> None:
    assert swept(cells, persistent, after=timedelta(minutes=14)) == []


def test_few_companies_keep_their_own_runs(
    cells: dg.MultiPartitionsDefinition, persistent: dg.DagsterInstance
) -> None:
    assert swept(cells, persistent, COMPANIES[:4], after=timedelta(days=1)) == []


def test_no_schedule_ticks_in_vain_for_one_company() -> None:
    schedules = build_definitions(plain_settings()).get_repository_def().schedule_defs
    assert {schedule.name for schedule in schedules} == {
        "changes_every_15_minutes", "queried_entities_hourly", "reconcile_nightly",
        "silver_nightly", "journal_nightly", "connection_health_hourly", "token_keep_alive_daily",
        "bronze_maintenance_daily",
    }  # fmt: skip


def test_a_shard_still_at_work_is_not_started_again(
    cells: dg.MultiPartitionsDefinition, persistent: dg.DagsterInstance
) -> None:
    stored(persistent, {SWEEP_TAG: "changes/1of2"}, dg.DagsterRunStatus.STARTED)
    requests = swept(cells, persistent)
    assert [each.tags[SWEEP_TAG] for each in requests] == ["changes/0of2"]
    stored(persistent, {SWEEP_TAG: "changes/0of2"}, dg.DagsterRunStatus.NOT_STARTED)
    assert swept(cells, persistent) == []


def test_optional_sweeps_stop_near_the_end_of_the_budget(
    cells: dg.MultiPartitionsDefinition, persistent: dg.DagsterInstance
) -> None:
    found = swept(cells, persistent, after=timedelta(days=1), left_out="the budget is nearly used")
    assert [each.tags[SWEEP_TAG] for each in found] == ["changes/0of2", "changes/1of2"]


@pytest.mark.parametrize("minutes,at", [(15, "12:15"), (60, "12:00"), (240, "12:00")])
def test_changes_are_swept_as_often_as_configured(minutes: int, at: str) -> None:
    sweeps = SweepTimes(ENTITIES, partial(SweepPolicy, minutes=minutes), free)
    last = sweeps.last(SweepTask.CHANGES, TICK, minutes)
    assert last is not None
    assert last.strftime("%H:%M") == at


def test_companies_that_were_late_get_a_run_of_their_own_and_no_other_does(
    cells: dg.MultiPartitionsDefinition, persistent: dg.DagsterInstance
) -> None:
    persistent.add_dynamic_partitions(REALM, REALMS)
    assert "none was late" in str(own(cells, persistent, "changes_every_15_minutes"))
    late = ",".join(REALMS[:9])
    for number in range(2):
        tags = {SWEEP_TAG: f"changes/{number}of2", LATE_TAG: late if number else REALMS[20]}
        stored(persistent, tags, dg.DagsterRunStatus.SUCCESS)
    requests = own(cells, persistent, "changes_every_15_minutes")
    assert isinstance(requests, list)
    assert len(requests) == OWN_RUNS
    assert {each.tags[REALM_TAG] for each in requests} <= {*REALMS[:9], REALMS[20]}
    assert isinstance(own(cells, persistent, "queried_entities_hourly"), str)
    for number in range(2):
        stored(persistent, {SWEEP_TAG: f"changes/{number}of2"}, dg.DagsterRunStatus.SUCCESS)
    assert "none was late" in str(own(cells, persistent, "changes_every_15_minutes"))


def noticed(
    cells: dg.MultiPartitionsDefinition,
    instance: dg.DagsterInstance,
    companies: Sequence[Company],
    cursor: str | None = None,
) -> dg.SensorResult | dg.SkipReason:
    sensor = build_new_company_sensor(build_jobs(ENTITIES), cells, lambda: companies, POLICY)
    with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
        found = sensor(context)
    assert isinstance(found, dg.SensorResult | dg.SkipReason)
    return found


def test_hundreds_of_new_companies_are_loaded_by_a_few_runs(
    cells: dg.MultiPartitionsDefinition, persistent: dg.DagsterInstance
) -> None:
    found = noticed(cells, persistent, COMPANIES)
    assert isinstance(found, dg.SensorResult)
    requests = list(found.run_requests or [])
    assert {each.job_name for each in requests} == {FLEET_JOB}
    assert [each.tags[SWEEP_TAG] for each in requests] == ["first/0of2", "first/1of2"]
    added = [key for each in found.dynamic_partitions_requests or []
             for key in each.partition_keys]  # fmt: skip
    assert sorted(added) == REALMS[1:], "the instance knew the first one"
    assert len(found.cursor or "") < 200, "it does not grow with the companies"
    persistent.add_dynamic_partitions(REALM, REALMS)
    assert isinstance(noticed(cells, persistent, COMPANIES, found.cursor), dg.SkipReason)


def test_one_more_company_starts_only_its_shard_once_that_is_free(
    cells: dg.MultiPartitionsDefinition, persistent: dg.DagsterInstance
) -> None:
    persistent.add_dynamic_partitions(REALM, REALMS)
    cursor = _cursor(noticed(cells, persistent, COMPANIES[:-1]))
    name = Shard(SweepTask.FIRST, shard_of(REALMS[-1], 2), 2).name
    busy = stored(persistent, {SWEEP_TAG: name}, dg.DagsterRunStatus.STARTED)
    waiting = noticed(cells, persistent, COMPANIES, cursor)
    assert isinstance(waiting, dg.SensorResult)
    assert not waiting.run_requests
    persistent.delete_run(busy.run_id)
    found = noticed(cells, persistent, COMPANIES, _cursor(waiting))
    assert isinstance(found, dg.SensorResult)
    assert [each.tags[SWEEP_TAG] for each in found.run_requests or []] == [name]


def _cursor(found: dg.SensorResult | dg.SkipReason) -> str:
    assert isinstance(found, dg.SensorResult)
    assert found.cursor is not None
    assert all(isinstance(value, str) for value in json.loads(found.cursor).values())
    return found.cursor


def test_partitions_are_added_in_chunks_any_storage_takes(
    persistent: dg.DagsterInstance,
) -> None:
    realms = [str(FIRST_REALM + index) for index in range(2 * KEYS_AT_ONCE + 1)]
    requests = add_requests(realms)
    assert [len(each.partition_keys) for each in requests] == [KEYS_AT_ONCE, KEYS_AT_ONCE, 1]
    for each in requests:
        persistent.add_dynamic_partitions(REALM, list(each.partition_keys))
    assert sorted(persistent.get_dynamic_partitions(REALM)) == realms
    assert add_requests([]) == []


class Events:
    """Webhook events of many companies and the sensor that hands them out."""

    def __init__(self, control: ControlPlane, instance: dg.DagsterInstance) -> None:
        self.control = control
        self.instance = instance

    def tick(self, cells: dg.MultiPartitionsDefinition) -> list[dg.RunRequest]:
        @contextmanager
        def queue() -> Iterator[ControlPlane]:
            yield self.control

        def connected() -> Sequence[Company]:
            return self.control.companies.list(ConnectionStatus.CONNECTED)

        kept = entity_types(["Invoice"])
        (sensor,) = build_webhook_sensors(build_jobs(kept), cells, kept, connected, queue, POLICY)
        with dg.build_sensor_context(instance=self.instance) as context:
            found = sensor(context)
        assert isinstance(found, dg.SensorResult)
        return list(found.run_requests or [])

    def announce(self, realms: Sequence[str], name: str) -> None:
        events = [event(f"{name}-{realm}", realm=realm) for realm in realms]
        self.control.deliveries.accept([delivery(events)])


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime.now(UTC))


@pytest.fixture
def events(tmp_path: object, clock: FakeClock, ephemeral: dg.DagsterInstance) -> Iterator[Events]:
    settings = plain_settings(ledgerguard_home=f"{tmp_path}/home")
    ephemeral.add_dynamic_partitions(REALM, REALMS)
    with ControlPlane.open(settings, clock=clock) as control:
        for each in COMPANIES:
            control.companies.put(each)
        yield Events(control, ephemeral)


def test_events_of_many_companies_go_in_one_run_per_shard(
    events: Events, cells: dg.MultiPartitionsDefinition
) -> None:
    events.announce(REALMS, "many")
    requests = events.tick(cells)
    assert {each.job_name for each in requests} == {FLEET_JOB}
    assert [each.tags[SWEEP_TAG] for each in requests] == ["events/0of2", "events/1of2"]
    held = [events.control.inbox.held(each.tags[BATCH_TAG]) for each in requests]
    assert [{shard_of(one.event.realm_id, 2) for one in part} for part in held] == [{0}, {1}]
    assert sum(map(len, held)) == len(REALMS)


def test_events_of_few_companies_keep_their_runs(
    events: Events, cells: dg.MultiPartitionsDefinition
) -> None:
    events.announce(REALMS[:4], "few")
    requests = events.tick(cells)
    assert {each.job_name for each in requests} == {WEBHOOK_JOB}
    assert {each.tags[REALM_TAG] for each in requests} == set(REALMS[:4])


def test_a_sweep_of_events_under_way_keeps_its_companies_and_no_others(
    events: Events, cells: dg.MultiPartitionsDefinition, clock: FakeClock
) -> None:
    events.announce(REALMS[:10], "first")
    requests = events.tick(cells)
    runs = [
        stored(events.instance, dict(each.tags), dg.DagsterRunStatus.STARTED) for each in requests
    ]
    assert {run.tags[TRIGGER_TAG] for run in runs} == {TRIGGER}
    events.announce(REALMS[:12], "second")
    later = events.tick(cells)
    assert {each.tags.get(REALM_TAG) for each in later} == set(REALMS[10:12])
    clock.advance(LEASE_SECONDS + 1)
    events.tick(cells)
    statuses = [events.instance.get_run_by_id(run.run_id) for run in runs]
    assert {run.status for run in statuses if run} == {dg.DagsterRunStatus.FAILURE}
