"""Modules moved into rooms after 0.1.0. What deployments copied from it names them as they were."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import dagster as dg
import pytest

from ledgerguard_pipeline.defs.instance.home import dagster_instance, prepare_dagster_home
from ledgerguard_pipeline.defs.instance.sqlite_storage import PooledEventLogStorage
from ledgerguard_pipeline_tests.defs.conftest import plain_settings

DAGSTER_YAML = """\
telemetry:
  enabled: false
storage:
  custom:
    module: ledgerguard_pipeline.defs.storage
    class: PooledSqliteStorage
    config:
      base_dir:
        env: DAGSTER_HOME
run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
"""
IMPORTED_BY_WORKERS = (
    "ledgerguard_pipeline.definitions",
    "ledgerguard_pipeline.installation",
    "ledgerguard_pipeline.bronze.store",
    "ledgerguard_pipeline.ingestion.service",
    "ledgerguard_pipeline.ingestion.events",
)
STARTED_WITH_DASH_M = ("ledgerguard_pipeline.cli", "ledgerguard_pipeline.sandbox")


@dg.op
def nothing() -> None: ...


@dg.job
def idle() -> None:
    nothing()


def test_a_dagster_home_of_0_1_0_opens_and_keeps_its_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    folder = home / "dagster"
    folder.mkdir(parents=True)
    (folder / "dagster.yaml").write_text(DAGSTER_YAML, encoding="utf-8")
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "1000")
    with dg.DagsterInstance.from_config(str(folder)) as older:
        assert isinstance(older.event_log_storage, PooledEventLogStorage)
        run = idle.execute_in_process(instance=older).run_id

    settings = plain_settings(ledgerguard_home=home)
    prepare_dagster_home(home)
    with dagster_instance(settings, capture_output=False) as newer:
        assert isinstance(newer.event_log_storage, PooledEventLogStorage)
        found = newer.get_run_by_id(run)
        assert found is not None
        assert found.status is dg.DagsterRunStatus.SUCCESS
        assert newer.all_logs(run)


@pytest.mark.parametrize("module", IMPORTED_BY_WORKERS)
def test_a_celery_configuration_of_0_1_0_finds_its_modules(module: str) -> None:
    assert import_module(module).__name__ == module


@pytest.mark.parametrize("module", STARTED_WITH_DASH_M)
def test_modules_that_are_started_keep_their_names(module: str) -> None:
    started = subprocess.run(
        [sys.executable, "-m", module, "--help"], capture_output=True, text=True, check=False
    )
    assert started.returncode == 0, started.stderr
    assert "Usage" in started.stdout
