"""``python -m ledgerguard_pipeline_tests.bench.sensor_ticks``: what a code server holds after days of ticks.

A sensor ticks every five to sixty seconds, so a soak of half an hour sees few of them. Here one code
server, started as the unit starts it, is asked for as many ticks as it can answer, one sensor after the
other, or of all sensors at once as the daemon asks it, with the definitions read at every tenth
time. Memory that ticks leave behind would grow with their number. With ``--launches`` it is asked what the
daemon asks before it launches a run, each for another selection of assets, as events make it.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer
from dagster._core.definitions.selector import JobSubsetSelector
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

_SENSORS = ("lost_runs", "idle_runs", "new_company", "sync_requests", "failed_runs")
"""Those of every few seconds whose tick does not wait for events."""
_ALL = (*_SENSORS, "check_outcomes", "company_alerts", "webhook_events")
_PARTS = 8
_READ_EVERY = 10
AtOnce = Annotated[bool, typer.Option("--at-once", help="All sensors at the same time.")]


def sensor_ticks(
    ticks: Annotated[int, typer.Option(min=_PARTS, help="Ticks of each sensor.")] = 3200,
    sensor: Annotated[
        list[str] | None, typer.Option(help="Name of a sensor; may be repeated.")
    ] = None,
    home: Annotated[
        Path | None, typer.Option(help="A home to copy, as a soak leaves it; a new one if unset.")
    ] = None,
    *,
    launches: Annotated[int, typer.Option(help="Launches of runs instead of ticks.")] = 0,
    at_once: AtOnce = False,
) -> None:
    """Print the private memory of a code server, in MB, eight times for each sensor or all launches."""
    with tempfile.TemporaryDirectory() as name, SandboxServer(invoices=100) as sandbox:
        folder = Path(name)
        if home is not None:
            shutil.copytree(home, folder / "home")
        with Embedded(folder, sandbox) as stack:
            if home is None:
                _load(stack, sandbox)
            process = stack.start_code_server()
            wait(lambda: listens(stack.code_port), 60, "the code server")
            target = GrpcServerTarget("127.0.0.1", stack.code_port, None, CODE_LOCATION)
            with WorkspaceProcessContext(stack.instance, target) as workspace:
                if launches:
                    _launches(workspace, stack, launches, process.pid)
                    return
                groups = (
                    [list(sensor or _ALL)] if at_once else [[one] for one in sensor or _SENSORS]
                )
                for names in groups:
                    sys.stdout.write(f"{', '.join(names)}: {private_mb(process.pid):.1f}")
                    for _ in range(_PARTS):
                        _ticks(workspace, stack, names, ticks // _PARTS)
                        sys.stdout.write(f" {private_mb(process.pid):.1f}")
                        sys.stdout.flush()
                    sys.stdout.write("\n")


def _load(stack: Embedded, sandbox: SandboxServer) -> None:
    with Installation.open(stack.settings) as installation:
        connect(installation, sandbox)
        installation.service(RealmId(sandbox.realm_id)).run_batch_ingestion(["Invoice"])


def _ticks(
    workspace: WorkspaceProcessContext, stack: Embedded, names: list[str], count: int
) -> None:
    """That many rounds, of each sensor one tick a round."""
    location = workspace.create_request_context().get_code_location(CODE_LOCATION)
    with ThreadPoolExecutor(len(names)) as pool:
        for number in range(count):
            if len(names) > 1 and number % _READ_EVERY == 0:
                workspace.refresh_workspace()
                location = workspace.create_request_context().get_code_location(CODE_LOCATION)
            for done in [pool.submit(_tick, location, stack, name) for name in names]:
                done.result()


def _tick(location: CodeLocation, stack: Embedded, name: str) -> None:
    (repository,) = location.get_repositories().values()
    location.get_sensor_execution_data(
        stack.instance, repository.handle, name, time.time() - 5, None, None, None, None
    )


def _launches(
    workspace: WorkspaceProcessContext, stack: Embedded, count: int, process: int
) -> None:
    """What is asked of the code server before each of that many runs."""
    location = workspace.create_request_context().get_code_location(CODE_LOCATION)
    (repository,) = location.get_repositories().values()
    (job,) = (one.name for one in repository.get_all_jobs() if one.name.startswith("__ASSET_JOB"))
    keys = sorted(
        key for key in repository.asset_graph.get_all_asset_keys() if "bronze" in key.path
    )
    draw = random.Random(1)
    sys.stdout.write(f"launches: {private_mb(process):.1f}")
    for number in range(1, count + 1):
        chosen = draw.sample(keys, draw.randint(1, 8))
        selector = JobSubsetSelector(location.name, repository.name, job, None, chosen, None)
        location.get_execution_plan(location.get_job(selector), {}, None, None, stack.instance)
        if number % max(1, count // _PARTS) == 0:
            sys.stdout.write(f" {private_mb(process):.1f}")
            sys.stdout.flush()
    sys.stdout.write("\n")


if __name__ == "__main__":
    typer.run(sensor_ticks)
