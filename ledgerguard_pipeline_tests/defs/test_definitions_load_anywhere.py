"""Definitions load with nothing configured, nothing connected and nothing reachable.

Dagster imports them in the web server's and the daemon's code server and in every run; whatever
could fail there would take all companies down at once.
"""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from ledgerguard_pipeline.defs.build import build_definitions
from ledgerguard_pipeline.defs.partitions import REALM, WINDOW
from ledgerguard_pipeline.entities import DERIVED, ENTITIES
from ledgerguard_pipeline.errors import ConfigurationError
from ledgerguard_pipeline.reports.stored import STORED_REPORTS
from ledgerguard_pipeline_tests.defs.conftest import plain_settings

PROJECT = Path(__file__).parents[2]
OTHERS = ("ledger", "reports", "silver")

GROUPS = {
    "sales": {
        "change_order", "credit_memo", "customer", "estimate", "invoice", "payment", "recurring_transaction",
        "refund_receipt", "reimburse_charge", "sales_receipt", "time_activity",
    },
    "purchases": {
        "bill", "bill_payment", "expense", "inventory_adjustment", "purchase", "purchase_order",
        "vendor", "vendor_credit",
    },
    "banking": {"account", "credit_card_payment", "deposit", "journal_entry", "transfer"},
    "lists": {
        "class", "company_currency", "customer_type", "department", "employee", "item",
        "journal_code", "payment_method", "term",
    },
    "tax": {"tax_agency", "tax_classification", "tax_code", "tax_payment", "tax_rate"},
    "company": {
        "attachable", "budget", "company_info", "exchange_rate", "preferences",
    },
}  # fmt: skip


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """An empty folder, the home and working folder of a process that knows nothing else."""
    folder = tmp_path / "bare"
    folder.mkdir()
    return folder


def _in_a_bare_process(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "HOME": str(folder)}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


def test_every_entity_is_an_asset_of_its_group_over_company_and_window() -> None:
    definitions = build_definitions(plain_settings())
    graph = definitions.resolve_asset_graph()
    found: dict[str, set[str]] = {}
    others = {key for key in graph.materializable_asset_keys if key.path[1] in OTHERS}
    for key in graph.materializable_asset_keys - others:
        assert key.path[:2] == ["qbo", "bronze"]
        node = graph.get(key)
        assert node.group_name is not None
        found.setdefault(node.group_name.removeprefix("quickbooks_"), set()).add(key.path[2])
        assert node.group_name.startswith("quickbooks_"), "a host project has a group of sales too"
        partitions = node.partitions_def
        assert isinstance(partitions, dg.MultiPartitionsDefinition)
        assert set(partitions.partition_dimension_names) == {REALM, WINDOW}
        assert node.backfill_policy is None, "a run per cell, so that each is one company's"
        assert node.owners
        assert node.description
        schema = node.metadata["dagster/column_schema"]
        assert isinstance(schema, dg.TableSchema)
        assert [column.name for column in schema.columns][:3] == ["realm_id", "id", "sync_token"]
    assert found == GROUPS
    reports = [key for key in others if key.path[1] == "reports"]
    assert len(reports) == len(STORED_REPORTS)
    assert sum(map(len, found.values())) == len(ENTITIES) + len(DERIVED)


def test_all_definitions_are_consistent() -> None:
    dg.Definitions.validate_loadable(build_definitions(plain_settings()))


def test_only_the_kept_entities_and_what_is_derived_from_them_are_assets() -> None:
    definitions = build_definitions(plain_settings(ledgerguard_entities=("Purchase", "TaxRate")))
    keys = definitions.resolve_asset_graph().materializable_asset_keys
    entities = {tuple(key.path[1:]) for key in keys if key.path[1] in ("bronze", "silver")}
    assert entities == {
        ("bronze", "purchase"),
        ("bronze", "expense"),
        ("bronze", "tax_rate"),
        ("silver", "purchase"),
        ("silver", "tax_rate"),
    }


def test_jobs_of_entities_that_are_not_kept_are_left_out() -> None:
    definitions = build_definitions(plain_settings(ledgerguard_entities=("Invoice",)))
    names = {job.name for job in definitions.resolve_all_job_defs()}
    assert "bronze_changes" in names
    assert "bronze_queried" not in names


def test_every_run_executes_its_steps_in_one_process() -> None:
    definitions = build_definitions(plain_settings())
    for job in definitions.resolve_all_job_defs():
        assert job.executor_def.name == "in_process", job.name
    assert definitions.resolve_implicit_global_asset_job_def().executor_def.name == "in_process"


def test_expense_waits_for_purchase() -> None:
    graph = build_definitions(plain_settings()).resolve_asset_graph()
    expense = graph.get(dg.AssetKey(["qbo", "bronze", "expense"]))
    assert expense.parent_keys == {dg.AssetKey(["qbo", "bronze", "purchase"])}


def test_loading_reaches_no_network_opens_no_duckdb_and_writes_nothing(bare: Path) -> None:
    code = (
        "import sys\n"
        "def refuse(event, arguments):\n"
        "    assert event not in ('socket.connect', 'sqlite3.connect'), (event, arguments)\n"
        "import duckdb\n"
        "duckdb.connect = None\n"
        "sys.addaudithook(refuse)\n"
        "from ledgerguard_pipeline.definitions import defs\n"
        "defs.resolve_all_job_defs()\n"
        "print(sorted({'pandas', 'requests', 'pyarrow', 'fastapi'} & set(sys.modules)))\n"
    )
    done = _in_a_bare_process(code, bare)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
    assert list(bare.iterdir()) == []


def test_loading_survives_a_home_in_ruins(bare: Path) -> None:
    (bare / ".ledgerguard").write_text("not even a folder")
    done = _in_a_bare_process("import ledgerguard_pipeline.definitions", bare)
    assert done.returncode == 0, done.stderr


def test_a_start_date_in_the_future_is_refused_in_one_sentence() -> None:
    with pytest.raises(ConfigurationError, match=r"LEDGERGUARD_START_DATE is 2999-01-01"):
        build_definitions(plain_settings(ledgerguard_start_date="2999-01-01"))


@pytest.mark.parametrize("cadence", ["monthly", "weekly", "daily"])
def test_definitions_load_for_every_cadence(cadence: str) -> None:
    definitions = build_definitions(plain_settings(ledgerguard_partition_cadence=cadence))
    dg.Definitions.validate_loadable(definitions)
