"""A backfill makes runs of one company each, which are queued, ended and blamed as its own."""

import warnings
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.definitions.automation_tick_evaluation_context import (
    build_run_requests_with_backfill_policies,
)
from dagster._core.definitions.events import AssetKeyPartitionKey
from dagster._core.run_coordinator import SubmitRunContext

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.defs.bronze.run_syncs import RunSyncs
from ledgerguard_pipeline.defs.build import build_definitions
from ledgerguard_pipeline.defs.in_process_run import _job_origin
from ledgerguard_pipeline.defs.instance.run_queue import CompanyRunCoordinator
from ledgerguard_pipeline.defs.keys import ALL_JOB, REALM_TAG
from ledgerguard_pipeline.defs.monitoring.alert_sensors import failed_companies, failed_run
from ledgerguard_pipeline.defs.partitions import REALM, cell_partitions, current_cell
from ledgerguard_pipeline.defs.run_tags import company_of
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.defs.conftest import FIRST, SECOND, plain_settings
from ledgerguard_pipeline_tests.defs.runs import key_of, run_cells
from ledgerguard_pipeline_tests.sharing import connect_all, small_companies

pytestmark = pytest.mark.usefixtures("bronze_alone")

START, END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(small_companies(2)) as server:
        yield server


@pytest.fixture
def settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An installation that keeps few entity types, in this process and in its runs."""
    kept = ("Customer", "Vendor")
    monkeypatch.setenv("LEDGERGUARD_ENTITIES", ",".join(kept))
    return settings.model_copy(update={"ledgerguard_entities": kept})


@pytest.fixture
def two(installation: Installation, sandbox: SandboxServer) -> Installation:
    """Two connected companies of which nothing is loaded."""
    connect_all(installation.control, sandbox)
    return installation


def test_three_companies_by_three_months_are_nine_runs_of_one_company_each(
    ephemeral: dg.DagsterInstance,
) -> None:
    realms = [FIRST, SECOND, "9341453474484457"]
    ephemeral.add_dynamic_partitions(REALM, realms)
    graph = build_definitions(plain_settings()).resolve_asset_graph()
    wanted = [
        AssetKeyPartitionKey(key_of(name), f"{realm}|2026-0{month}-01")
        for name in ("Customer", "Invoice")
        for realm in realms
        for month in (1, 2, 3)
    ]
    with warnings.catch_warnings():
        # Dagster's daemon writes the tags of its own partitions in a form it deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        requests = build_run_requests_with_backfill_policies(wanted, graph, ephemeral)
    assert len(requests) == 9
    companies = [company_of(request.tags) for request in requests]
    assert {realm: companies.count(realm) for realm in realms} == dict.fromkeys(realms, 3)


@pytest.mark.parametrize(
    "tags,expected",
    [
        ({"dagster/partition/realm": FIRST}, FIRST),
        ({START: f"{FIRST}|2026-01-01", END: f"{FIRST}|2026-03-01"}, FIRST),
        ({START: f"{FIRST}|2026-01-01", END: f"{SECOND}|2026-01-01"}, None),
        ({"dagster/partition": FIRST}, FIRST),
        ({"dagster/partition": "20260101"}, None),
        ({"dagster/partition/realm": "emea"}, None),
        ({START: "2026-01-01", END: "2026-01-01"}, None),
        ({START: "7|2026-01-01", END: "7|2026-03-01"}, None),
        ({}, None),
    ],
)
def test_a_run_from_the_ui_is_queued_as_its_companys(
    persistent: dg.DagsterInstance, tags: dict[str, str], expected: str | None
) -> None:
    coordinator = CompanyRunCoordinator()
    coordinator.register_instance(persistent)

    @dg.job
    def anything() -> None:
        """Queued, never run."""

    run = persistent.create_run_for_job(
        anything,
        tags=tags,
        status=dg.DagsterRunStatus.NOT_STARTED,
        remote_job_origin=_job_origin(),
    )
    queued = coordinator.submit_run(SubmitRunContext(run, workspace=None))  # type: ignore[arg-type]  # not asked
    assert queued.status is dg.DagsterRunStatus.QUEUED
    assert queued.tags.get(REALM_TAG) == expected


def test_every_instance_file_names_that_queue(installed: dg.DagsterInstance) -> None:
    assert isinstance(installed.run_coordinator, CompanyRunCoordinator)
    limits = installed.get_concurrency_config().run_queue_config
    assert limits is not None
    assert {"key": REALM_TAG, "value": {"applyLimitPerUniqueValue": True}, "limit": 1} in (
        limits.tag_concurrency_limits
    )


def test_a_companys_lease_ends_with_its_last_step(
    two: Installation, sandbox: SandboxServer, settings: Settings, installed: dg.DagsterInstance
) -> None:
    first, second = sandbox.realms
    installed.add_dynamic_partitions(REALM, sandbox.realms)
    held: list[set[str]] = []

    after = RunSyncs._step_over

    def watch(self: RunSyncs, *arguments: object) -> None:
        after(self, *arguments)  # type: ignore[arg-type]  # as they came
        with two.control.database.read() as connection:
            names = connection.exec_driver_sql(
                "SELECT name FROM leases WHERE name LIKE 'sync:%' AND owner <> ''"
            ).scalars()
            held.append({str(name).rpartition(":")[2] for name in names})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunSyncs, "_step_over", watch)
        ran = run_cells(
            installed,
            settings,
            f"{first}|2026-10-01",
            str(current_cell(cell_partitions(settings), second)),
        )
    assert ran.success, ran
    # Customer of both, then Vendor of both: the first company is free before the second is done.
    assert held == [{first}, {first, second}, {second}, set()]


def test_a_failure_is_blamed_on_the_company_that_failed(
    two: Installation, sandbox: SandboxServer, settings: Settings, installed: dg.DagsterInstance
) -> None:
    first, second = sandbox.realms
    installed.add_dynamic_partitions(REALM, sandbox.realms)
    sandbox.inject("company_expired", realm=second, probability=1.0)
    last = str(current_cell(cell_partitions(settings), second))
    ran = run_cells(installed, settings, f"{first}|2026-10-01", last, entities=["Customer"])
    assert not ran.success
    (failure,) = installed.all_logs(ran.run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    context = dg.build_run_status_sensor_context(
        sensor_name="failed_runs",
        dagster_instance=installed,
        dagster_run=ran.run,
        dagster_event=failure.get_dagster_event(),
    ).for_run_failure()
    with context:
        assert failed_companies(context) == [second]
        text = failed_run(context, second).text
    assert second in text
    assert first not in text
    assert ran.run.job_name == ALL_JOB
