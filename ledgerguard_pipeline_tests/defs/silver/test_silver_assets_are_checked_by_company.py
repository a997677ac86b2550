"""Each entity type's Silver is one asset, below its Bronze, partitioned by company, with checks."""

from pathlib import Path

import dagster as dg
import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.defs.build import build_definitions
from ledgerguard_pipeline.defs.keys import SILVER_JOB, asset_key, silver_key
from ledgerguard_pipeline.defs.partitions import REALM, realm_partitions
from ledgerguard_pipeline.defs.run_context import run_scope
from ledgerguard_pipeline.entities import ENTITIES, entity_type
from ledgerguard_pipeline.silver import rebuild
from ledgerguard_pipeline.silver.apply import Applied
from ledgerguard_pipeline.silver.rebuild import catch_up
from ledgerguard_pipeline_tests.defs.runs import by_company
from ledgerguard_pipeline_tests.silver.books import OTHER_REALM, Books, store_at
from ledgerguard_pipeline_tests.silver.books import REALM as COMPANY

INVOICE = entity_type("Invoice")


def test_every_entity_has_silver_below_its_bronze_and_by_company() -> None:
    graph = build_definitions(Settings()).resolve_asset_graph()
    for entity in ENTITIES:
        node = graph.get(silver_key(entity))
        assert node.parent_keys == {asset_key(entity)}
        assert node.partitions_def == realm_partitions()
        assert node.check_keys
        schema = node.metadata["dagster/column_schema"]
        assert isinstance(schema, dg.TableSchema)
        assert [column.name for column in schema.columns][:2] == ["realm_id", "id"]


def test_without_silver_there_are_no_silver_assets() -> None:
    definitions = build_definitions(Settings(ledgerguard_silver="off"))
    keys = definitions.resolve_asset_graph().materializable_asset_keys
    assert "silver" not in {key.path[1] for key in keys}
    assert SILVER_JOB not in {job.name for job in definitions.resolve_all_job_defs()}


def test_materializing_silver_checks_one_companys_tables(home: Path) -> None:
    settings = Settings(ledgerguard_home=home, ledgerguard_entities=("Invoice", "Customer"))
    books = Books(store_at(settings.bronze_path))
    line = {"Amount": 5, "DetailType": "SalesItemLineDetail"}
    good = {"TotalAmt": 5, "Balance": 5, "Line": [line], "CustomerRef": {"value": "7"}}
    books.write("Customer", {"7": {"DisplayName": "Ann"}})
    books.write("Invoice", {"1": good})
    books.write("Invoice", {"2": good | {"TotalAmt": 6, "Balance": 9}}, realm=OTHER_REALM)
    books.write("Invoice", {"3": good | {"TxnDate": "2024-02-30"}}, realm=OTHER_REALM)

    assert failed(settings, COMPANY) == {}
    assert failed(settings, OTHER_REALM) == {
        "every_value_is_readable": "1 found: 3 TxnDate: 2024-02-30",
        "references_resolve": "2 found: invoice 2: customer_id 7; invoice 3: customer_id 7",
        "lines_add_up": "1 found: 2: total 6, lines and tax 5",
        "balance_within_total": "1 found: 2: balance 9 of 6",
    }


def test_a_run_that_makes_silver_gives_signs_of_life(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(ledgerguard_home=home, ledgerguard_entities=("Invoice",))
    Books(store_at(settings.bronze_path)).write("Invoice", {"1": {"TotalAmt": 5}})
    alive: list[int] = []

    def watched(store: BronzeStore, realm: str) -> list[Applied]:
        with ControlPlane.open(settings) as control:
            alive.append(len(control.run_beats.list()))
        return catch_up(store, realm)

    monkeypatch.setattr(rebuild, "catch_up", watched)
    failed(settings, COMPANY)
    assert alive == [1]
    with ControlPlane.open(settings) as control:
        assert control.run_beats.list() == []


def failed(settings: Settings, realm: str) -> dict[str, str]:
    """The checks of invoices that fail, with what they say of a company."""
    definitions = build_definitions(settings)
    with dg.instance_for_test() as instance, run_scope(settings):
        instance.add_dynamic_partitions(REALM, [realm])
        done = definitions.resolve_job_def(SILVER_JOB).execute_in_process(
            partition_key=realm, instance=instance, asset_selection=[silver_key(INVOICE)]
        )
    assert done.success
    return {
        each.check_name: str(by_company(each.metadata)[realm]["finding"])
        for each in done.get_asset_check_evaluations()
        if not each.passed
    }
