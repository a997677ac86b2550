"""Near the end of the month's call budget some types are left out; Dagster shows no load of them."""

from collections.abc import Iterator

import dagster as dg
import pytest

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.defs.partitions import REALM, cell_partitions, current_cell
from ledgerguard_pipeline.defs.run_context import run_scope
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer, build_companies
from ledgerguard_pipeline_tests.conftest import connect
from ledgerguard_pipeline_tests.defs.runs import Ran, run_cells

pytestmark = pytest.mark.usefixtures("bronze_alone")

SOME = ("Customer", "Purchase", "TimeActivity", "Expense")


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(build_companies(1, seed=1, invoices=5)) as server:
        yield server


@pytest.fixture
def thrifty(
    installation: Installation,
    sandbox: SandboxServer,
    settings: Settings,
    installed: dg.DagsterInstance,
) -> Settings:
    """Everything is loaded, and nearly all of the month's calls are used."""
    connect(installation, sandbox)
    installed.add_dynamic_partitions(REALM, [sandbox.realm_id])
    now = str(current_cell(cell_partitions(settings), sandbox.realm_id))
    assert run_cells(installed, settings, now, entities=SOME).success
    used = installation.control.calls.total_month_to_date()
    return settings.model_copy(update={"ledgerguard_monthly_call_budget": int(used / 0.96)})


def again(installed: dg.DagsterInstance, thrifty: Settings, realm: str, **options: object) -> Ran:
    now = str(current_cell(cell_partitions(thrifty), realm))
    with run_scope(thrifty):
        ran = run_cells(installed, thrifty, now, entities=SOME, config=options or None)
    assert ran.success, ran
    return ran


def left_out(ran: Ran) -> set[str]:
    logs = ran.instance.all_logs(ran.run.run_id, of_type=dg.DagsterEventType.ASSET_OBSERVATION)
    found = set()
    for entry in logs:
        event = entry.get_dagster_event().asset_observation_data.asset_observation
        assert "LEDGERGUARD_MONTHLY_CALL_BUDGET" in str(event.metadata["left_out"].value)
        found.add(event.asset_key.path[-1])
    return found


def test_a_type_that_is_not_read_is_not_shown_as_loaded(
    thrifty: Settings, sandbox: SandboxServer, installed: dg.DagsterInstance
) -> None:
    ran = again(installed, thrifty, sandbox.realm_id)
    loaded = {table for table, _ in ran.materializations()}
    assert loaded == {"customer", "purchase", "expense"}
    assert left_out(ran) == {"time_activity"}
    assert ("time_activity", "quarantine_empty") in ran.checks()


def test_where_nothing_is_compared_nothing_is_loaded(
    thrifty: Settings, sandbox: SandboxServer, installed: dg.DagsterInstance
) -> None:
    sandbox.pop_log()
    ran = again(installed, thrifty, sandbox.realm_id, reconcile=True)
    assert sandbox.pop_log() == []
    assert ran.materializations() == {}
    assert left_out(ran) == {"customer", "purchase", "time_activity"}
