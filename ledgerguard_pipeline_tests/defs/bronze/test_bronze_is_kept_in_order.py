from pathlib import Path

import dagster as dg
import pytest

from ledgerguard_pipeline.bronze.maintenance.upkeep import MaintenanceReport
from ledgerguard_pipeline.defs.bronze.maintenance import build_maintenance_job, maintain_bronze
from ledgerguard_pipeline.defs.build import build_definitions
from ledgerguard_pipeline.defs.keys import MAINTENANCE_JOB
from ledgerguard_pipeline.errors import BronzeUnavailable
from ledgerguard_pipeline_tests.cli.bronze_file import make_bronze
from ledgerguard_pipeline_tests.defs.conftest import plain_settings


def test_what_was_done_is_in_the_metadata_of_the_step() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        job = build_maintenance_job(lambda: MaintenanceReport(files_merged=7, rows_to_files=3))
        result = job.execute_in_process(instance=instance)
    (output,) = [event for event in result.all_events if event.is_successful_output]
    metadata = output.step_output_data.metadata
    assert metadata["files_merged"].value == 7
    assert "3 rows moved from the catalog" in str(metadata["done"].value)


def test_a_lake_out_of_reach_is_a_failed_step_that_names_the_setting() -> None:
    def unavailable() -> MaintenanceReport:
        raise BronzeUnavailable("LEDGERGUARD_BRONZE_URL did not answer.")

    with dg.DagsterInstance.ephemeral() as instance:
        result = build_maintenance_job(unavailable).execute_in_process(
            instance=instance, raise_on_error=False
        )
    (failed,) = [event for event in result.all_events if event.is_step_failure]
    user = failed.step_failure_data.user_failure_data
    assert user is not None
    assert "LEDGERGUARD_BRONZE_URL" in str(user.description)


def test_a_file_is_checkpointed_and_no_file_is_no_work(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGERGUARD_HOME", str(home))
    assert maintain_bronze() is None
    store = make_bronze(home / "quickbooks.duckdb")
    upkeep = maintain_bronze()
    assert upkeep is not None
    assert upkeep.checkpointed
    assert "checkpointed" in str(upkeep)
    assert store.counts() == {"Customer": 1}


def test_it_runs_daily_by_itself() -> None:
    schedules = [
        each
        for each in build_definitions(plain_settings()).schedules or ()
        if isinstance(each, dg.ScheduleDefinition) and each.job_name == MAINTENANCE_JOB
    ]
    assert [each.default_status for each in schedules] == [dg.DefaultScheduleStatus.RUNNING]
