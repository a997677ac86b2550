"""One entity or company that fails fails alone, says why, and is healed by the next run."""

from collections.abc import Iterator

import dagster as dg
import pytest

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.defs.in_process_run import run_companies, run_sync
from ledgerguard_pipeline.defs.partitions import REALM, cell_partitions, current_cell
from ledgerguard_pipeline.entities import entity_types
from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.ingestion.request import SyncRequest
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer, build_companies
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.conftest import connect
from ledgerguard_pipeline_tests.defs.runs import run_cells

pytestmark = pytest.mark.usefixtures("bronze_alone")

SOME = ("Invoice", "Customer", "Vendor")


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(build_companies(2, seed=1, invoices=20)) as server:
        yield server


@pytest.fixture
def request_some(connected: Installation, sandbox: SandboxServer) -> SyncRequest:
    return SyncRequest(RealmId(sandbox.realm_id), entity_types(SOME))


@pytest.fixture(autouse=True)
def dagster_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run in process sets for its process ends with the test."""
    for name in ("DAGSTER_HOME", "DAGSTER_EVENT_BATCH_SIZE"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def _refuse(sandbox: SandboxServer, entity: str) -> None:
    """Let every way of reading an entity be refused for good."""
    for endpoint in ("batch_item", "query", "cdc"):
        sandbox.inject("company_expired", endpoint=endpoint, entity=entity, probability=1.0)


def test_an_entity_that_is_refused_fails_alone_and_heals(
    sandbox: SandboxServer, settings: Settings, request_some: SyncRequest, connected: Installation
) -> None:
    _refuse(sandbox, "Customer")
    [outcome] = run_companies(settings, [request_some])
    assert not outcome.success
    by_name = {result.entity: result for result in outcome.result.results}
    assert {name: result.status for name, result in by_name.items()} == {
        "Invoice": "ok", "Customer": "failed", "Vendor": "ok",
    }  # fmt: skip
    assert by_name["Customer"].error
    assert connected.bronze.counts(sandbox.realm_id).keys() >= {"Invoice", "Vendor"}
    sandbox.clear_faults()
    [healed] = run_companies(settings, [request_some])
    assert healed.success
    assert connected.bronze.counts(sandbox.realm_id)["Customer"] == len(
        sandbox.truth("Customer").bodies()
    )


def test_a_failed_step_names_the_error_the_company_and_what_to_do(
    sandbox: SandboxServer, settings: Settings, installed: dg.DagsterInstance,
    connected: Installation,
) -> None:  # fmt: skip
    installed.add_dynamic_partitions(REALM, [sandbox.realm_id])
    _refuse(sandbox, "Customer")
    now = str(current_cell(cell_partitions(settings), sandbox.realm_id))
    ran = run_cells(installed, settings, now, entities=["Customer", "Vendor"])
    assert ran.run.status is dg.DagsterRunStatus.FAILURE
    [(table, (description, metadata))] = ran.failures().items()
    assert table == "customer"
    assert sandbox.realm_id in description
    assert metadata["realm"].value == sandbox.realm_id
    assert metadata["entity"].value == "Customer"
    assert {"error", "what_to_do", "fault_code", "intuit_tid"} <= metadata.keys()
    assert {table for table, _ in ran.materializations()} == {"vendor"}


def test_a_company_that_is_not_connected_does_not_stop_the_other_of_the_same_run(
    sandbox: SandboxServer, settings: Settings, installed: dg.DagsterInstance,
    installation: Installation,
) -> None:  # fmt: skip
    first, second = sandbox.realms
    connect(installation, sandbox, first)
    installed.add_dynamic_partitions(REALM, sandbox.realms)
    last = str(current_cell(cell_partitions(settings), second))
    ran = run_cells(installed, settings, f"{first}|2026-10-01", last, entities=["Customer"])
    assert ran.run.status is dg.DagsterRunStatus.FAILURE
    assert "not connected" in ran.failures()["customer"][0]
    assert {partition.partition("|")[0] for _, partition in ran.materializations()} == {first}
    assert installation.bronze.counts(first)["Customer"] == len(
        sandbox.truth("Customer", first).bodies()
    )


def test_a_run_of_the_command_line_is_listed_under_the_job_of_the_ui(
    settings: Settings, request_some: SyncRequest, installed: dg.DagsterInstance
) -> None:
    [outcome] = run_companies(settings, [request_some])
    assert outcome.success
    run = installed.get_run_by_id(outcome.run_id)
    assert run is not None
    assert run.job_name == "bronze_sync"
    assert run.remote_job_origin is not None
    assert run.remote_job_origin.repository_origin.get_label() == "__repository__@ledgerguard"
    assert run.tags["ledgerguard/realm"] == request_some.realm_id
    assert installed.get_dynamic_partitions(REALM) == [request_some.realm_id]


def test_several_companies_are_brought_up_to_date_one_run_each(
    sandbox: SandboxServer, settings: Settings, installation: Installation
) -> None:
    for realm_id in sandbox.realms:
        connect(installation, sandbox, realm_id)
    requests = [
        SyncRequest(RealmId(realm_id), entity_types(["Vendor"])) for realm_id in sandbox.realms
    ]
    result = run_sync(settings, requests)
    assert result.ok
    assert {each.realm_id for each in result.results} == set(sandbox.realms)


def test_an_unknown_company_makes_no_run_and_no_dagster_home(settings: Settings) -> None:
    request = SyncRequest(RealmId("1234567890123456"), entity_types(["Vendor"]))
    with pytest.raises(BadInputError, match="not connected"):
        run_sync(settings, [request])
    assert not (settings.ledgerguard_home / "dagster").exists()


def test_an_entity_that_is_not_kept_makes_no_run(
    settings: Settings, request_some: SyncRequest
) -> None:
    narrow = settings.model_copy(update={"ledgerguard_entities": ("Vendor",)})
    with pytest.raises(BadInputError, match="LEDGERGUARD_ENTITIES leaves out Invoice, Customer"):
        run_sync(narrow, [request_some])
