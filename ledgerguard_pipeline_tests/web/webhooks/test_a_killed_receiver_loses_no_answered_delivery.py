"""SIGKILL at each step between the body and the answer; Intuit then delivers again."""

from __future__ import annotations

import http.client
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import ledgerguard_pipeline
from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.control.database_file import DATABASE_FILE
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.webhook_queue.queue import EventStatus
from ledgerguard_pipeline.web.webhooks.receiver import WEBHOOK_PATH
from ledgerguard_pipeline.webhooks.signature import sign
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import connect
from ledgerguard_pipeline_tests.web.webhooks.receiving import TOKEN
from ledgerguard_pipeline_tests.webhooks.deliveries import Change, cloud_events

BODY = cloud_events([Change(id="1"), Change(id="2")])
_SOURCE = Path(ledgerguard_pipeline.__file__).parents[2]


@pytest.fixture
def settings(home: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("INTUIT_WEBHOOK_VERIFIER_TOKEN", TOKEN)
    monkeypatch.setenv("INTUIT_CLIENT_ID", "app")
    monkeypatch.setenv("INTUIT_CLIENT_SECRET", "made-up-secret")
    return load_settings(ledgerguard_home=home)


@contextmanager
def web(port: int, crash_at: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """``ledgerguard web`` as a process, ready; killed at the end."""
    variables = {**os.environ, "PYTHONPATH": str(_SOURCE), "LEDGERGUARD_CRASH_AT": crash_at}
    process = subprocess.Popen(
        [*(sys.executable, "-m", "ledgerguard_pipeline.cli"), "web", "--port", str(port)],
        env=variables,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if b"Connect a company" in line:
                break
        yield process
    finally:
        process.kill()
        process.communicate()


def deliver(port: int) -> int | None:
    """The status, or None if the connection ended without one."""
    connection = http.client.HTTPConnection("localhost", port, timeout=30)
    try:
        connection.request("POST", WEBHOOK_PATH, BODY, {"intuit-signature": sign(BODY, TOKEN)})
        return connection.getresponse().status
    except (http.client.HTTPException, ConnectionError):
        return None
    finally:
        connection.close()


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    "point,kept", [("before_delivery_commit", 0), ("after_delivery_commit", 2)]
)
def test_killed_at_each_step_it_answers_nothing_and_doubles_nothing(
    settings: Settings, point: str, kept: int
) -> None:
    with ControlPlane.open(settings) as plane:
        connect(plane)
    port = free_port()
    with web(port, crash_at=point) as killed:
        assert deliver(port) is None
        assert killed.wait(30) == -signal.SIGKILL
    with ControlPlane.open(settings) as plane:
        assert len(plane.inbox.list()) == kept

    with web(port):
        assert deliver(port) == 200, "Intuit delivers again what was not answered"
    with ControlPlane.open(settings) as plane:
        assert plane.inbox.backlog().by_status == {EventStatus.PENDING: 2}
        assert plane.deliveries.list()[0].body == BODY


def status_of(port: int, path: str) -> int:
    with closing(http.client.HTTPConnection("localhost", port, timeout=30)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status


def test_a_store_that_is_held_or_full_costs_no_delivery_and_no_page(settings: Settings) -> None:
    """Nothing is answered 200 that is not stored, and the rest of the server answers meanwhile."""
    with ControlPlane.open(settings) as plane:
        connect(plane)
    port, database = free_port(), settings.ledgerguard_home / DATABASE_FILE
    with web(port) as process, ThreadPoolExecutor(8) as pool:
        with closing(sqlite3.connect(database, isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            waiting = [pool.submit(deliver, port) for _ in range(8)]
            assert [status_of(port, "/healthz") for _ in range(3)] == [200, 200, 200]
            assert 200 not in {each.result() for each in waiting if each.done()}
            holder.execute("ROLLBACK")
        assert {each.result() for each in waiting} <= {200, 503}
        with ControlPlane.open(settings) as plane:
            before = len(plane.deliveries.list())
        assert before == [each.result() for each in waiting].count(200)

        _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, hard))
        assert deliver(port) == 503
        assert status_of(port, "/healthz") == 200
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard, hard))
        assert deliver(port) == 200, "Intuit delivers again what was not answered"
    with ControlPlane.open(settings) as plane:
        assert len(plane.deliveries.list()) == before + 1
        assert plane.inbox.backlog().by_status == {EventStatus.PENDING: 2}
