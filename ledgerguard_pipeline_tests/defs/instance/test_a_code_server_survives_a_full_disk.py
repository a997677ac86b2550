"""A code server that begins while the disk is full ends, so that the next one has its definitions."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from dagster._grpc.client import DagsterGrpcClient
from dagster._grpc.types import ListRepositoriesResponse
from dagster._serdes import deserialize_value

from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.defs.instance.home import dagster_instance
from ledgerguard_pipeline.defs.instance.sqlite_storage import HistoryUnavailable
from ledgerguard_pipeline_tests.deploy.stack import free_port, listens, unit_command, wait

_SECONDS = 100.0


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that has its history, as after the first start."""
    monkeypatch.setenv("LEDGERGUARD_HOME", str(tmp_path / "home"))
    with dagster_instance(load_settings()) as instance:
        assert instance.get_runs_count() == 0
    return tmp_path / "home"


@contextmanager
def no_room() -> Iterator[None]:
    """No file of this process may grow; what it starts inherits that."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def started(home: Path, port: int) -> subprocess.Popen[bytes]:
    """The code server, as systemd starts it."""
    return subprocess.Popen(
        [sys.executable, "-m", *unit_command("code", port)],
        env={**os.environ, "DAGSTER_HOME": str(home / "dagster")}, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def test_it_ends_and_the_next_one_has_its_definitions(home: Path) -> None:
    """One that went on would answer with its error until somebody reloads it."""
    port = free_port()
    with no_room():
        server = started(home, port)
    assert server.wait(_SECONDS) != 0
    server = started(home, port)
    try:
        wait(lambda: listens(port), _SECONDS, "the code server")
        client = DagsterGrpcClient(host="127.0.0.1", port=port)
        found = deserialize_value(client.list_repositories())
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    assert isinstance(found, ListRepositoriesResponse), found


@pytest.mark.usefixtures("home")
def test_it_ends_while_the_database_of_dagster_is_away(tmp_path: Path) -> None:
    """As on Celery, where Dagster's history is in PostgreSQL."""
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "dagster").mkdir(parents=True)
    nobody = f"postgresql://dagster:none@127.0.0.1:{free_port()}/dagster"
    (elsewhere / "dagster" / "dagster.yaml").write_text(
        f"storage: {{postgres: {{postgres_url: '{nobody}'}}}}"
    )
    assert started(elsewhere, free_port()).wait(_SECONDS) != 0


def test_a_history_that_cannot_be_opened_is_one_sentence(home: Path) -> None:
    with no_room(), pytest.raises(HistoryUnavailable, match="free some space"):  # noqa: SIM117
        with dagster_instance(load_settings()):
            pass
