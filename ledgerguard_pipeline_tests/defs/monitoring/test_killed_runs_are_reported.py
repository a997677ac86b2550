"""A run whose process was killed is reported to Dagster, is retried, and gives its events back."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import EngineEventData
from dagster._core.execution.plan.objects import StepSuccessData

from ledgerguard_pipeline.control.leases.run_heartbeats import BEAT_SECONDS, run_alive
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.defs.bronze.assets import build_assets
from ledgerguard_pipeline.defs.guest.bronze_step import build_bronze_step
from ledgerguard_pipeline.defs.in_process_run import _job_origin
from ledgerguard_pipeline.defs.keys import BATCH_TAG, CODE_LOCATION, REALM_TAG
from ledgerguard_pipeline.defs.monitoring import lost_runs_sensor
from ledgerguard_pipeline.defs.monitoring.lost_runs_sensor import report_lost_runs
from ledgerguard_pipeline.defs.partitions import cell_partitions
from ledgerguard_pipeline.defs.site import Site, current_site, entered
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import delivery, event
from ledgerguard_pipeline_tests.defs.conftest import FIRST, company, plain_settings

BEGIN = """
import sys
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.config.settings import load_settings
ControlPlane.open(load_settings()).run_beats.begin(sys.argv[1])
"""

INVOICE = dg.AssetKey(["qbo", "bronze", "invoice"])
OURS = "qbo__bronze__invoice"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime.now(UTC))


@pytest.fixture
def control(tmp_path: Path, clock: FakeClock) -> Iterator[ControlPlane]:
    settings = plain_settings(ledgerguard_home=tmp_path / "home")
    with ControlPlane.open(settings, clock=clock) as plane:
        plane.companies.put(company(FIRST))
        yield plane


def started(instance: dg.DagsterInstance, **tags: str) -> str:
    """A run that Dagster takes for alive."""
    run = instance.create_run_for_job(
        dg.GraphDefinition("some_job").to_job(),
        status=dg.DagsterRunStatus.STARTED,
        tags={REALM_TAG: FIRST, **tags},
    )
    return run.run_id


def status(instance: dg.DagsterInstance, run_id: str) -> dg.DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


def test_a_run_that_works_is_left_alone_however_long_it_takes(
    control: ControlPlane, ephemeral: dg.DagsterInstance, clock: FakeClock
) -> None:
    run_id = started(ephemeral)
    control.run_beats.begin(run_id)
    for _ in range(5):
        clock.advance(BEAT_SECONDS - 1)
        control.run_beats.beat(run_id)
        assert report_lost_runs(ephemeral, control).reported == []
    assert status(ephemeral, run_id) is dg.DagsterRunStatus.STARTED


def test_a_run_that_falls_silent_is_failed_and_forgotten(
    control: ControlPlane, ephemeral: dg.DagsterInstance, clock: FakeClock
) -> None:
    run_id = started(ephemeral)
    control.run_beats.begin(run_id)
    clock.advance(BEAT_SECONDS)
    assert report_lost_runs(ephemeral, control).reported == [run_id]
    assert status(ephemeral, run_id) is dg.DagsterRunStatus.FAILURE
    assert control.run_beats.list() == []
    assert report_lost_runs(ephemeral, control).reported == []


def test_a_run_that_somebody_ended_does_not_begin_again_because_its_process_was_killed(
    control: ControlPlane, ephemeral: dg.DagsterInstance, clock: FakeClock
) -> None:
    run_id = started(ephemeral)
    control.run_beats.begin(run_id)
    run = ephemeral.get_run_by_id(run_id)
    assert run is not None
    ephemeral.report_run_canceling(run)
    clock.advance(BEAT_SECONDS)
    assert report_lost_runs(ephemeral, control).reported == [run_id]
    assert status(ephemeral, run_id) is dg.DagsterRunStatus.CANCELED


def test_a_killed_run_of_another_dagster_is_left_to_that_one(
    control: ControlPlane,
    ephemeral: dg.DagsterInstance,
    persistent: dg.DagsterInstance,
    clock: FakeClock,
) -> None:
    """Two instances, one installation."""
    run_id = started(persistent)
    control.run_beats.begin(run_id)
    control.run_beats.begin("run-of-a-dagster-that-is-no-more")
    clock.advance(BEAT_SECONDS)
    assert report_lost_runs(ephemeral, control).reported == []
    assert report_lost_runs(persistent, control).reported == [run_id]
    clock.advance(lost_runs_sensor.FORGOTTEN_AFTER.total_seconds() + 1)
    assert report_lost_runs(ephemeral, control).reported == []
    assert control.run_beats.list() == []


def test_a_dead_process_of_this_machine_is_noticed_without_waiting(
    control: ControlPlane, ephemeral: dg.DagsterInstance, tmp_path: Path
) -> None:
    run_id = started(ephemeral)
    subprocess.run(
        [sys.executable, "-c", BEGIN, run_id],
        env={
            **os.environ,
            "LEDGERGUARD_HOME": str(tmp_path / "home"),
            "PYTHONPATH": str(Path(__file__).parents[3]),
        },
        check=True,
    )
    assert report_lost_runs(ephemeral, control).reported == [run_id]


def test_events_of_a_killed_run_are_due_again_at_once(
    control: ControlPlane, ephemeral: dg.DagsterInstance, clock: FakeClock
) -> None:
    control.deliveries.accept([delivery([event("a", realm=FIRST, entity="Invoice")])])
    control.inbox.lease("batch", realms=[FIRST], ttl_seconds=3600)
    run_id = started(ephemeral, **{BATCH_TAG: "batch"})
    control.run_beats.begin(run_id)
    clock.advance(BEAT_SECONDS)
    assert control.inbox.due_realms() == []
    report_lost_runs(ephemeral, control)
    assert control.inbox.due_realms() == [FIRST]


def test_events_of_a_killed_run_that_dagster_noticed_itself_are_due_too(
    control: ControlPlane, ephemeral: dg.DagsterInstance, clock: FakeClock
) -> None:
    control.deliveries.accept([delivery([event("a", realm=FIRST, entity="Invoice")])])
    control.inbox.lease("batch", realms=[FIRST], ttl_seconds=3600)
    run_id = started(ephemeral, **{BATCH_TAG: "batch"})
    control.run_beats.begin(run_id)
    run = ephemeral.get_run_by_id(run_id)
    assert run is not None
    ephemeral.report_run_failed(run)
    clock.advance(BEAT_SECONDS)
    assert report_lost_runs(ephemeral, control).reported == []
    assert control.inbox.due_realms() == [FIRST]
    assert control.run_beats.list() == []


def happens(
    instance: dg.DagsterInstance, run_id: str, what: dg.DagsterEventType, step: str | None = None
) -> None:
    event = dg.DagsterEvent(
        event_type_value=what.value,
        job_name="some_job",
        step_key=step,
        event_specific_data=_data_of(what, step),
    )
    instance.report_dagster_event(event, run_id=run_id)


def _data_of(
    what: dg.DagsterEventType, step: str | None
) -> EngineEventData | StepSuccessData | None:
    if what is dg.DagsterEventType.STEP_WORKER_STARTING:
        return EngineEventData()
    return None if step is None else StepSuccessData(duration_ms=1.0)  # type: ignore[no-untyped-call]  # Dagster's


def test_a_run_killed_before_its_first_sign_is_reported_when_found_silent_twice(
    control: ControlPlane, persistent: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = started(persistent)
    happens(persistent, run_id, dg.DagsterEventType.RUN_START)
    assert report_lost_runs(persistent, control).suspects == []
    monkeypatch.setattr(lost_runs_sensor, "SILENT_SECONDS", -1.0)
    first = report_lost_runs(persistent, control)
    assert (first.reported, first.suspects) == ([], [run_id])
    second = report_lost_runs(persistent, control, first.suspects)
    assert (second.reported, second.suspects) == ([run_id], [])
    assert status(persistent, run_id) is dg.DagsterRunStatus.FAILURE


@contextmanager
def invoices_of(site: Site) -> Iterator[dg.AssetsDefinition]:
    """The step that loads invoices, and the site it was built for."""
    with entered(site):
        cells = cell_partitions(plain_settings())
        kept = [entity_type("Invoice")]
        yield build_bronze_step(kept, cells) if site.guest else build_assets(kept, cells)[0]


def run_of(instance: dg.DagsterInstance, *assets: dg.AssetsDefinition) -> str:
    """A run of these assets that Dagster takes for alive."""
    keys = {key for each in assets for key in each.required_resource_keys} - {"io_manager"}
    job = dg.Definitions(
        assets=assets,
        jobs=[dg.define_asset_job("host")],
        resources=dict.fromkeys(keys, "the books"),
    ).resolve_job_def("host")
    run_id = instance.create_run_for_job(
        job,
        status=dg.DagsterRunStatus.STARTED,
        tags={REALM_TAG: FIRST, **current_site().run_tags},
    ).run_id
    happens(instance, run_id, dg.DagsterEventType.RUN_START)
    return run_id


@dg.asset
def warehouse() -> None:
    """A table of the host project."""


@dg.asset(deps=[INVOICE])
def forecast() -> None:
    """One that it makes of ours."""


@pytest.fixture
def suspects(
    control: ControlPlane, persistent: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], list[str]]:
    """The runs that nothing was heard of; everything that has happened was long ago."""
    monkeypatch.setattr(lost_runs_sensor, "SILENT_SECONDS", -1.0)
    return lambda: report_lost_runs(persistent, control).suspects


def test_a_run_that_goes_on_with_steps_of_others_is_no_killed_one(
    control: ControlPlane, persistent: dg.DagsterInstance, suspects: Callable[[], list[str]]
) -> None:
    with invoices_of(Site()) as ours:
        run_id = run_of(persistent, ours, forecast)
        with run_alive(control.run_beats, run_id):
            pass  # our step, in a process of its own
        happens(persistent, run_id, dg.DagsterEventType.STEP_SUCCESS, OURS)
        assert suspects() == []
        # Killed after its last step, before it could say so.
        happens(persistent, run_id, dg.DagsterEventType.STEP_SUCCESS, "forecast")
        assert suspects() == [run_id]


@pytest.mark.parametrize("site", [Site(), Site(guest=True)], ids=["own", "guest"])
def test_a_run_begun_again_for_steps_of_others_alone_is_no_killed_one(
    persistent: dg.DagsterInstance, suspects: Callable[[], list[str]], site: Site
) -> None:
    """It has the tags of the first one, in which our step was."""
    with invoices_of(site):
        run_id = run_of(persistent, forecast)
        assert suspects() == [], "its step is about to begin"
        happens(persistent, run_id, dg.DagsterEventType.STEP_START, "forecast")
        assert suspects() == [], "its step works"
        happens(persistent, run_id, dg.DagsterEventType.STEP_SUCCESS, "forecast")
        assert suspects() == [], "and ends"


@pytest.mark.parametrize("site", [Site(), Site(guest=True)], ids=["own", "guest"])
def test_a_run_whose_first_step_is_anothers_is_given_up_only_in_ours(
    persistent: dg.DagsterInstance, suspects: Callable[[], list[str]], site: Site
) -> None:
    with invoices_of(site):
        step = site.name("bronze") if site.guest else OURS

        @dg.multi_asset(name=step, specs=[dg.AssetSpec(INVOICE, deps=["warehouse"])])
        def invoice() -> None:
            """Our step, as the host wants it: after its own."""

        run_id = run_of(persistent, warehouse, invoice)
        happens(persistent, run_id, dg.DagsterEventType.STEP_START, "warehouse")
        assert suspects() == [], "a step works that gives no signs"
        happens(persistent, run_id, dg.DagsterEventType.STEP_SUCCESS, "warehouse")
        assert suspects() == [run_id], "ours is next, and never begins"
        happens(persistent, run_id, dg.DagsterEventType.STEP_START, step)
        assert suspects() == [run_id], "ours began and says nothing"


def test_steps_in_processes_of_their_own_are_not_missed_when_one_of_them_ends(
    control: ControlPlane, persistent: dg.DagsterInstance, suspects: Callable[[], list[str]]
) -> None:
    """The first to end takes the run off the list, and another one works on."""
    with entered(Site()):
        kept = [entity_type("Invoice"), entity_type("Bill")]
        run_id = run_of(persistent, *build_assets(kept, cell_partitions(plain_settings())))
        for step in (OURS, "qbo__bronze__bill"):
            happens(persistent, run_id, dg.DagsterEventType.STEP_WORKER_STARTING, step)
            happens(persistent, run_id, dg.DagsterEventType.STEP_START, step)
        with run_alive(control.run_beats, run_id):
            pass
        happens(persistent, run_id, dg.DagsterEventType.STEP_SUCCESS, OURS)
        assert suspects() == []


def test_a_run_killed_before_dagster_noted_what_it_skipped_is_reported(
    control: ControlPlane, persistent: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It took itself off the list with its last step; the views of what failed were still to come."""
    with entered(Site()):
        kept = [entity_type("Purchase")]
        run_id = run_of(persistent, *build_assets(kept, cell_partitions(plain_settings())))
        with run_alive(control.run_beats, run_id):
            pass
        happens(persistent, run_id, dg.DagsterEventType.STEP_SUCCESS, "qbo__bronze__purchase")
        assert report_lost_runs(persistent, control).suspects == [], "its next step may begin yet"
        monkeypatch.setattr(lost_runs_sensor, "SILENT_SECONDS", -1.0)
        suspects = report_lost_runs(persistent, control).suspects
        assert suspects == [run_id]
        assert report_lost_runs(persistent, control, suspects).reported == [run_id]
        assert status(persistent, run_id) is dg.DagsterRunStatus.FAILURE


def test_runs_of_other_code_locations_give_no_signs_and_are_left_alone(
    control: ControlPlane, persistent: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = persistent.create_run_for_job(
        dg.GraphDefinition("somebody_elses").to_job(),
        status=dg.DagsterRunStatus.STARTED,
        tags={REALM_TAG: FIRST},
        remote_job_origin=_job_origin(),
    )
    happens(persistent, run.run_id, dg.DagsterEventType.RUN_START)
    monkeypatch.setattr(lost_runs_sensor, "SILENT_SECONDS", -1.0)
    assert report_lost_runs(persistent, control, location="another").suspects == []
    assert report_lost_runs(persistent, control, location=CODE_LOCATION).suspects == [run.run_id]


def test_a_run_that_ends_in_order_leaves_no_sign_behind(control: ControlPlane) -> None:
    def fail() -> None:
        with run_alive(control.run_beats, "some-run"):
            assert [each.run_id for each in control.run_beats.list()] == ["some-run"]
            raise ValueError("its own")

    with pytest.raises(ValueError, match="its own"):
        fail()
    assert control.run_beats.list() == []
