"""A check is green only while no company fails it, whichever company was looked at last."""

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecordStatus as Status,
)

from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.check_faults import Judged
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.defs.bronze.checks import (
    COMPLETE,
    LOADED,
    ONE_ROW,
    QUARANTINE,
    check_names,
)
from ledgerguard_pipeline.defs.monitoring.check_sensor import build_check_sensor, correct
from ledgerguard_pipeline.defs.partitions import REALM, cell_partitions, current_cell
from ledgerguard_pipeline.entities import entity_types
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import delivery, event
from ledgerguard_pipeline_tests.defs.fleet.test_a_sweep_is_one_quiet_run import run_shard
from ledgerguard_pipeline_tests.defs.runs import Ran, by_company, key_of, run_cells
from ledgerguard_pipeline_tests.sharing import connect_all, small_companies

pytestmark = pytest.mark.usefixtures("bronze_alone")

SOME = ("Customer", "Vendor")


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(small_companies(2)) as server:
        yield server


@pytest.fixture
def settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An installation that keeps few entity types, in this process and in its runs."""
    kept = SOME
    monkeypatch.setenv("LEDGERGUARD_ENTITIES", ",".join(kept))
    return settings.model_copy(update={"ledgerguard_entities": kept})


@pytest.fixture
def two(installation: Installation, sandbox: SandboxServer) -> Installation:
    """Two connected companies of which nothing is loaded."""
    connect_all(installation.control, sandbox)
    return installation


@pytest.fixture
def grid(persistent: dg.DagsterInstance, sandbox: SandboxServer) -> dg.DagsterInstance:
    persistent.add_dynamic_partitions(REALM, sandbox.realms)
    return persistent


def load(grid: dg.DagsterInstance, settings: Settings, realm: str, **options: object) -> Ran:
    now = str(current_cell(cell_partitions(settings), realm))
    return run_cells(grid, settings, now, config=options or None)


def shown(grid: dg.DagsterInstance, check: str, entity: str = "Customer") -> Status:
    """What the overview of the asset shows of a check: its last execution."""
    key = dg.AssetCheckKey(key_of(entity), check)
    return grid.event_log_storage.get_latest_asset_check_execution_by_key([key])[key].status


def refuse(sandbox: SandboxServer, realm: str, entity: str = "Customer") -> None:
    for endpoint in ("batch_item", "query", "cdc", "read"):
        sandbox.inject("company_expired", endpoint=endpoint, entity=entity, realm=realm, next=1000)


def break_count(two: Installation, realm: str) -> None:
    """What a reconciliation that could not repair a difference leaves behind."""
    fault = Judged("Customer", COMPLETE, "Intuit counts 9, Bronze holds 8.")
    two.control.check_faults.judged(RealmId(realm), [fault])


def test_a_company_that_passes_later_does_not_hide_the_one_that_fails(
    two: Installation, sandbox: SandboxServer, settings: Settings, grid: dg.DagsterInstance
) -> None:
    broken, fine = sandbox.realms
    assert load(grid, settings, fine).success
    refuse(sandbox, broken)
    assert not load(grid, settings, broken).success
    assert shown(grid, LOADED) is Status.FAILED
    later = load(grid, settings, fine)
    assert later.success
    assert shown(grid, LOADED) is Status.FAILED
    assert shown(grid, LOADED, "Vendor") is Status.SUCCEEDED
    check = later.checks()["customer", LOADED]
    assert check.metadata["companies that fail"].value == 1
    rows = by_company(check.metadata)
    assert (rows[broken]["company"], rows[broken]["result"]) == ("Company 1", "fails")
    assert rows[broken]["finding"]
    assert str(check.description).startswith(f"Company 1 ({broken}): ")
    assert fine not in rows or rows[fine]["result"] == "passes"

    sandbox.clear_faults()
    healed = load(grid, settings, broken)
    assert healed.success
    assert shown(grid, LOADED) is Status.SUCCEEDED


def test_a_load_that_does_not_count_keeps_what_the_last_count_found(
    two: Installation, sandbox: SandboxServer, settings: Settings, grid: dg.DagsterInstance
) -> None:
    broken, fine = sandbox.realms
    for realm in sandbox.realms:
        assert load(grid, settings, realm).success
    break_count(two, broken)
    for realm in (broken, fine):
        ran = load(grid, settings, realm)
        check = ran.checks()["customer", COMPLETE]
        assert not check.passed
        assert check.severity is dg.AssetCheckSeverity.ERROR
    counted = load(grid, settings, broken, full=True)
    assert counted.success, counted
    assert counted.checks()["customer", COMPLETE].passed


def test_a_sweep_tells_each_check_once_over_all_companies(
    two: Installation, sandbox: SandboxServer, settings: Settings, grid: dg.DagsterInstance
) -> None:
    broken, fine = sandbox.realms
    first = run_shard(grid, settings, task="first")
    assert first.success, first
    assert len(first.checks()) == len(check_names()) * len(SOME)
    assert all(each.passed for each in first.checks().values())

    refuse(sandbox, broken)
    sandbox.edit("update", "Customer", realm_id=fine)
    failing = run_shard(grid, settings)
    assert shown(grid, LOADED) is Status.FAILED
    assert "customer" in {table for table, _ in failing.checks()}

    sandbox.edit("update", "Customer", realm_id=fine)
    assert load(grid, settings, fine).success
    assert shown(grid, LOADED) is Status.FAILED

    sandbox.clear_faults()
    assert run_shard(grid, settings).success
    assert shown(grid, LOADED) is Status.SUCCEEDED
    idle = run_shard(grid, settings)
    assert idle.checks() == {}


def test_a_sweep_judges_what_only_bronze_shows(
    two: Installation, sandbox: SandboxServer, settings: Settings, grid: dg.DagsterInstance
) -> None:
    def change(sql: str) -> None:
        def work(session: OpenStore, _present: set[str]) -> None:
            session.connection.execute(sql)

        two.bronze.beside(work)

    realm = sandbox.realms[0]
    assert run_shard(grid, settings, task="first").success
    double = (
        "INSERT INTO bronze.customer SELECT * FROM bronze.customer "
        f"WHERE realm_id = '{realm}' AND state = 'active' LIMIT 1"
    )
    change(double)
    sandbox.edit("update", "Customer", realm_id=realm)
    check = run_shard(grid, settings).checks()["customer", ONE_ROW]
    assert not check.passed
    assert by_company(check.metadata)[realm]["finding"] == "1 rows double a version."

    mend = "CREATE OR REPLACE TABLE bronze.customer AS SELECT DISTINCT * FROM bronze.customer"
    change(mend)
    assert run_shard(grid, settings).checks()["customer", ONE_ROW].passed


def test_events_that_one_company_cannot_read_are_not_hidden_by_anothers(
    two: Installation, sandbox: SandboxServer, settings: Settings, grid: dg.DagsterInstance
) -> None:
    broken, fine = sandbox.realms
    assert run_shard(grid, settings, task="first").success

    def dispatch(realm: str, batch: str) -> Ran:
        changed = str(sandbox.edit("update", "Customer", realm_id=realm)["id"])
        reported = event(f"{batch}{changed}", realm=realm, entity="Customer", object_id=changed)
        two.control.deliveries.accept([delivery([reported])])
        two.control.inbox.lease(batch, realms=[realm])
        return run_shard(grid, settings, task="events", batch=batch)

    refuse(sandbox, broken)
    dispatch(broken, "one")
    assert shown(grid, LOADED) is Status.FAILED
    dispatch(fine, "two")
    assert shown(grid, LOADED) is Status.FAILED
    # Whatever its events announced a sync brings as well.
    sandbox.clear_faults()
    assert load(grid, settings, broken).success
    assert shown(grid, LOADED) is Status.SUCCEEDED


def test_the_sensor_corrects_a_check_that_shows_something_else(
    two: Installation, sandbox: SandboxServer, settings: Settings, grid: dg.DagsterInstance
) -> None:
    broken = sandbox.realms[0]
    for realm in sandbox.realms:
        assert load(grid, settings, realm).success
    entities = entity_types(SOME)
    assert correct(grid, entities, two.control.check_faults.read()) == []
    break_count(two, broken)
    sensor = build_check_sensor(entities, lambda: ControlPlane.open(settings))
    sensor(dg.build_sensor_context(instance=grid))
    assert shown(grid, COMPLETE) is Status.FAILED
    assert shown(grid, QUARANTINE) is Status.SUCCEEDED
    assert correct(grid, entities, two.control.check_faults.read()) == []

    # A company that was disconnected is nobody's fault any more.
    two.control.companies.set_status(RealmId(broken), ConnectionStatus.DISCONNECTED)
    assert correct(grid, entities, two.control.check_faults.read()) == [f"customer {COMPLETE}"]
    assert shown(grid, COMPLETE) is Status.SUCCEEDED
