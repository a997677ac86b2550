"""Of runs that found nothing new the newest stays, and nothing that Dagster shows is lost with the others."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationPlanned,
)
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.tags import PARTITION_NAME_TAG, SCHEDULE_NAME_TAG
from sqlalchemy import func, select

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.defs.instance.home import dagster_home
from ledgerguard_pipeline.defs.keys import (
    CHANGES_JOB,
    FOUND_NOTHING,
    IDLE_TAG,
    REALM_TAG,
    SWEEP_TAG,
)
from ledgerguard_pipeline.defs.monitoring.idle_runs import (
    LAST_OF_ITS_CELL,
    build_idle_runs_sensor,
    delete_superseded,
)
from ledgerguard_pipeline.defs.partitions import REALM, cell_partitions, current_cell
from ledgerguard_pipeline.defs.site import INSTALLATION_TAG
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer, build_companies
from ledgerguard_pipeline_tests.conftest import connect
from ledgerguard_pipeline_tests.defs.runs import Ran, key_of, run_cells
from ledgerguard_pipeline_tests.postgres import postgres_database

SCHEDULED = {SCHEDULE_NAME_TAG: "changes_every_15_minutes"}
ENTITIES = ["Invoice", "Customer"]


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(build_companies(1, seed=1, invoices=5)) as server:
        yield server


@pytest.fixture
def grid(
    installation: Installation, installed: dg.DagsterInstance, sandbox: SandboxServer
) -> dg.DagsterInstance:
    connect(installation, sandbox, sandbox.realm_id)
    installed.add_dynamic_partitions(REALM, [sandbox.realm_id])
    return installed


def _run(
    grid: dg.DagsterInstance,
    settings: Settings,
    sandbox: SandboxServer,
    tags: Mapping[str, str] = SCHEDULED,
    config: Mapping[str, object] | None = None,
) -> Ran:
    cell = str(current_cell(cell_partitions(settings), sandbox.realm_id))
    ran = run_cells(
        grid,
        settings,
        cell,
        entities=ENTITIES,
        job_name=CHANGES_JOB,
        more_tags=tags,
        config=config,
    )
    assert ran.success, ran
    return ran


def _tag(ran: Ran) -> str | None:
    return ran.run.tags.get(IDLE_TAG)


def _check_rows(instance: dg.DagsterInstance, run_id: str) -> int:
    storage = instance.event_log_storage
    assert isinstance(storage, SqlEventLogStorage)
    with storage.index_connection() as connection:
        return int(
            connection.execute(
                select(func.count()).where(AssetCheckExecutionsTable.c.run_id == run_id)
            ).scalar_one()
        )


def test_the_newest_run_that_found_nothing_replaces_older_ones(
    grid: dg.DagsterInstance, settings: Settings, sandbox: SandboxServer
) -> None:
    loaded, *idle = [_run(grid, settings, sandbox) for _ in range(4)]
    assert [_tag(each) for each in (loaded, *idle)] == [None, *[FOUND_NOTHING] * 3]
    newest = idle[-1].run.run_id
    before = grid.get_materialized_partitions(key_of("Invoice"))
    files = dagster_home(settings.ledgerguard_home) / "history" / "runs"

    assert delete_superseded(grid) == [each.run.run_id for each in reversed(idle[:-1])]
    assert {run.run_id for run in grid.get_runs()} == {loaded.run.run_id, newest}
    for gone in idle[:-1]:
        assert list(files.glob(f"{gone.run.run_id}*")) == []
        assert _check_rows(grid, gone.run.run_id) == 0
        assert grid.all_logs(gone.run.run_id) == []
    assert _check_rows(grid, newest) > 0
    assert grid.get_materialized_partitions(key_of("Invoice")) == before
    latest = grid.get_latest_materialization_event(key_of("Invoice"))
    assert latest is not None
    assert latest.run_id == newest
    assert delete_superseded(grid) == []


def test_a_run_that_brought_something_stays(
    grid: dg.DagsterInstance, settings: Settings, sandbox: SandboxServer
) -> None:
    first = _run(grid, settings, sandbox)
    sandbox.edit("update", "Customer")
    changed = _run(grid, settings, sandbox)
    idle = [_run(grid, settings, sandbox) for _ in range(2)]
    assert _tag(changed) is None
    assert delete_superseded(grid) == [idle[0].run.run_id]
    assert {run.run_id for run in grid.get_runs()} == {
        first.run.run_id, changed.run.run_id, idle[1].run.run_id,
    }  # fmt: skip


def test_what_a_person_started_stays(
    grid: dg.DagsterInstance, settings: Settings, sandbox: SandboxServer
) -> None:
    _run(grid, settings, sandbox)
    assert _tag(_run(grid, settings, sandbox, tags={})) is None


def _made(instance: dg.DagsterInstance, **tags: str) -> str:
    run = instance.create_run_for_job(
        dg.GraphDefinition("some_job").to_job(),
        status=dg.DagsterRunStatus.SUCCESS,
        tags={IDLE_TAG: FOUND_NOTHING, REALM_TAG: "1", PARTITION_NAME_TAG: "1|2026-11-01"}
        | {name.replace("__", "/"): text for name, text in tags.items()},
    )
    return run.run_id


def test_the_last_one_of_each_partition_stays_and_is_looked_at_once(
    persistent: dg.DagsterInstance,
) -> None:
    october = [_made(persistent, dagster__partition="1|2026-10-01") for _ in range(2)]
    november = [_made(persistent) for _ in range(2)]
    assert delete_superseded(persistent) == [november[0], october[0]]
    tags = {run.run_id: run.tags[IDLE_TAG] for run in persistent.get_runs()}
    assert tags == {october[1]: LAST_OF_ITS_CELL, november[1]: FOUND_NOTHING}


@pytest.mark.parametrize(
    "other", [{REALM_TAG: "2"}, {SWEEP_TAG: "changes/0of1"}, {INSTALLATION_TAG: "another"}]
)
def test_a_run_replaces_none_of_another_kind(
    persistent: dg.DagsterInstance, other: dict[str, str]
) -> None:
    theirs, mine = _made(persistent, **other), _made(persistent)
    assert delete_superseded(persistent) == []
    assert {run.run_id for run in persistent.get_runs()} == {theirs, mine}


def test_postgres_is_rid_of_them_too(tmp_path: Path) -> None:
    with postgres_database() as url:
        address = url.replace("postgresql:", "postgresql+psycopg2:", 1)
        storage = {"postgres": {"postgres_url": address}}
        with dg.DagsterInstance.local_temp(str(tmp_path), {"storage": storage}) as instance:
            older, newer = _made(instance), _made(instance)
            for run_id in (older, newer):
                planned = dg.DagsterEvent(
                    dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED.value,
                    "some_job",
                    event_specific_data=AssetCheckEvaluationPlanned(
                        asset_key=key_of("Invoice"), check_name="any"
                    ),
                )
                instance.report_dagster_event(planned, run_id=run_id)
                assert _check_rows(instance, run_id) == 1
            assert delete_superseded(instance) == [older]
            assert [_check_rows(instance, run_id) for run_id in (older, newer)] == [0, 1]
            assert instance.all_logs(older) == []
            assert [run.run_id for run in instance.get_runs()] == [newer]


def test_its_sensor_says_how_many(persistent: dg.DagsterInstance) -> None:
    for _ in range(3):
        _made(persistent)
    with dg.build_sensor_context(instance=persistent) as context:
        found = build_idle_runs_sensor()(context)
    assert isinstance(found, dg.SkipReason)
    assert found.skip_message is not None
    assert found.skip_message.startswith("2 runs that found nothing new were deleted")
    assert len(persistent.get_runs()) == 1
