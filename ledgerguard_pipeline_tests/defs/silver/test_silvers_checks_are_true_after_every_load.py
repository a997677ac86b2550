"""A load judges the Silver it wrote: by click, by webhook and in sweeps, and over all companies."""

import json
from collections.abc import Iterator
from decimal import Decimal

import dagster as dg
import pytest
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecordStatus as Status,
)

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.check_faults import Judged
from ledgerguard_pipeline.defs.keys import silver_key
from ledgerguard_pipeline.defs.monitoring.check_sensor import correct
from ledgerguard_pipeline.defs.partitions import REALM, cell_partitions, current_cell
from ledgerguard_pipeline.entities import entity_type, entity_types
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.books.entity_table import Row
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.silver.checks.check import LEVEL, RESOLVED, checks_of
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import delivery, event
from ledgerguard_pipeline_tests.defs.fleet.test_a_sweep_is_one_quiet_run import run_shard
from ledgerguard_pipeline_tests.defs.runs import Ran, by_company, run_cells
from ledgerguard_pipeline_tests.sharing import connect_all, small_companies
from ledgerguard_pipeline_tests.silver.books import as_json

INVOICE, CUSTOMER = entity_type("Invoice"), entity_type("Customer")
SOME = (INVOICE.name, CUSTOMER.name)
WRONG = "900001"
"""An invoice of the first company whose customer nobody knows."""


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    companies = small_companies(2)
    invoices = companies[0].tables["Invoice"]
    model = next(iter(invoices.rows.values()))
    body = json.loads(invoices.body(model), parse_float=Decimal)
    body |= {"Id": WRONG, "CustomerRef": {"value": "999999"}}
    row = Row(WRONG, model.created, model.updated, 0, active=True, body=as_json(body).encode())
    invoices.put(row)
    with SandboxServer(companies) as server:
        yield server


@pytest.fixture
def settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("LEDGERGUARD_ENTITIES", ",".join(SOME))
    return settings.model_copy(update={"ledgerguard_entities": SOME})


@pytest.fixture
def two(installation: Installation, sandbox: SandboxServer) -> Installation:
    connect_all(installation.control, sandbox)
    return installation


@pytest.fixture
def grid(persistent: dg.DagsterInstance, sandbox: SandboxServer) -> dg.DagsterInstance:
    persistent.add_dynamic_partitions(REALM, sandbox.realms)
    return persistent


def shown(grid: dg.DagsterInstance, check: str) -> Status:
    """What the overview of the asset of invoices shows."""
    key = dg.AssetCheckKey(silver_key(INVOICE), check)
    return grid.event_log_storage.get_latest_asset_check_execution_by_key([key])[key].status


def test_every_way_of_loading_judges_the_silver_it_wrote(
    two: Installation, sandbox: SandboxServer, settings: Settings, grid: dg.DagsterInstance
) -> None:
    broken, fine = sandbox.realms

    def load(realm: str) -> Ran:
        now = str(current_cell(cell_partitions(settings), realm))
        return run_cells(grid, settings, now, entities=SOME)

    def webhook(realm: str, batch: str, id: str) -> Ran:
        found = event(f"{batch}{id}", realm=realm, entity="Invoice", object_id=id)
        two.control.deliveries.accept([delivery([found])])
        two.control.inbox.lease(batch, realms=[realm])
        return run_shard(grid, settings, task="events", batch=batch)

    first = load(broken)
    expected = {(each.table, one.name) for each in (INVOICE, CUSTOMER) for one in checks_of(each)}
    assert set(first.checks("silver")) == expected
    # Invoices come before their customers, and are judged when both are there.
    said = f"1 found: invoice {WRONG}: customer_id 999999"
    check = first.checks("silver")[INVOICE.table, RESOLVED.name]
    assert by_company(check.metadata)[broken]["finding"] == said
    assert load(broken).checks("silver") == {}  # nothing came, so nothing is looked at

    sweep = run_shard(grid, settings, task="first")
    # The other company's invoices are fine, which makes this one's no better.
    check = sweep.checks("silver")[INVOICE.table, RESOLVED.name]
    assert not check.passed
    assert check.severity is dg.AssetCheckSeverity.WARN
    assert by_company(check.metadata)[broken]["finding"] == said
    assert fine not in by_company(check.metadata)

    ran = webhook(fine, "one", str(sandbox.edit("update", "Invoice", realm_id=fine)["id"]))
    assert {table for table, _ in ran.checks("silver")} == {INVOICE.table}
    assert shown(grid, RESOLVED.name) is Status.FAILED
    assert shown(grid, LEVEL.name) is Status.SUCCEEDED
    assert run_shard(grid, settings).checks("silver") == {}
    sandbox.edit("delete", "Invoice", WRONG, realm_id=broken)
    assert run_shard(grid, settings).checks("silver")[INVOICE.table, RESOLVED.name].passed


def test_the_sensor_knows_silvers_checks(
    two: Installation, sandbox: SandboxServer, settings: Settings, grid: dg.DagsterInstance
) -> None:
    assert run_shard(grid, settings, task="first").success
    entities = entity_types(SOME)
    faults = two.control.check_faults
    assert correct(grid, entities, faults.read(), entities) == []
    faults.judged(RealmId(sandbox.realms[0]), [Judged("Invoice", LEVEL.name, "1 found: 7")])
    assert correct(grid, entities, faults.read(), entities) == [f"invoice {LEVEL.name}"]
    assert shown(grid, LEVEL.name) is Status.FAILED
