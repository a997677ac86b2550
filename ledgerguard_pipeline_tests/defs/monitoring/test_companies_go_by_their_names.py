"""In Dagster a company has a name: in tags, metadata and checks, with links to look at it."""

from collections.abc import Iterator

import dagster as dg
import pytest

from ledgerguard_pipeline.alerts.messages import Links
from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.defs.build import build_definitions
from ledgerguard_pipeline.defs.company_names import (
    NAMED_FIGURES,
    CompanyNames,
    page_of,
    shown_name,
)
from ledgerguard_pipeline.defs.keys import COMPANY_TAG, REALM_TAG, connection_key
from ledgerguard_pipeline.defs.monitoring.health_checks import (
    build_connection_asset,
    build_health_checks,
    known_statuses,
)
from ledgerguard_pipeline.defs.partitions import REALM, cell_partitions, current_cell
from ledgerguard_pipeline.defs.run_context import run_scope
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.quickbooks_links import list_link
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import Environment, RealmId
from ledgerguard_pipeline_tests.defs.conftest import FIRST, SECOND, plain_settings
from ledgerguard_pipeline_tests.defs.runs import by_company, run_cells
from ledgerguard_pipeline_tests.sharing import connect_all, small_companies


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(small_companies(2)) as server:
        yield server


@pytest.fixture
def settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An installation that keeps one entity type, in this process and in its runs."""
    monkeypatch.setenv("LEDGERGUARD_ENTITIES", "Customer")
    return settings.model_copy(update={"ledgerguard_entities": ("Customer",)})


@pytest.fixture
def two(installation: Installation, sandbox: SandboxServer) -> Installation:
    """Two connected companies of which nothing is loaded."""
    connect_all(installation.control, sandbox)
    return installation


def test_runs_that_nobody_tagged_and_what_they_bring_are_their_companys_by_name(
    two: Installation, sandbox: SandboxServer, settings: Settings, persistent: dg.DagsterInstance
) -> None:
    persistent.add_dynamic_partitions(REALM, sandbox.realms)
    ran = run_cells(persistent, settings, str(current_cell(cell_partitions(settings), FIRST)))
    assert ran.success, ran
    assert ran.run.tags[REALM_TAG] == FIRST
    assert ran.run.tags[COMPANY_TAG] == "Company 1"
    metadata = next(each for each in ran.materializations().values() if "company_page" in each)
    assert (metadata["company"].value, metadata["realm"].value) == ("Company 1", FIRST)
    assert metadata["company_page"].value == f"http://localhost:8000/companies/{FIRST}"
    quickbooks = str(metadata["quickbooks"].value)
    assert "pagereq=customers" in quickbooks
    assert f"deeplinkcompanyid={FIRST}" in quickbooks
    assert metadata["rows, Company 1"].value == metadata["dagster/row_count"].value
    assert metadata["rows written, Company 1"].value == metadata["rows_written"].value
    for check in ran.checks().values():
        assert check.description == "No company fails it."
        assert by_company(check.metadata)[FIRST]["company"] == "Company 1"

    with run_scope(settings):
        done = (
            build_definitions(settings)
            .resolve_job_def("quickbooks_silver")
            .execute_in_process(partition_key=FIRST, instance=persistent)
        )
    run = persistent.get_run_by_id(done.run_id)
    assert run is not None
    assert (run.tags[REALM_TAG], run.tags[COMPANY_TAG]) == (FIRST, "Company 1")
    (event,) = done.get_asset_materialization_events()
    assert event.step_materialization_data.materialization.metadata["company"].value == "Company 1"


def test_companies_of_one_name_are_two_plots() -> None:
    names = CompanyNames({FIRST: "Books", SECOND: "Books", "7": "Others"})
    plots = [set(names.own_figures(realm, rows=1)) for realm in (FIRST, SECOND, "7")]
    assert plots == [{f"rows, Books ({FIRST})"}, {f"rows, Books ({SECOND})"}, {"rows, Others"}]


def test_the_connection_has_a_table_of_all_companies_worst_first(
    two: Installation, settings: Settings
) -> None:
    two.control.companies.set_status(RealmId(SECOND), ConnectionStatus.NEEDS_REAUTH)
    checks = build_health_checks(known_statuses)
    job = dg.Definitions(
        assets=[build_connection_asset()],
        asset_checks=[checks],
        jobs=[dg.define_asset_job("health", selection=dg.AssetSelection.checks(checks))],
    ).resolve_job_def("health")
    with dg.DagsterInstance.ephemeral() as instance, run_scope(settings):
        job.execute_in_process(instance=instance)
        records = instance.fetch_observations(connection_key(), limit=1).records
    observation = records[0].asset_observation
    assert observation is not None
    rows = by_company(observation.metadata, "table")
    assert list(rows) == [SECOND, FIRST]
    assert (rows[SECOND]["company"], rows[SECOND]["result"]) == ("Company 2", "unhealthy")
    assert rows[SECOND]["connection"] == "needs reauth"
    assert rows[FIRST]["page"] == f"http://localhost:8000/companies/{FIRST}"


def test_names_of_very_many_companies_make_no_plots_of_their_own() -> None:
    few = CompanyNames({FIRST: "Acme"})
    many = CompanyNames(
        {str(number): f"C{number}" for number in range(NAMED_FIGURES)} | {FIRST: "A"}
    )
    assert set(few.own_figures(FIRST, rows_written=1)) == {"rows written, Acme"}
    assert many.own_figures(FIRST, rows_written=1) == {}
    assert few.own_figures(SECOND, rows_written=1) == {}


@pytest.mark.parametrize(
    "name,expected",
    [("  Two\nlines\t", "Two lines"), ("x" * 200, "x" * 79 + "…"), ("Größe & Co.", "Größe & Co.")],
)
def test_a_name_is_one_line_of_bounded_length(name: str, expected: str) -> None:
    assert shown_name(name) == expected


def test_links_are_those_of_pages_and_messages() -> None:
    settings = load_settings(ledgerguard_public_url="https://books.example")
    assert page_of(settings.web_url, FIRST) == Links.of(settings).page(FIRST)
    assert "pagereq=homepage" in list_link(Environment.PRODUCTION, FIRST, "TaxCode")
    assert list_link(Environment.PRODUCTION, FIRST).startswith("https://qbo.intuit.com/")


def test_owners_and_group_of_an_installation_are_settings() -> None:
    graph = build_definitions(
        plain_settings(
            ledgerguard_dagster_owners="team:books, ann@example.com",
            ledgerguard_dagster_group="accounting",
        )
    ).resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert list(node.owners) == ["team:books", "ann@example.com"]
        assert node.group_name == "accounting"


@pytest.mark.parametrize(
    "setting,value", [("ledgerguard_dagster_owners", "Ann"), ("ledgerguard_dagster_group", "a b")]
)
def test_an_owner_or_group_that_dagster_refuses_is_refused_as_a_setting(
    setting: str, value: str
) -> None:
    with pytest.raises(ValueError, match=setting.removeprefix("ledgerguard_dagster_")[:5]):
        plain_settings(**{setting: value})


def test_a_company_that_is_forgotten_goes_by_its_id(installation: Installation) -> None:
    names = CompanyNames.read(installation.control, installation.settings)
    assert names.label("123") == names.name("123") == "123"
    assert isinstance(installation.control, ControlPlane)
