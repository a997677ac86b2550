"""What a click on Materialize does, from one cell to a year of two companies."""

import json
from collections.abc import Iterator

import dagster as dg
import pytest
import time_machine

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.defs.bronze.checks import check_names
from ledgerguard_pipeline.defs.partitions import REALM, cell_partitions, current_cell
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer, build_companies
from ledgerguard_pipeline_tests.conftest import connect
from ledgerguard_pipeline_tests.defs.runs import Ran, by_company, run_cells

pytestmark = pytest.mark.usefixtures("bronze_alone")


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    """Two small companies."""
    with SandboxServer(build_companies(2, seed=1, invoices=20)) as server:
        yield server


@pytest.fixture
def connected(installation: Installation, sandbox: SandboxServer) -> Installation:
    for realm_id in sandbox.realms:
        connect(installation, sandbox, realm_id)
    return installation


@pytest.fixture
def grid(installed: dg.DagsterInstance, sandbox: SandboxServer) -> dg.DagsterInstance:
    installed.add_dynamic_partitions(REALM, sandbox.realms)
    return installed


def _current(settings: Settings, realm_id: str) -> str:
    return str(current_cell(cell_partitions(settings), realm_id))


def _number(ran: Ran, table: str, partition: str, name: str) -> object:
    return ran.materializations()[table, partition][name].value


def test_one_cell_loads_that_entity_of_that_company_byte_for_byte(
    connected: Installation, sandbox: SandboxServer, settings: Settings, grid: dg.DagsterInstance
) -> None:
    realm_id = sandbox.realm_id
    now = _current(settings, realm_id)
    ran = run_cells(grid, settings, now, entities=["Invoice"])
    assert ran.success
    truth = sandbox.truth("Invoice", realm_id).bodies()
    _, rows = connected.bronze.sql("SELECT realm_id, id, payload FROM bronze.invoice_current")
    assert {str(row[1]): str(row[2]).encode() for row in rows} == truth
    assert {row[0] for row in rows} == {realm_id}
    assert {table for table, _ in ran.materializations()} == {"invoice"}
    assert {cell.partition("|")[0] for _, cell in ran.materializations()} == {realm_id}
    assert _number(ran, "invoice", now, "rows_written") == len(truth)
    assert _number(ran, "invoice", now, "dagster/row_count") == len(truth)


def test_a_whole_column_loads_with_all_checks_passed_and_again_for_one_call_without_a_change(
    connected: Installation, sandbox: SandboxServer, settings: Settings, grid: dg.DagsterInstance
) -> None:
    now = _current(settings, sandbox.realm_id)
    ran = run_cells(grid, settings, now)
    assert ran.success
    assert len({table for table, _ in ran.materializations()}) == len(settings.kept_entities) + 1
    failed = {name: each.metadata for name, each in ran.checks().items() if not each.passed}
    assert failed == {}
    assert len(ran.checks()) == len(check_names()) * len(settings.kept_entities) + 1
    invoices = connected.bronze.count("Invoice", sandbox.realm_id)
    complete = ran.checks()["invoice", "complete_against_count"]
    assert by_company(complete.metadata)[sandbox.realm_id]["stored"] == invoices

    before = connected.bronze.counts(sandbox.realm_id)
    sandbox.pop_log()
    again = run_cells(grid, settings, now)
    assert again.success
    assert len(sandbox.pop_log()) == 1
    assert connected.bronze.counts(sandbox.realm_id) == before
    assert {
        table: metadata["rows_written"].value
        for (table, _), metadata in again.materializations().items()
        if "rows_written" in metadata and metadata["rows_written"].value
    } == {}


def test_expense_shows_cash_and_card_purchases_without_a_call_of_its_own(
    connected: Installation, sandbox: SandboxServer, settings: Settings, grid: dg.DagsterInstance
) -> None:
    now = _current(settings, sandbox.realm_id)
    assert run_cells(grid, settings, now, entities=["Purchase"]).success
    sandbox.pop_log()
    ran = run_cells(grid, settings, now, entities=["Expense"])
    assert ran.success
    assert sandbox.pop_log() == []
    stored = _number(ran, "expense", now, "dagster/row_count")
    assert stored == connected.bronze.count("Expense", sandbox.realm_id) > 0


def test_a_year_of_a_company_is_one_run_and_every_cell_is_materialized_once(
    connected: Installation, sandbox: SandboxServer, settings: Settings, grid: dg.DagsterInstance
) -> None:
    realm_id = sandbox.realm_id
    now = _current(settings, realm_id)
    ran = run_cells(grid, settings, f"{realm_id}|2026-01-01", now, entities=["Invoice", "Customer"])
    assert ran.success
    windows = cell_partitions(settings).get_partitions_def_for_dimension("window")
    expected = {
        (table, f"{realm_id}|{window}")
        for table in ("invoice", "customer")
        for window in windows.get_partition_keys()
    }
    assert set(ran.materializations()) == expected
    truth = sandbox.truth("Invoice", realm_id).bodies()
    assert connected.bronze.count("Invoice", realm_id) == len(truth)
    # The figures stand on one cell, so that their sum over the grid is what was written.
    written = [
        metadata["rows_written"].value
        for (table, _), metadata in ran.materializations().items()
        if table == "invoice" and "rows_written" in metadata
    ]
    assert written == [len(truth)]

    # Windows asked for once more are read once more, whatever the watermark says.
    again = run_cells(grid, settings, f"{realm_id}|2026-01-01", now, entities=["Invoice"])
    assert _number(again, "invoice", now, "rows_unchanged") == len(truth)


def test_an_old_cell_heals_rows_without_moving_the_watermark(
    connected: Installation, sandbox: SandboxServer, settings: Settings, grid: dg.DagsterInstance
) -> None:
    realm_id = sandbox.realm_id
    assert run_cells(grid, settings, _current(settings, realm_id), entities=["Invoice"]).success
    before = connected.bronze.watermarks(realm_id)
    stored = connected.bronze.counts(realm_id)
    ran = run_cells(grid, settings, f"{realm_id}|2026-01-01", entities=["Invoice"])
    assert ran.success
    assert connected.bronze.watermarks(realm_id) == before
    assert connected.bronze.counts(realm_id) == stored
    assert _number(ran, "invoice", f"{realm_id}|2026-01-01", "rows_written") == 0


def test_a_range_typed_by_hand_over_two_companies_loads_both(
    connected: Installation, sandbox: SandboxServer, settings: Settings, grid: dg.DagsterInstance
) -> None:
    first, second = sandbox.realms
    ran = run_cells(
        grid, settings, f"{first}|2026-01-01", _current(settings, second), entities=["Customer"]
    )
    assert ran.success
    assert {partition.partition("|")[0] for _, partition in ran.materializations()} == {
        first, second,
    }  # fmt: skip
    for realm_id in sandbox.realms:
        truth = sandbox.truth("Customer", realm_id).bodies()
        assert connected.bronze.count("Customer", realm_id) == len(truth)
        check = ran.checks()["customer", "every_row_accounted_for"]
        assert check.passed
        assert by_company(check.metadata)[realm_id]["unaccounted"] == 0


def test_full_walks_again_although_nothing_changed(
    connected: Installation, sandbox: SandboxServer, settings: Settings, grid: dg.DagsterInstance
) -> None:
    now = _current(settings, sandbox.realm_id)
    run_cells(grid, settings, now, entities=["Invoice"])
    ran = run_cells(grid, settings, now, entities=["Invoice"], config={"full": True})
    assert _number(ran, "invoice", now, "mode") == "full"
    assert _number(ran, "invoice", now, "rows_unchanged") == len(sandbox.truth("Invoice").bodies())


@pytest.mark.parametrize(
    "since,complaint", [("yesterday", "not a time"), ("2999-01-01T00:00:00Z", "future")]
)
def test_an_unusable_since_fails_the_run_before_any_call(
    connected: Installation,
    sandbox: SandboxServer,
    settings: Settings,
    grid: dg.DagsterInstance,
    since: str,
    complaint: str,
) -> None:
    sandbox.pop_log()
    now = _current(settings, sandbox.realm_id)
    ran = run_cells(grid, settings, now, entities=["Invoice"], config={"since": since})
    assert ran.run.status is dg.DagsterRunStatus.FAILURE
    reported = " ".join(
        entry.user_message + str(entry.dagster_event) for entry in grid.all_logs(ran.run.run_id)
    )
    assert complaint in reported
    assert sandbox.pop_log() == []


def test_the_sample_shows_money_as_the_text_intuit_sent(
    connected: Installation, sandbox: SandboxServer, settings: Settings, grid: dg.DagsterInstance
) -> None:
    now = _current(settings, sandbox.realm_id)
    ran = run_cells(grid, settings, now, entities=["Invoice"])
    sample = ran.materializations()["invoice", now]["sample"]
    assert isinstance(sample, dg.TableMetadataValue)
    bodies = sandbox.truth("Invoice").bodies()
    assert 0 < len(sample.records) <= 5
    for record in sample.records:
        exact = json.loads(bodies[str(record.data["id"])], parse_float=str, parse_int=str)
        assert record.data["TotalAmt"] == exact["TotalAmt"]
    lines = [each.user_message for each in grid.all_logs(ran.run.run_id)]
    count = f"{len(bodies):,}"
    line = f"{sandbox.realm_id}: Invoice full, {count} fetched, {count} written, 0 deleted"
    assert line in lines, "what the command line prints stands among Dagster's events"


def test_every_number_that_shall_plot_is_a_number(
    connected: Installation, sandbox: SandboxServer, settings: Settings, grid: dg.DagsterInstance
) -> None:
    now = _current(settings, sandbox.realm_id)
    metadata = run_cells(grid, settings, now, entities=["Invoice"]).materializations()[
        "invoice", now
    ]
    for name in (
        "rows_fetched", "rows_written", "rows_deleted", "rows_unchanged", "rows_quarantined",
        "api_calls", "bytes", "dagster/row_count", "quarantine", "metered_calls_this_month",
    ):  # fmt: skip
        assert isinstance(metadata[name], dg.IntMetadataValue), name
    assert isinstance(metadata["seconds"], dg.FloatMetadataValue)
    assert isinstance(metadata["call_budget_percent"], dg.FloatMetadataValue)
    assert isinstance(metadata["watermark"], dg.TimestampMetadataValue)


def test_steps_of_a_run_share_one_sync_and_so_its_calls(
    connected: Installation, sandbox: SandboxServer, settings: Settings, grid: dg.DagsterInstance
) -> None:
    now = _current(settings, sandbox.realm_id)
    run_cells(grid, settings, now, entities=["Customer", "Vendor", "Item"])
    sandbox.edit("create", "Customer")
    sandbox.pop_log()
    ran = run_cells(grid, settings, now, entities=["Customer", "Vendor", "Item"])
    assert ran.success
    # What changed, by change data capture for all three, and the one object in a query's form.
    assert len(sandbox.pop_log()) == 2
    assert _number(ran, "customer", now, "rows_written") == 1


def test_a_month_that_ends_moves_the_company_to_the_next_cell_without_a_gap(
    connected: Installation, sandbox: SandboxServer, settings: Settings, grid: dg.DagsterInstance
) -> None:
    with time_machine.travel("2026-11-30T23:59:00Z", tick=True):
        last = _current(settings, sandbox.realm_id)
    with time_machine.travel("2026-12-01T00:01:00Z", tick=True):
        next_one = _current(settings, sandbox.realm_id)
    assert (last[-10:], next_one[-10:]) == ("2026-11-01", "2026-12-01")
