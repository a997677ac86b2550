"""The job ``reconcile``: its own configuration, its figures, its checks; the command line too."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.defs.build import build_definitions
from ledgerguard_pipeline.defs.in_process_run import run_companies
from ledgerguard_pipeline.defs.partitions import REALM, cell_partitions, current_cell
from ledgerguard_pipeline.entities import entity_types
from ledgerguard_pipeline.ingestion.request import SyncRequest
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import parse_realm
from ledgerguard_pipeline_tests.conftest import connect
from ledgerguard_pipeline_tests.defs.runs import Ran, by_company, run_cells

COMPLETE = "complete_against_count"
pytestmark = [
    pytest.mark.usefixtures("bronze_alone"),
    # Dagster's own tags of a cell with two dimensions break its own rule.
    pytest.mark.filterwarnings("ignore:Non-compliant tag keys:DeprecationWarning"),
]
KEPT = ("Invoice", "TimeActivity", "Purchase", "Preferences")


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(invoices=20) as server:
        yield server


@pytest.fixture
def settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Few entities: a run of all takes seconds."""
    kept = settings.model_copy(update={"ledgerguard_entities": KEPT})
    monkeypatch.setenv("LEDGERGUARD_ENTITIES", ",".join(KEPT))
    return kept


@pytest.fixture
def loaded(
    installation: Installation,
    sandbox: SandboxServer,
    settings: Settings,
    installed: dg.DagsterInstance,
) -> dg.DagsterInstance:
    """The company connected and loaded once."""
    connect(installation, sandbox)
    installed.add_dynamic_partitions(REALM, sandbox.realms)
    assert run_cells(installed, settings, _cell(settings, sandbox)).success
    sandbox.pop_log()
    return installed


def _cell(settings: Settings, sandbox: SandboxServer) -> str:
    return str(current_cell(cell_partitions(settings), sandbox.realm_id))


def _reconcile(instance: dg.DagsterInstance, settings: Settings) -> Ran:
    """Run what the nightly schedule asks for."""
    definitions = build_definitions(settings)
    tick = definitions.resolve_schedule_def("reconcile_nightly").evaluate_tick(
        dg.build_schedule_context(
            instance=instance,
            repository_def=definitions.get_repository_def(),
            scheduled_execution_time=datetime.now(UTC),
        )
    )
    (request,) = tick.run_requests or ()
    job = definitions.resolve_job_def("reconcile")
    run = instance.create_run_for_job(
        job_def=job, run_config=request.run_config, tags=dict(request.tags)
    )
    execute_run(InMemoryJob(job), run, instance)
    finished = instance.get_run_by_id(run.run_id)
    assert finished is not None
    return Ran(finished, instance)


def test_a_quiet_company_is_counted_and_nothing_else(
    loaded: dg.DagsterInstance, sandbox: SandboxServer, settings: Settings
) -> None:
    ran = _reconcile(loaded, settings)
    assert ran.success, ran
    (call,) = sandbox.pop_log()
    assert call.target.lower().count("count(*)") == 3
    tables = {table for table, _ in ran.materializations()}
    assert tables == {"invoice", "time_activity", "purchase", "expense"}
    assert all(check.passed for check in ran.checks().values())


def test_phantom_rows_are_removed_and_reported_in_metadata_and_check(
    loaded: dg.DagsterInstance, sandbox: SandboxServer, settings: Settings
) -> None:
    cell = _cell(settings, sandbox)
    before = len(sandbox.truth("TimeActivity").rows)
    sandbox.edit("delete", "TimeActivity")
    ran = _reconcile(loaded, settings)
    assert ran.success, ran
    metadata = ran.materializations()["time_activity", cell]
    figures = {
        "counted_at_intuit": before - 1,
        "held_before": before,
        "missing_rows_repaired": 0,
        "phantom_rows_removed": 1,
    }
    assert {name: metadata[name].value for name in figures} == figures
    check = ran.checks()["time_activity", COMPLETE]
    assert check.passed
    row = by_company(check.metadata)[sandbox.realm_id]
    assert {name: row[name] for name in figures} == figures
    assert row["stored"] == before - 1
    assert check.severity is dg.AssetCheckSeverity.ERROR
    invoice = ran.materializations()["invoice", cell]
    assert invoice["phantom_rows_removed"].value == 0


def test_the_command_line_takes_the_same_way(
    loaded: dg.DagsterInstance,
    sandbox: SandboxServer,
    settings: Settings,
    installation: Installation,
) -> None:
    sandbox.edit("delete", "TimeActivity")
    request = SyncRequest(parse_realm(sandbox.realm_id), entity_types(KEPT), reconcile=True)
    (outcome,) = run_companies(settings, [request])
    assert outcome.success
    found = {each.entity: each.finding for each in outcome.result.results}
    assert found["TimeActivity"] is not None
    assert found["TimeActivity"].phantoms == 1
    assert found["Preferences"] is None
    truth = sandbox.truth("TimeActivity").rows
    assert installation.bronze.count("TimeActivity", sandbox.realm_id) == len(truth)


def test_reconcile_with_other_options_is_refused_before_anything_is_read(
    loaded: dg.DagsterInstance, sandbox: SandboxServer, settings: Settings
) -> None:
    options = {"reconcile": True, "full": True}
    ran = run_cells(loaded, settings, _cell(settings, sandbox), config=options)
    assert not ran.success
    assert sandbox.pop_log() == []
