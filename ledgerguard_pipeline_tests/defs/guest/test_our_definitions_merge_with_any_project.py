"""Taking QuickBooks along changes nothing of a host project, and several installations fit in."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ledgerguard_pipeline.dagster import (
    QuickBooksBronze,
    QuickBooksTable,
    QuickBooksTranslator,
    quickbooks_definitions,
)
from ledgerguard_pipeline.defs.build import build_definitions
from ledgerguard_pipeline.defs.partitions import windows_of
from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline_tests.defs.conftest import FIRST, plain_settings
from ledgerguard_pipeline_tests.defs.guest.host_project import HOST

PROJECT = Path(__file__).parents[3]


def _same_names(host: dg.Definitions, taken: dg.Definitions) -> set[str]:
    """Names of jobs, schedules and sensors that both have."""

    def names(definitions: dg.Definitions) -> set[str]:
        loaded = definitions.get_repository_def()
        jobs = {job.name for job in definitions.resolve_all_job_defs()} - {"__ASSET_JOB"}
        schedules = {each.name for each in loaded.schedule_defs}
        return jobs | schedules | {each.name for each in loaded.sensor_defs}

    return names(host) & names(taken)


def test_an_installations_own_definitions_merge_and_leave_the_hosts_executor_alone() -> None:
    merged = dg.Definitions.merge(build_definitions(plain_settings()), HOST)
    dg.Definitions.validate_loadable(merged)
    assert merged.resolve_job_def("everything").executor_def.name != "in_process"
    assert merged.resolve_job_def("reconcile").executor_def.name != "in_process"
    assert merged.resolve_job_def("quickbooks_reconcile").executor_def.name == "in_process"
    groups = {each.group_name for each in merged.resolve_all_asset_specs()}
    assert all(each in {"sales", "default"} or each.startswith("quickbooks_")
               for each in groups if each)  # fmt: skip


def test_an_installations_own_location_takes_former_names_of_jobs() -> None:
    own = build_definitions(plain_settings())
    former, now = own.resolve_job_def("reconcile"), own.resolve_job_def("quickbooks_reconcile")
    assert former.asset_layer.selected_asset_keys == now.asset_layer.selected_asset_keys
    assert former.executor_def.name == "in_process"
    tags = {each.name for each in own.get_repository_def().get_all_jobs()}
    assert {"reconcile", "quickbooks_reconcile"} <= tags


def test_every_asset_is_downstream_of_the_connection() -> None:
    graph = build_definitions(plain_settings()).resolve_asset_graph()
    connection = dg.AssetKey(["qbo", "connection"])
    reached = dg.AssetSelection.assets(connection).downstream().resolve(graph)
    assert reached == graph.get_all_asset_keys()


def test_a_host_with_the_same_names_takes_an_installation_along() -> None:
    taken = quickbooks_definitions(entities=["Invoice"], reports=True, journal=True)
    assert _same_names(HOST, taken) == set()
    merged = dg.Definitions.merge(HOST, taken)
    dg.Definitions.validate_loadable(merged)
    assert merged.executor is None
    with dg.DagsterInstance.ephemeral() as instance:
        done = merged.resolve_job_def("reconcile").execute_in_process(instance=instance)
    assert done.output_for_node("duckdb_of_the_host") == "a warehouse"


def test_several_installations_stand_side_by_side() -> None:
    first = quickbooks_definitions(entities=["Invoice"])
    second = quickbooks_definitions(QuickBooksBronze(home="eu"), entities=["Invoice"], prefix="eu")
    assert _same_names(first, second) == set()
    merged = dg.Definitions.merge(first, second)
    dg.Definitions.validate_loadable(merged)
    keys = {key.to_user_string() for key in merged.resolve_asset_graph().get_all_asset_keys()}
    assert {"qbo/bronze/invoice", "eu/bronze/invoice", "qbo/connection", "eu/connection"} <= keys
    assert set(merged.resources or {}) == {"quickbooks", "eu"}


def test_what_the_caller_says_of_the_assets_holds() -> None:
    class Renamed(QuickBooksTranslator):
        def get_asset_spec(self, table: QuickBooksTable) -> dg.AssetSpec:
            spec = super().get_asset_spec(table)
            return spec.replace_attributes(key=["raw", table.layer, f"qb_{table.name}"])

    fresh = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=2))
    taken = quickbooks_definitions(
        entities=["Invoice"], companies=[FIRST], group="accounting", owners=["team:books"],
        tags={"domain": "finance"}, freshness_policy=fresh, translator=Renamed(),
        automation_condition=dg.AutomationCondition.on_cron("@hourly"),
    )  # fmt: skip
    graph = taken.resolve_asset_graph()
    node = graph.get(dg.AssetKey(["raw", "bronze", "qb_invoice"]))
    assert (node.group_name, list(node.owners), node.tags["domain"]) == (
        "accounting", ["team:books"], "finance",
    )  # fmt: skip
    assert node.freshness_policy == fresh
    assert node.automation_condition is not None
    assert node.parent_keys == {dg.AssetKey(["raw", "connection", "qb_connection"])}
    silver = graph.get(dg.AssetKey(["raw", "silver", "qb_invoice"]))
    assert silver.parent_keys == {node.key}
    assert all(key.asset_key.path[0] == "raw" for key in graph.asset_check_keys)


def test_a_secret_given_in_code_is_nowhere_in_what_dagster_shows() -> None:
    quickbooks = QuickBooksBronze(
        client_id="an id",
        client_secret="s3cret-in-code",
        control_url="postgresql://u:s3cret-db@h/d",
    )
    assert "s3cret" not in repr(quickbooks)
    schema = quickbooks.get_resource_definition().config_schema
    assert "an id" in str(schema.default_value)
    assert "s3cret" not in str(schema.default_value)
    settings = quickbooks.settings()
    assert settings.credentials() == ("an id", "s3cret-in-code")


def test_a_variable_that_is_not_set_is_named_when_something_runs() -> None:
    quickbooks = QuickBooksBronze(client_secret=dg.EnvVar("NOBODY_SET_THIS"))
    with pytest.raises(Exception, match=r"NOBODY_SET_THIS.*client_secret"):
        quickbooks.settings()


def test_a_prefix_that_is_no_name_is_refused() -> None:
    with pytest.raises(BadInputError, match="quickbooks_eu"):
        quickbooks_definitions(prefix="my books")


def test_one_text_is_a_list_of_one_and_not_its_letters() -> None:
    taken = quickbooks_definitions(
        entities="Invoice", key_prefix="raw", owners="team:books", companies=FIRST, silver=False
    )
    graph = taken.resolve_asset_graph()
    assert {key.to_user_string() for key in graph.get_all_asset_keys()} == {
        "raw/bronze/invoice",
        "raw/connection",
    }
    node = graph.get(dg.AssetKey(["raw", "bronze", "invoice"]))
    assert list(node.owners) == ["team:books"]


def test_a_day_may_have_a_time() -> None:
    taken = quickbooks_definitions(
        entities=["Invoice"], start_date=datetime(2026, 3, 1, 9, tzinfo=UTC)
    )
    cells = taken.resolve_asset_graph().get(dg.AssetKey(["qbo", "bronze", "invoice"]))
    assert isinstance(cells.partitions_def, dg.MultiPartitionsDefinition)
    assert windows_of(cells.partitions_def).get_first_partition_key() == "2026-03-01"


@pytest.mark.parametrize(
    "arguments,said",
    [
        ({"companies": []}, "leave companies out to take all"),
        ({"companies": ["Craig's Design"]}, "not a company id"),
        ({"start_date": "March"}, "2026-01-31"),
        ({"cadence": "hourly"}, "monthly, weekly, daily"),
        ({"quickbooks": QuickBooksBronze.configure_at_launch()}, "not PartialResource"),
    ],
)
def test_what_means_nothing_is_refused_when_definitions_load(
    arguments: dict[str, Any], said: str
) -> None:
    with pytest.raises(BadInputError, match=said):
        quickbooks_definitions(**arguments)


def test_loading_needs_no_network_no_files_and_no_home(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    code = (
        "import sys\n"
        "def refuse(event, arguments):\n"
        "    assert event not in ('socket.connect', 'sqlite3.connect'), (event, arguments)\n"
        "import dagster\n"
        "from ledgerguard_pipeline.dagster import QuickBooksBronze, quickbooks_definitions\n"
        "sys.addaudithook(refuse)\n"
        "bound = QuickBooksBronze(home=dagster.EnvVar('NOT_SET'))\n"
        "quickbooks_definitions(bound).resolve_all_job_defs()\n"
        "print(sorted({'pandas', 'requests', 'pyarrow', 'fastapi'} & set(sys.modules)))\n"
    )
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "HOME": str(bare)}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=bare, env=environment, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
    assert list(bare.iterdir()) == []
