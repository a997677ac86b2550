"""A load records Silver's materialization beside Bronze's, and only if Silver has the rows."""

import dagster as dg
import pytest
from dagster import AssetKey

from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.defs.keys import asset_key, silver_key
from ledgerguard_pipeline.defs.partitions import REALM, cell_partitions, current_cell
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.defs.fleet.test_a_sweep_is_one_quiet_run import run_shard
from ledgerguard_pipeline_tests.defs.runs import Ran, run_cells

INVOICE = entity_type("Invoice")
BRONZE, SILVER = asset_key(INVOICE), silver_key(INVOICE)


@pytest.fixture(autouse=True)
def only_invoices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGERGUARD_ENTITIES", "Invoice")


def recorded(ran: Ran) -> set[AssetKey]:
    events = ran.instance.all_logs(
        ran.run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION
    )
    return {
        each.get_dagster_event().step_materialization_data.materialization.asset_key
        for each in events
    }


def lose_a_silver_table(installation: Installation) -> None:
    """What only a person does: Silver's next write of invoices fails."""

    def drop(session: OpenStore, _: set[str]) -> None:
        session.connection.execute(f'DROP TABLE "{session.catalog}".silver.invoice_line')

    installation.bronze.beside(drop)


@pytest.mark.parametrize("sweeping", [False, True])
def test_a_load_whose_silver_failed_records_bronze_alone(
    connected: Installation,
    sandbox: SandboxServer,
    settings: Settings,
    installed: dg.DagsterInstance,
    sweeping: bool,
) -> None:
    installed.add_dynamic_partitions(REALM, [sandbox.realm_id])

    def load(task: str) -> Ran:
        if sweeping:
            return run_shard(installed, settings, task=task, shard=0, shards=1)
        cell = str(current_cell(cell_partitions(settings), sandbox.realm_id))
        return run_cells(installed, settings, cell, entities=["Invoice"])

    assert recorded(load("first")) >= {BRONZE, SILVER}
    lose_a_silver_table(connected)
    sandbox.edit("create", "Invoice")
    ran = load("changes")
    assert ran.success
    assert BRONZE in recorded(ran)
    assert SILVER not in recorded(ran)
