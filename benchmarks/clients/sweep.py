"""A run worker of the fleet job: makes one Dagster run, executes it, and tells what it left.

The order on stdin is the config of the run; settings come from the environment.
"""

from __future__ import annotations

import json
import sys
from typing import cast

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster._core.storage.event_log import SqlEventLogStorage

from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.defs.build import build_definitions
from ledgerguard_pipeline.defs.instance.home import dagster_instance
from ledgerguard_pipeline.defs.keys import FLEET_JOB


def main() -> None:
    """Execute one run."""
    order = json.load(sys.stdin)
    settings = load_settings()
    job = build_definitions(settings).resolve_job_def(FLEET_JOB)
    with dagster_instance(settings, capture_output=False) as instance:
        run = instance.create_run_for_job(
            job_def=job,
            run_config={
                "ops": {"sweep": {"config": order}},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
        )
        execute_run(InMemoryJob(job), run, instance)
        finished = instance.get_run_by_id(run.run_id)
        # Only one of them is read: reading all would cost more than many of the parts that are measured.
        outputs = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_OUTPUT)
        storage = cast("SqlEventLogStorage", instance.event_log_storage)
        with storage.run_connection(run.run_id) as connection:
            counted = connection.exec_driver_sql(
                f"SELECT count(*) FROM event_logs WHERE run_id = '{run.run_id}'"
            ).scalar_one()
        reported = {
            "run_id": run.run_id,
            "status": None if finished is None else finished.status.value,
        }
        for entry in outputs:
            event = entry.dagster_event
            if event is not None:
                table = event.step_output_data.metadata
                reported["table"] = {  # type: ignore[assignment]  # JSON
                    name: value.value for name, value in table.items() if name != "failures"
                }
    sys.stdout.write(json.dumps({**reported, "events": counted}, default=str) + "\n")


if __name__ == "__main__":
    main()
