"""A sweep's run: many companies loaded, only what changed reported, each one's fate in its table."""

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run

from ledgerguard_pipeline.capabilities import Capability
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.webhook_queue.queue import EventStatus
from ledgerguard_pipeline.defs.build import build_definitions
from ledgerguard_pipeline.defs.fleet.job import SweepSummary
from ledgerguard_pipeline.defs.fleet.shards import Shard, SweepTask
from ledgerguard_pipeline.defs.keys import FLEET_JOB, FOUND_NOTHING, IDLE_TAG
from ledgerguard_pipeline.defs.partitions import current_cell, windows_of
from ledgerguard_pipeline.ingestion.readers import full_load
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import delivery, event
from ledgerguard_pipeline_tests.defs.runs import Ran
from ledgerguard_pipeline_tests.sharing import connect_all, small_companies

pytestmark = pytest.mark.usefixtures("bronze_alone")


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(small_companies(3)) as server:
        yield server


@pytest.fixture
def fleet(
    installation: Installation, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> Installation:
    """Three connected companies of which nothing is loaded."""
    monkeypatch.setenv("LEDGERGUARD_ENTITIES", "Customer,Purchase,Vendor")
    connect_all(installation.control, sandbox)
    return installation


def run_shard(instance: dg.DagsterInstance, settings: Settings, **config: object) -> Ran:
    """Execute a sweep as the daemon and a run worker do."""
    job = build_definitions(settings).resolve_job_def(FLEET_JOB)
    run = instance.create_run_for_job(
        job_def=job,
        run_config={
            "ops": {"sweep": {"config": config}},
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
        },
    )
    execute_run(InMemoryJob(job), run, instance)
    finished = instance.get_run_by_id(run.run_id)
    assert finished is not None
    return Ran(finished, instance)


def reported(ran: Ran) -> dict[str, object]:
    """The table of a run."""
    outputs = ran.instance.all_logs(ran.run.run_id, of_type=dg.DagsterEventType.STEP_OUTPUT)
    (output,) = [each.get_dagster_event().step_output_data.metadata for each in outputs]
    return {name: value.value for name, value in output.items()}


def test_a_run_loads_many_companies_and_tells_only_what_changed(
    fleet: Installation,
    sandbox: SandboxServer,
    settings: Settings,
    persistent: dg.DagsterInstance,
    cells: dg.MultiPartitionsDefinition,
) -> None:
    first = run_shard(persistent, settings, task="first")
    assert first.success, first
    tables = ("customer", "expense", "purchase", "vendor")
    assert first.materializations().keys() == {
        (table, f"{realm}|{window}")
        for realm in sandbox.realms
        for table in tables
        for window in windows_of(cells).get_partition_keys()
    }
    assert reported(first)["companies_changed"] == 3

    idle = run_shard(persistent, settings)
    assert idle.success, idle
    assert idle.materializations() == {}
    assert reported(idle)["companies_idle"] == 3
    assert idle.run.tags[IDLE_TAG] == FOUND_NOTHING
    assert reported(idle)["api_calls"] == 3
    events = persistent.all_logs(idle.run.run_id)
    assert len(events) < 20, "idle companies leave no event"

    changed = sandbox.realms[1]
    sandbox.edit("update", "Purchase", realm_id=changed)
    sandbox.inject("forbidden", realm=sandbox.realms[2], next=100)
    one = run_shard(persistent, settings)
    assert one.success, one
    cell = str(current_cell(cells, changed))
    made = one.materializations()
    assert ("purchase", cell) in made
    assert ("expense", cell) in made
    assert {each for _, each in made} == {cell}
    assert made["purchase", cell]["rows_written"].value == 1
    table = reported(one)
    assert (table["companies_changed"], table["companies_failed"]) == (1, 1)
    (failure,) = table["failures"].records  # type: ignore[attr-defined]  # a table
    assert failure.data["company"] == sandbox.realms[2]
    assert failure.data["what_to_do"]


def test_what_a_type_brought_before_it_failed_is_shown_with_the_failure(
    fleet: Installation,
    sandbox: SandboxServer,
    settings: Settings,
    persistent: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    realm = sandbox.realms[0]
    monkeypatch.setattr(full_load, "CHUNK_PAGES", 1)
    fleet.control.capabilities.note(RealmId(realm), "Customer", Capability.PAGE_ROWS, "50")
    sandbox.inject("forbidden", realm=realm, endpoint="query", entity="Customer", skip=2, next=1000)
    ran = run_shard(persistent, settings, task="first")
    held = fleet.bronze.count("Customer", realm)
    assert 0 < held < len(sandbox.truth("Customer", realm).rows)
    made = {
        table: metadata
        for (table, cell), metadata in ran.materializations().items()
        if cell.startswith(realm) and "rows_written" in metadata
    }
    assert made["customer"]["rows_written"].value == held
    assert "403" in str(made["customer"]["failed"].value)
    assert "failed" not in made["vendor"]


def test_a_sweep_in_which_every_company_fails_is_a_failed_run(
    fleet: Installation,
    sandbox: SandboxServer,
    settings: Settings,
    persistent: dg.DagsterInstance,
) -> None:
    sandbox.inject("forbidden", next=1000)
    ran = run_shard(persistent, settings, task="first")
    assert not ran.success
    ((description, metadata),) = ran.failures().values()
    assert "All 3 companies" in description
    assert metadata["companies_failed"].value == 3


def test_a_run_of_its_own_waits_for_nobody_once_the_sweep_is_done(
    fleet: Installation, settings: Settings, persistent: dg.DagsterInstance
) -> None:
    assert run_shard(persistent, settings, task="first", shard=0, shards=2).success
    assert run_shard(persistent, settings, task="first", shard=1, shards=2).success
    sync_states = fleet.bronze.watermarks_of(
        [each.realm_id for each in fleet.control.companies.list()]
    )
    assert all(len(marker) == 3 for marker in sync_states.values()), (
        "both shards together are everything"
    )
    with fleet.control.database.read() as connection:
        held = connection.exec_driver_sql(
            "SELECT count(*) FROM leases WHERE name LIKE 'sync:%' AND owner <> ''"
        ).scalar_one()
    assert held == 0


def test_the_events_of_a_batch_are_acknowledged_by_its_run(
    fleet: Installation,
    sandbox: SandboxServer,
    settings: Settings,
    persistent: dg.DagsterInstance,
) -> None:
    ids = [str(sandbox.edit("update", "Vendor", realm_id=realm)["id"]) for realm in sandbox.realms]
    announced = [
        event(f"e{id}", realm=realm, entity="Vendor", object_id=id)
        for realm, id in zip(sandbox.realms, ids, strict=True)
    ]
    fleet.control.deliveries.accept([delivery(announced)])
    fleet.control.inbox.lease("batch-7", realms=sandbox.realms)
    ran = run_shard(persistent, settings, task="events", batch="batch-7")
    assert ran.success, ran
    assert {table for table, _ in ran.materializations()} == {"vendor"}
    assert fleet.control.inbox.backlog().by_status == {EventStatus.DONE: 3}


def test_the_table_of_a_run_is_bounded() -> None:
    totals = SweepSummary()
    totals.failures = [(realm, "failed", "wait") for realm in map(str, range(300))]
    table = totals.metadata(Shard(SweepTask.CHANGES, 0, 1))["failures"]
    assert len(table.records) == 100  # type: ignore[attr-defined]  # a table
