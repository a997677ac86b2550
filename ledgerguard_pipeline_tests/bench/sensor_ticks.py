"""``python -m ledgerguard_pipeline_tests.bench.sensor_ticks``: what a code server holds after days of ticks.

A sensor ticks every five to sixty seconds, so a soak of half an hour sees few of them. Here one code
server, started as the unit starts it, is asked for as many ticks as it can answer, one sensor after the
other. Memory that ticks leave behind would grow with their number.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from dagster._core.remote_representation.code_location import CodeLocation
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import GrpcServerTarget

from ledgerguard_pipeline.defs.keys import CODE_LOCATION
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.conftest import connect
from ledgerguard_pipeline_tests.deploy.stack import Embedded, listens, wait
from ledgerguard_pipeline_tests.soak.processes import private_mb

_SENSORS = ("lost_runs", "new_company", "sync_requests", "failed_runs")
"""Those of every few seconds whose tick does not wait for events."""
_PARTS = 8


def sensor_ticks(
    ticks: Annotated[int, typer.Option(min=_PARTS, help="Ticks of each sensor.")] = 3200,
    sensor: Annotated[
        list[str] | None, typer.Option(help="Name of a sensor; may be repeated.")
    ] = None,
) -> None:
    """Print the private memory of a code server, in MB, eight times for each sensor."""
    with (
        tempfile.TemporaryDirectory() as folder,
        SandboxServer(invoices=100) as sandbox,
        Embedded(Path(folder), sandbox) as stack,
    ):
        with Installation.open(stack.settings) as installation:
            connect(installation, sandbox)
            installation.service(RealmId(sandbox.realm_id)).run_batch_ingestion(["Invoice"])
        process = stack.start_code_server()
        wait(lambda: listens(stack.code_port), 60, "the code server")
        target = GrpcServerTarget("127.0.0.1", stack.code_port, None, CODE_LOCATION)
        with WorkspaceProcessContext(stack.instance, target) as workspace:
            location = workspace.create_request_context().get_code_location(CODE_LOCATION)
            for name in sensor or _SENSORS:
                sys.stdout.write(f"{name}: {private_mb(process.pid):.1f}")
                for _ in range(_PARTS):
                    _tick(location, stack, name, ticks // _PARTS)
                    sys.stdout.write(f" {private_mb(process.pid):.1f}")
                    sys.stdout.flush()
                sys.stdout.write("\n")


def _tick(location: CodeLocation, stack: Embedded, name: str, count: int) -> None:
    (repository,) = location.get_repositories().values()
    for _ in range(count):
        location.get_sensor_execution_data(
            stack.instance, repository.handle, name, time.time() - 5, None, None, None, None
        )


if __name__ == "__main__":
    typer.run(sensor_ticks)
