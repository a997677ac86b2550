"""The sensor leases due events and asks for one run per company; the run acknowledges them."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run

from ledgerguard_pipeline.change_events import Operation
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.leases import heartbeat
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.webhook_queue.attempts import (
    MAX_ATTEMPTS,
    RETRY_SECONDS,
)
from ledgerguard_pipeline.control.webhook_queue.queue import LEASE_SECONDS, EventStatus
from ledgerguard_pipeline.defs.bronze.run_syncs import RunSyncs, Selection
from ledgerguard_pipeline.defs.build import build_definitions
from ledgerguard_pipeline.defs.jobs import build_jobs
from ledgerguard_pipeline.defs.keys import BATCH_TAG, REALM_TAG, WEBHOOK_JOB
from ledgerguard_pipeline.defs.partitions import REALM, RealmCells, current_window
from ledgerguard_pipeline.defs.scheduling.webhook_sensor import build_webhook_sensors
from ledgerguard_pipeline.entities import entity_types
from ledgerguard_pipeline.ingestion.company_sync.lease import CompanyLeases
from ledgerguard_pipeline.ingestion.events.event_lease import InboxLease
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import delivery, event
from ledgerguard_pipeline_tests.defs.conftest import FIRST, SECOND, company, plain_settings
from ledgerguard_pipeline_tests.defs.runs import Ran, key_of
from ledgerguard_pipeline_tests.defs.scheduling.queued_runs import begin, end, queued_run

pytestmark = pytest.mark.usefixtures("bronze_alone")

KEPT = entity_types(["Invoice", "Customer", "Purchase"])
Tick = Callable[..., dg.SensorResult]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(datetime.now(UTC))


@pytest.fixture
def control(tmp_path: Path, clock: FakeClock) -> Iterator[ControlPlane]:
    settings = plain_settings(ledgerguard_home=tmp_path / "home")
    with ControlPlane.open(settings, clock=clock) as plane:
        plane.companies.put(company(FIRST))
        plane.companies.put(company(SECOND))
        yield plane


@pytest.fixture
def tick(
    control: ControlPlane, cells: dg.MultiPartitionsDefinition, ephemeral: dg.DagsterInstance
) -> Tick:
    """Evaluates the sensor once, as the daemon does."""

    @contextmanager
    def queue() -> Iterator[ControlPlane]:
        yield control

    def connected() -> list[object]:
        return list(control.companies.list(ConnectionStatus.CONNECTED))

    (sensor,) = build_webhook_sensors(build_jobs(KEPT), cells, KEPT, connected, queue)  # type: ignore[arg-type]  # companies

    def evaluate(cursor: str | None = None) -> dg.SensorResult:
        with dg.build_sensor_context(instance=ephemeral, cursor=cursor) as context:
            result = sensor(context)
        assert isinstance(result, dg.SensorResult)
        return result

    return evaluate


def announce(
    control: ControlPlane, *names: str, realm: str = FIRST, entity: str = "Invoice"
) -> None:
    control.deliveries.accept(
        [delivery([event(name, realm=realm, entity=entity) for name in names])]
    )


def requests(result: dg.SensorResult) -> list[dg.RunRequest]:
    return list(result.run_requests or [])


def test_nothing_due_is_a_quiet_tick(tick: Tick) -> None:
    result = tick()
    assert requests(result) == []
    assert "No event is due" in str(result.skip_reason)


def test_a_company_gets_one_run_with_exactly_the_assets_concerned(
    tick: Tick, control: ControlPlane, cells: dg.MultiPartitionsDefinition
) -> None:
    announce(control, "a", "b", "c")
    announce(control, "d", entity="Purchase")
    (request,) = requests(tick())
    assert request.asset_selection is not None
    assert set(request.asset_selection) == {
        key_of("Invoice"),
        key_of("Purchase"),
        key_of("Expense"),
    }
    assert request.partition_key == f"{FIRST}|{current_window(cells)}"
    assert request.tags[REALM_TAG] == FIRST
    assert request.tags["ledgerguard/webhook_events"] == "4"
    batch = request.tags[BATCH_TAG]
    assert request.run_key == f"webhook:{batch}:1"
    assert len(control.inbox.held(batch)) == 4


def test_two_ticks_at_once_never_get_the_same_event(tick: Tick, control: ControlPlane) -> None:
    announce(control, "a")
    assert len(requests(tick())) == 1
    assert requests(tick()) == []


def test_the_tick_acknowledges_nothing(tick: Tick, control: ControlPlane, clock: FakeClock) -> None:
    announce(control, "a")
    (first,) = requests(tick())
    clock.advance(LEASE_SECONDS)
    (second,) = requests(tick())
    assert second.run_key != first.run_key
    assert (second.run_key or "").endswith(":2")


def test_companies_that_cannot_be_called_keep_their_events(
    tick: Tick, control: ControlPlane, ephemeral: dg.DagsterInstance
) -> None:
    announce(control, "new", realm=SECOND)
    assert requests(tick()) == [], "the second company is no partition yet"
    ephemeral.add_dynamic_partitions(REALM, [SECOND])
    control.companies.set_status(RealmId(SECOND), ConnectionStatus.NEEDS_REAUTH)
    result = tick()
    assert requests(result) == []
    assert SECOND in str(result.skip_reason)
    control.companies.set_status(RealmId(SECOND), ConnectionStatus.CONNECTED)
    (request,) = requests(tick())
    assert request.tags[REALM_TAG] == SECOND


def test_events_of_a_company_that_is_disconnected_are_settled_once_a_day(
    tick: Tick, control: ControlPlane
) -> None:
    """Those that came while it was being disconnected; the disconnect itself settles the others."""
    today = tick().cursor
    announce(control, "late", realm=SECOND)
    control.companies.set_status(RealmId(SECOND), ConnectionStatus.DISCONNECTED)
    assert SECOND in str(tick(today).skip_reason)
    assert "No event is due" in str(tick("another day").skip_reason)
    (ignored,) = control.inbox.list()
    assert (ignored.status, ignored.reason) == (
        EventStatus.IGNORED,
        "no such company is connected",
    )


def test_an_entity_left_out_meanwhile_is_ignored(tick: Tick, control: ControlPlane) -> None:
    announce(control, "a", entity="Vendor")
    assert requests(tick()) == []
    (ignored,) = control.inbox.list()
    assert ignored.status is EventStatus.IGNORED


def test_a_run_that_has_not_begun_keeps_its_events(
    tick: Tick, control: ControlPlane, clock: FakeClock, ephemeral: dg.DagsterInstance
) -> None:
    announce(control, "a")
    (request,) = requests(tick())
    queued_run(ephemeral, request, dg.DagsterRunStatus.STARTING)
    announce(control, "b")
    for _ in range(4):
        clock.advance(LEASE_SECONDS * 0.8)
        assert requests(tick()) == [], "what came meanwhile goes with the next run"
    assert len(control.inbox.held(request.tags[BATCH_TAG])) == 1


def test_a_run_whose_process_was_killed_makes_room_for_the_next(
    tick: Tick, control: ControlPlane, clock: FakeClock, ephemeral: dg.DagsterInstance
) -> None:
    announce(control, "a")
    (request,) = requests(tick())
    killed = queued_run(ephemeral, request, dg.DagsterRunStatus.STARTED)
    assert requests(tick()) == []
    clock.advance(LEASE_SECONDS)
    (again,) = requests(tick())
    assert again.run_key != request.run_key
    reported = ephemeral.get_run_by_id(killed.run_id)
    assert reported is not None
    assert reported.status is dg.DagsterRunStatus.FAILURE


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED])
def test_events_of_a_run_that_dagster_calls_over_are_due_at_once(
    tick: Tick,
    control: ControlPlane,
    ephemeral: dg.DagsterInstance,
    status: dg.DagsterRunStatus,
) -> None:
    announce(control, "a")
    (request,) = requests(tick())
    run = queued_run(ephemeral, request, dg.DagsterRunStatus.STARTING)
    begin(ephemeral, run)
    end(ephemeral, run, status)
    (again,) = requests(tick())
    assert (again.run_key or "").endswith(":2")


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED])
def test_runs_that_never_begin_park_no_event(
    tick: Tick,
    control: ControlPlane,
    clock: FakeClock,
    ephemeral: dg.DagsterInstance,
    status: dg.DagsterRunStatus,
) -> None:
    """A machine too busy to start a process in time, or one that sleeps: no fault of the event's."""
    announce(control, "a")
    pauses = [*RETRY_SECONDS[:3], *[RETRY_SECONDS[2]] * 2 * MAX_ATTEMPTS]
    for pause in pauses:
        (request,) = requests(tick())
        queued_run(ephemeral, request, status)
        assert requests(tick()) == [], "as often as a tick it would only keep the machine busy"
        (waiting,) = control.inbox.list()
        assert waiting.status is EventStatus.PENDING
        assert waiting.reason == "its run ended before it began"
        clock.advance(pause)
    (request,) = requests(tick())
    begin(ephemeral, queued_run(ephemeral, request, dg.DagsterRunStatus.STARTING))
    assert len(control.inbox.held(request.tags[BATCH_TAG])) == 1


def test_after_five_failed_runs_an_event_is_parked_and_others_go_on(
    tick: Tick, control: ControlPlane, clock: FakeClock
) -> None:
    announce(control, "poison")
    keys = set()
    for _ in range(MAX_ATTEMPTS):
        (request,) = requests(tick())
        keys.add(request.run_key)
        batch = request.tags[BATCH_TAG]
        seqs = [each.seq for each in control.inbox.held(batch)]
        control.inbox.fail(batch, seqs, "it cannot be served")
        clock.advance(max(RETRY_SECONDS))
    assert len(keys) == MAX_ATTEMPTS
    assert requests(tick()) == []
    announce(control, "good")
    assert len(requests(tick())) == 1
    assert control.inbox.backlog().by_status[EventStatus.PARKED] == 1


def test_settled_events_are_forgotten_after_a_month(
    tick: Tick, control: ControlPlane, clock: FakeClock
) -> None:
    announce(control, "a")
    (taken,) = control.inbox.lease("run", realms=[FIRST])
    control.inbox.done("run", [taken.seq])
    cursor = tick().cursor
    clock.advance(31 * 86_400)
    assert tick(cursor).cursor != cursor
    assert control.inbox.list() == []
    assert control.deliveries.list() == []


def run_request(
    instance: dg.DagsterInstance,
    settings: Settings,
    request: dg.RunRequest,
    repeats: dg.DagsterRun | None = None,
) -> Ran:
    """Execute what the sensor asked for, as the daemon and a run worker do."""
    job = build_definitions(settings).resolve_job_def(WEBHOOK_JOB)
    tags = job.get_tags_for_partition_key(str(request.partition_key), selected_asset_keys=None)
    run = instance.create_run_for_job(
        job_def=job,
        tags={**tags, **request.tags},
        asset_selection=frozenset(request.asset_selection or ()),
        parent_run_id=None if repeats is None else repeats.run_id,
        root_run_id=None if repeats is None else repeats.run_id,
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
    )
    execute_run(InMemoryJob(job), run, instance)
    finished = instance.get_run_by_id(run.run_id)
    assert finished is not None
    return Ran(finished, instance)


def sensed(instance: dg.DagsterInstance, settings: Settings) -> list[dg.RunRequest]:
    """One tick of the sensor as it is deployed."""
    definitions = build_definitions(settings)
    sensor = definitions.get_repository_def().get_sensor_def("webhook_events")
    with dg.build_sensor_context(instance=instance) as context:
        result = sensor(context)
    assert isinstance(result, dg.SensorResult)
    return requests(result)


def test_an_edit_reaches_bronze_through_the_sensor_and_its_run(
    connected: Installation,
    sandbox: SandboxServer,
    settings: Settings,
    persistent: dg.DagsterInstance,
) -> None:
    invoice = str(sandbox.edit("update", "Invoice")["id"])
    gone = str(sandbox.edit("delete", "Purchase")["id"])
    realm = sandbox.realm_id
    updated = event("e1", realm=realm, object_id=invoice)
    deleted = event(
        "e2", realm=realm, entity="Purchase", object_id=gone, operation=Operation.DELETE
    )
    connected.control.deliveries.accept([delivery([updated, deleted])])
    (request,) = sensed(persistent, settings)
    sandbox.pop_log()
    ran = run_request(persistent, settings, request)
    assert ran.success, ran
    calls = [(call.tid, call.endpoint) for call in sandbox.pop_log()]
    # The invoice by a query, the purchase by a read: only that proves that it is gone.
    assert len({tid for tid, _ in calls}) == 2
    assert {endpoint for _, endpoint in calls} == {"query", "read"}, calls
    made = ran.materializations()
    assert {table for table, _ in made} == {"invoice", "purchase", "expense"}
    metadata = made["invoice", str(request.partition_key)]
    assert metadata["mode"].value == "webhook"
    assert metadata["rows_written"].value == 1
    assert connected.control.inbox.backlog().by_status == {EventStatus.DONE: 2}
    rows = connected.bronze.sql(
        "SELECT id, event_id, run_id FROM bronze.invoice UNION ALL "
        "SELECT id, event_id, run_id FROM bronze.purchase"
    )[1]
    assert sorted(rows) == sorted([(invoice, "e1", ran.run.run_id), (gone, "e2", ran.run.run_id)])


def test_a_failed_run_gives_its_events_back(
    connected: Installation,
    sandbox: SandboxServer,
    settings: Settings,
    persistent: dg.DagsterInstance,
) -> None:
    connected.control.deliveries.accept([delivery([event("e1", realm=sandbox.realm_id)])])
    (request,) = sensed(persistent, settings)
    sandbox.inject("forbidden", next=1000)
    ran = run_request(persistent, settings, request)
    assert not ran.success
    (waiting,) = connected.control.inbox.list()
    assert (waiting.status, waiting.attempts) == (EventStatus.PENDING, 1)
    assert waiting.reason
    assert sensed(persistent, settings) == [], "not before its pause is over"


def test_a_run_that_waits_for_its_company_holds_on_to_its_events(
    connected: Installation,
    sandbox: SandboxServer,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While somebody else syncs, for minutes where Intuit asks to slow down."""
    realm, control, invoice = RealmId(sandbox.realm_id), connected.control, KEPT[0]
    id = min(sandbox.truth(invoice.name).rows)
    control.deliveries.accept([delivery([event("e1", realm=realm, object_id=id)])])
    control.inbox.lease("batch", realms=[realm])
    monkeypatch.setattr(heartbeat, "beating", partial(heartbeat.beating, seconds=0.01))
    held, beat = threading.Event(), InboxLease.beat

    def seen(lease: InboxLease) -> None:
        beat(lease)
        held.set()

    monkeypatch.setattr(InboxLease, "beat", seen)
    others = CompanyLeases(control.leases, control.environment)
    with (
        RunSyncs(
            lambda: Installation.open(settings), run_id=None, full=False, since=None, batch="batch"
        ) as syncs,
        ThreadPoolExecutor(1) as pool,
    ):
        with others.of(realm):
            step = pool.submit(
                syncs.load, RealmCells(realm, (), None), invoice, Selection((invoice,))
            )
            assert held.wait(60), "the sensor would report the run as gone"
        result = step.result().result
    assert result is not None
    assert (result.written, control.inbox.backlog().by_status) == (1, {EventStatus.DONE: 1})
