"""A first load whose run is over and that is not complete is launched again, soon and not forever."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.companies import Company
from ledgerguard_pipeline.control.company_state.sync_state import Committed
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.defs.build import build_definitions
from ledgerguard_pipeline.defs.fleet.shards import ReadPolicy, SweepPolicy, shard_of
from ledgerguard_pipeline.defs.jobs import build_jobs
from ledgerguard_pipeline.defs.keys import ALL_JOB, FLEET_JOB, REALM_TAG, SWEEP_TAG
from ledgerguard_pipeline.defs.scheduling.first_loads import PAUSES_SECONDS, FirstLoads
from ledgerguard_pipeline.defs.scheduling.new_company_sensor import build_new_company_sensor
from ledgerguard_pipeline.entities import entity_types
from ledgerguard_pipeline.errors import AccessDenied, BronzeError, LedgerGuardError
from ledgerguard_pipeline.failure import Failure
from ledgerguard_pipeline.values import Mode, RealmId
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.control.company_state.lost_states import lose_states
from ledgerguard_pipeline_tests.defs.conftest import FIRST, company

KEPT = entity_types(["Invoice", "Customer"])
DONE = dg.DagsterRunStatus.SUCCESS
FAILED = dg.DagsterRunStatus.FAILURE
LONG = timedelta(hours=1).total_seconds()


class Newcomers:
    """The sensor, with what it sees: companies, the control plane and the runs of an instance."""

    def __init__(
        self,
        control: ControlPlane,
        instance: dg.DagsterInstance,
        cells: dg.MultiPartitionsDefinition,
        policy: ReadPolicy = SweepPolicy,
    ) -> None:
        self.control = control
        self.instance = instance
        self.clock = FakeClock(datetime.now(UTC))
        self.companies: Sequence[Company] = [company(FIRST, connected_at=self.clock.now())]
        self.cursor: str | None = None
        self._sensor = build_new_company_sensor(
            build_jobs(KEPT), cells, lambda: self.companies, policy,
            first_loads=FirstLoads(KEPT, self._opened, self.clock),
        )  # fmt: skip

    @contextmanager
    def _opened(self) -> Iterator[ControlPlane]:
        yield self.control

    def tick(self) -> list[dg.RunRequest]:
        with dg.build_sensor_context(instance=self.instance, cursor=self.cursor) as context:
            found = self._sensor(context)
        if not isinstance(found, dg.SensorResult):
            return []
        self.cursor = found.cursor
        return list(found.run_requests or [])

    def run(
        self,
        status: dg.DagsterRunStatus,
        tags: Mapping[str, str] | None = None,
        job: str = ALL_JOB,
    ) -> dg.DagsterRun:
        """A run as the instance shows it, over by now if ``status`` is an end."""
        run = self.instance.create_run(
            job_name=job, run_id=None, run_config=None, status=dg.DagsterRunStatus.STARTED,
            tags=dict(tags or {REALM_TAG: FIRST}), step_keys_to_execute=None,
            execution_plan_snapshot=None, job_snapshot=None, parent_job_snapshot=None,
            root_run_id=None, parent_run_id=None, remote_job_origin=None, job_code_origin=None,
            asset_selection=None, asset_check_selection=None, resolved_op_selection=None,
            op_selection=None, asset_graph=None,  # type: ignore[arg-type]
        )  # fmt: skip
        self.end(run, status)
        return run

    def end(self, run: dg.DagsterRun, status: dg.DagsterRunStatus) -> None:
        event = {
            FAILED: dg.DagsterEventType.RUN_FAILURE,
            DONE: dg.DagsterEventType.RUN_SUCCESS,
            dg.DagsterRunStatus.CANCELED: dg.DagsterEventType.RUN_CANCELED,
        }.get(status)
        if event is not None:
            self.instance.report_dagster_event(
                dg.DagsterEvent(event.value, run.job_name, message="It is over."),
                run.run_id,
                timestamp=self.clock.now().timestamp(),
            )

    def loaded(self, realm: str = FIRST, names: Sequence[str] = ("Invoice", "Customer")) -> None:
        self.control.sync_states.committed(
            RealmId(realm),
            [
                Committed(name, Mode.FULL, "load", 1, 0, watermark=datetime.now(UTC))
                for name in names
            ],
        )

    def failed(self, error: LedgerGuardError) -> None:
        self.control.sync_states.ended(RealmId(FIRST), failed={"Customer": Failure.of(error)})


@pytest.fixture
def control(settings: Settings) -> Iterator[ControlPlane]:
    with ControlPlane.open(settings) as plane:
        yield plane


@pytest.fixture
def newcomers(
    control: ControlPlane, ephemeral: dg.DagsterInstance, cells: dg.MultiPartitionsDefinition
) -> Newcomers:
    found = Newcomers(control, ephemeral, cells)
    assert len(found.tick()) == 1
    return found


def test_a_run_that_died_is_followed_by_another_as_soon_as_somebody_looks(
    newcomers: Newcomers,
) -> None:
    newcomers.loaded(names=["Invoice"])
    newcomers.run(FAILED)
    newcomers.clock.advance(PAUSES_SECONDS[0] + 1)
    [again] = newcomers.tick()
    assert again.tags[REALM_TAG] == FIRST
    assert again.run_key is not None
    assert again.run_key.endswith(":2")


def test_a_request_that_never_became_a_run_is_made_again(newcomers: Newcomers) -> None:
    assert len(newcomers.tick()) == 1


def test_the_sensor_of_an_installation_looks_after_it(
    installed: dg.DagsterInstance, settings: Settings, control: ControlPlane
) -> None:
    definitions = build_definitions(settings)
    sensor = definitions.get_repository_def().get_sensor_def("new_company")
    control.companies.put(company(FIRST, connected_at=datetime.now(UTC)))
    cursor = None
    for _ in range(2):
        with dg.build_sensor_context(
            instance=installed, cursor=cursor, repository_def=definitions.get_repository_def()
        ) as context:
            found = sensor(context)
        assert isinstance(found, dg.SensorResult)
        assert len(found.run_requests or []) == 1
        cursor = found.cursor


def test_a_live_run_is_left_alone_however_long_it_takes(newcomers: Newcomers) -> None:
    run = newcomers.run(dg.DagsterRunStatus.STARTED)
    newcomers.run(FAILED)
    newcomers.clock.advance(LONG)
    assert newcomers.tick() == []
    newcomers.end(run, FAILED)
    newcomers.clock.advance(LONG)
    assert len(newcomers.tick()) == 1


def test_what_is_complete_is_never_looked_at_again(newcomers: Newcomers) -> None:
    newcomers.loaded()
    newcomers.run(DONE)
    assert newcomers.tick() == []
    newcomers.run(FAILED)
    lose_states(newcomers.control, FIRST)
    newcomers.clock.advance(LONG)
    assert newcomers.tick() == []


def test_dagster_has_time_to_begin_a_killed_run_again_by_itself(newcomers: Newcomers) -> None:
    newcomers.run(FAILED)
    assert newcomers.tick() == []


def test_it_is_tried_some_times_at_growing_distances_and_left_to_the_schedules_then(
    newcomers: Newcomers,
) -> None:
    keys = set()
    for pause in PAUSES_SECONDS:
        newcomers.run(FAILED)
        newcomers.clock.advance(pause - 1)
        assert newcomers.tick() == []
        newcomers.clock.advance(2)
        [again] = newcomers.tick()
        keys.add(again.run_key)
    assert len(keys) == len(PAUSES_SECONDS)
    newcomers.run(FAILED)
    newcomers.clock.advance(LONG)
    assert newcomers.tick() == []


def test_what_somebody_canceled_is_left_to_the_schedules(newcomers: Newcomers) -> None:
    newcomers.run(dg.DagsterRunStatus.CANCELED)
    newcomers.clock.advance(LONG)
    assert newcomers.tick() == []


@pytest.mark.parametrize(
    "error, times", [(BronzeError("The disk is full."), 1), (AccessDenied("No rights."), 0)]
)
def test_only_what_another_try_may_mend_is_tried_again(
    newcomers: Newcomers, error: LedgerGuardError, times: int
) -> None:
    newcomers.loaded(names=["Invoice"])
    newcomers.failed(error)
    newcomers.run(DONE)
    newcomers.clock.advance(PAUSES_SECONDS[0] + 1)
    assert len(newcomers.tick()) == times


def test_a_company_connected_anew_has_to_be_read_since_then(newcomers: Newcomers) -> None:
    newcomers.loaded()
    newcomers.run(DONE)
    newcomers.tick()
    newcomers.clock.advance(LONG)
    newcomers.companies = [company(FIRST, connected_at=newcomers.clock.now())]
    assert len(newcomers.tick()) == 1
    newcomers.run(FAILED)
    newcomers.clock.advance(LONG)
    assert len(newcomers.tick()) == 1


def test_a_cursor_of_an_older_release_starts_nothing(newcomers: Newcomers) -> None:
    assert newcomers.cursor is not None
    newcomers.cursor = newcomers.cursor.replace(' 1"', '"')
    newcomers.run(FAILED)
    newcomers.clock.advance(LONG)
    assert newcomers.tick() == []


def test_a_sweep_that_died_is_followed_by_another_for_its_own_shard(
    control: ControlPlane, persistent: dg.DagsterInstance, cells: dg.MultiPartitionsDefinition
) -> None:
    fleet = Newcomers(control, persistent, cells, lambda: SweepPolicy(above=1, shards=2))
    elsewhere = "9341453474484458"
    assert shard_of(FIRST, 2) != shard_of(elsewhere, 2)
    fleet.companies = [company(FIRST), company(elsewhere)]
    mine, other = (f"first/{shard_of(realm, 2)}of2" for realm in (FIRST, elsewhere))
    assert {each.tags[SWEEP_TAG] for each in fleet.tick()} == {mine, other}
    fleet.loaded(elsewhere)
    for name in (mine, other):
        fleet.run(FAILED, {SWEEP_TAG: name}, FLEET_JOB)
    fleet.clock.advance(PAUSES_SECONDS[0] + 1)
    assert [each.tags[SWEEP_TAG] for each in fleet.tick()] == [mine]
    fleet.run(dg.DagsterRunStatus.STARTED, {SWEEP_TAG: mine}, FLEET_JOB)
    fleet.clock.advance(LONG)
    assert fleet.tick() == []
