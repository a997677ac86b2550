"""A host project whose runs are pods of Kubernetes loads companies by configuration.

There is no cluster: an API server on loopback takes the job that Dagster's launcher creates, and what
the pod would run is run here.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import kubernetes_validate  # type: ignore[import-untyped]  # ships none
import pytest
import yaml  # type: ignore[import-untyped]  # ships none
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.instance.ref import InstanceRef
from dagster._core.launcher.base import LaunchRunContext
from dagster._core.origin import (
    DEFAULT_DAGSTER_ENTRY_POINT,
    JobPythonOrigin,
    RepositoryPythonOrigin,
)

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.defs.keys import COMPANY_TAG, REALM_TAG
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.cli.conftest import command_environment
from ledgerguard_pipeline_tests.defs.guest import host_project
from ledgerguard_pipeline_tests.defs.guest.host_project import REALMS, host_definitions, now

JOB = "quickbooks_bronze_sync"


class ApiServer(ThreadingHTTPServer):
    """The part of Kubernetes' API that Dagster's launcher calls: it takes jobs."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.jobs: list[dict[str, Any]] = []


class _Handler(BaseHTTPRequestHandler):
    server: ApiServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        found = self.path == "/apis/batch/v1/namespaces/books/jobs"
        if found:
            self.server.jobs.append(json.loads(body))
        self.send_response(201 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def cluster() -> Iterator[ApiServer]:
    with ApiServer() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(autouse=True)
def variables(
    at_home: Settings, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """What code server and pods have in common; in a cluster it comes from secrets."""
    found = {
        "BOOKS_HOME": str(at_home.ledgerguard_home), "BOOKS_CLIENT": sandbox.client_id,
        "BOOKS_SECRET": sandbox.client_secret, "BOOKS_HOST": sandbox.base_url,
    }  # fmt: skip
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


@contextmanager
def instance_with(folder: Path, launcher: dict[str, object]) -> Iterator[dg.DagsterInstance]:
    """A host's instance that starts runs so, as its ``dagster.yaml`` says."""
    (folder / "dagster.yaml").write_text(
        yaml.safe_dump({"run_launcher": launcher, "telemetry": {"enabled": False}})
    )
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder))) as instance:
        yield instance


def launched(instance: dg.DagsterInstance, realm: str) -> str:
    """A run of one company, handed to the instance's launcher; its id."""
    host = host_definitions()
    instance.add_dynamic_partitions(REALMS, [realm])
    job = host.resolve_job_def(JOB)
    tags = job.get_tags_for_partition_key(now(host, realm), selected_asset_keys=None)
    repository = RepositoryPythonOrigin(
        sys.executable,
        ModuleCodePointer(host_project.__name__, host_definitions.__name__, str(Path.cwd())),
        container_image="books:1",
        entry_point=DEFAULT_DAGSTER_ENTRY_POINT,
    )
    run = instance.create_run_for_job(
        job_def=job, tags=tags, job_code_origin=JobPythonOrigin(JOB, repository)
    )
    instance.run_launcher.launch_run(LaunchRunContext(run, workspace=None))
    return run.run_id


def loaded(instance: dg.DagsterInstance, run_id: str, realm: str) -> None:
    """The run succeeded, is its company's, and loaded everything in one process."""
    run = instance.get_run_by_id(run_id)
    assert run is not None
    assert run.is_success, [each.message for each in instance.all_logs(run_id)][-5:]
    assert run.tags[REALM_TAG] == realm
    assert run.tags[COMPANY_TAG]
    events = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    keys = [each.get_dagster_event().asset_key for each in events]
    tables = {key.path[-1] for key in keys if key is not None}
    assert {"customer", "invoice", "purchase"} <= tables


def test_a_run_is_a_pod_that_needs_nothing_but_its_arguments_and_secrets(
    cluster: ApiServer, sandbox: SandboxServer, tmp_path: Path, variables: dict[str, str]
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    address = f"http://127.0.0.1:{cluster.server_address[1]}"
    kubeconfig.write_text(yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "clusters": [{"name": "here", "cluster": {"server": address}}],
        "users": [{"name": "nobody", "user": {}}],
        "contexts": [{"name": "here", "context": {"cluster": "here", "user": "nobody"}}],
    }))  # fmt: skip
    launcher: dict[str, object] = {
        "module": "dagster_k8s", "class": "K8sRunLauncher",
        "config": {
            "service_account_name": "dagster", "instance_config_map": "dagster-instance",
            "load_incluster_config": False, "kubeconfig_file": str(kubeconfig),
            "job_namespace": "books", "env_secrets": ["ledgerguard"],
            "env_config_maps": ["ledgerguard"],
        },
    }  # fmt: skip
    with instance_with(tmp_path, launcher) as instance:
        run_id = launched(instance, sandbox.realm_id)
        (job,) = cluster.jobs
        kubernetes_validate.validate({"apiVersion": "batch/v1", "kind": "Job"} | job, "1.37")
        (container,) = job["spec"]["template"]["spec"]["containers"]
        assert container["image"] == "books:1"
        given = [each.popitem()[1]["name"] for each in container["envFrom"]]
        assert given == ["ledgerguard", "ledgerguard"]
        assert variables["BOOKS_SECRET"] not in json.dumps(job)

        program, *arguments = container["args"]
        assert program == "dagster"
        done = subprocess.run(
            [sys.executable, "-m", program, *arguments], env=command_environment(),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        loaded(instance, run_id, sandbox.realm_id)
