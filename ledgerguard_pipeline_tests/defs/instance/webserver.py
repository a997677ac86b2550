"""A real ``dagster dev`` on an installation of its own, and the few questions tests ask it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import httpx

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.defs.instance.home import prepare_dagster_home
from ledgerguard_pipeline.defs.keys import CODE_LOCATION
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer, listen

Found = TypeVar("Found")

PROJECT = Path(__file__).parents[3]
START_SECONDS = 150.0
RUN_SECONDS = 120.0
DONE = {"SUCCESS", "FAILURE", "CANCELED"}

_LOCATIONS = """
query { workspaceOrError { ... on Workspace { locationEntries { name loadStatus
  locationOrLoadError { __typename ... on PythonError { message } } } } } }
"""
_RUNS = """
query { runsOrError(limit: 50) { ... on Runs { results {
  runId status jobName tags { key value } } } } }
"""
_LAUNCH = """
mutation($params: ExecutionParams!) { launchRun(executionParams: $params) { __typename
  ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } } } }
"""
_START_STATES = """
query($location: String!) { repositoryOrError(repositorySelector:
  {repositoryName: "__repository__", repositoryLocationName: $location}) {
  ... on Repository { schedules { name scheduleState { status } }
    sensors { name sensorState { status } } jobs { name } } } }
"""


@dataclass(frozen=True, slots=True)
class Run:
    id: str
    status: str
    job: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Dagster:
    """A running web server and daemon."""

    url: str
    settings: Settings
    sandbox: SandboxServer

    def ask(self, query: str, **variables: object) -> dict[str, object]:
        answer = httpx.post(
            f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=60
        )
        document: dict[str, dict[str, object]] = answer.json()
        assert "errors" not in document, document["errors"]
        return document["data"]

    def loaded(self) -> bool:
        try:
            data: object = self.ask(_LOCATIONS)
        except (httpx.HTTPError, ValueError):
            return False
        entries = _at(data, "workspaceOrError", "locationEntries")
        assert isinstance(entries, list)
        if not entries or entries[0]["loadStatus"] != "LOADED":
            return False
        error = entries[0]["locationOrLoadError"]
        assert error["__typename"] != "PythonError", error
        return True

    def runs(self) -> list[Run]:
        results = _at(self.ask(_RUNS), "runsOrError", "results")
        assert isinstance(results, list)
        return [
            Run(
                each["runId"], each["status"], each["jobName"],
                {tag["key"]: tag["value"] for tag in each["tags"]},
            )
            for each in results
        ]  # fmt: skip

    def run(self, run_id: str) -> Run:
        return next(run for run in self.runs() if run.id == run_id)

    def launch(self, job: str, tags: Mapping[str, str], *paths: list[str]) -> str:
        selector = {
            "repositoryName": "__repository__", "repositoryLocationName": CODE_LOCATION,
            "pipelineName": job, "assetSelection": [{"path": path} for path in paths],
        }  # fmt: skip
        metadata = {"tags": [{"key": key, "value": value} for key, value in tags.items()]}
        params = {"selector": selector, "mode": "default", "executionMetadata": metadata}
        answer = self.ask(_LAUNCH, params=params)["launchRun"]
        assert isinstance(answer, dict)
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def instigators(self) -> dict[str, object]:
        repository = self.ask(_START_STATES, location=CODE_LOCATION)["repositoryOrError"]
        assert isinstance(repository, dict)
        return repository

    def wait_for_run(self, run_id: str) -> Run:
        return wait(
            lambda: next((r for r in self.runs() if r.id == run_id and r.status in DONE), None),
            RUN_SECONDS,
            f"run {run_id}",
        )


def _at(document: object, *path: str) -> object:
    for name in path:
        assert isinstance(document, dict), document
        document = document[name]
    return document


def wait(ask: Callable[[], Found | None], seconds: float, what: str) -> Found:
    """The first answer that is not None or False; asked four times a second."""
    pause = threading.Event()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = ask()
        if found:
            return found
        pause.wait(0.25)
    raise AssertionError(f"{what} did not come within {seconds:g} s")


@contextmanager
def dagster_dev(settings: Settings, sandbox: SandboxServer, log: Path) -> Iterator[Dagster]:
    """``dagster dev`` with the project's workspace, its daemon included; stopped at the end."""
    home = prepare_dagster_home(settings.ledgerguard_home)
    listener = listen()
    port = listener.getsockname()[1]
    listener.close()
    environment = {
        **os.environ,
        "PYTHONPATH": str(PROJECT),
        "DAGSTER_HOME": str(home),
        "LEDGERGUARD_HOME": str(settings.ledgerguard_home),
        "INTUIT_CLIENT_ID": sandbox.client_id,
        "INTUIT_CLIENT_SECRET": sandbox.client_secret,
        "INTUIT_BASE_URL": sandbox.base_url,
    }
    command = [
        sys.executable, "-m", "dagster", "dev", "-w", str(home / "workspace.yaml"),
        "-h", "127.0.0.1", "-p", str(port),
    ]  # fmt: skip
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=log.parent, env=environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    dagster = Dagster(f"http://127.0.0.1:{port}", settings, sandbox)
    try:
        wait(lambda: process.poll() is not None or dagster.loaded(), START_SECONDS, "the UI")
        assert process.poll() is None, log.read_text()[-3000:]
        yield dagster
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)
