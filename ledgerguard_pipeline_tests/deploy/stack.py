"""What `deploy/celery` describes, really started: PostgreSQL, Redis, code server, daemon, workers.

Dagster's instance, its workspace and the workers' configuration are the files in `deploy/`, as
they are; only the addresses come from here.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self, TypeVar
from urllib.parse import parse_qs, urlsplit

import dagster as dg
from dagster._core.instance.ref import InstanceRef

from ledgerguard_pipeline.sandbox.handle import SandboxHandle
from ledgerguard_pipeline.settings import Settings, load_settings
from ledgerguard_pipeline_tests.postgres import postgres_database
from ledgerguard_pipeline_tests.redis_server import RedisProcess

PROJECT = Path(__file__).parents[2]
DEPLOY = PROJECT / "deploy"
START_SECONDS = 120.0

Found = TypeVar("Found")


def wait(ask: Callable[[], Found | None], seconds: float, what: str) -> Found:
    """The first answer that is something; asked five times a second."""
    pause = threading.Event()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = ask()
        if found:
            return found
        pause.wait(0.2)
    raise AssertionError(f"{what} did not come within {seconds:g} s")


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Stack:
    """The processes of one installation on Celery. A context manager."""

    def __init__(self, folder: Path, sandbox: SandboxHandle, **settings: str) -> None:
        self.folder = folder
        self.sandbox = sandbox
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self._more = settings
        self._running: list[subprocess.Popen[bytes]] = []
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._prepare()
        except BaseException:
            self._closing.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._running):
            kill(process, signal.SIGKILL)
        for process in self._running:
            process.wait()
        self._closing.close()

    def _prepare(self) -> None:
        databases = [self._closing.enter_context(postgres_database()) for _ in range(3)]
        dagster, control, lake = (urlsplit(url) for url in databases)
        redis = self._closing.enter_context(RedisProcess("--maxmemory-policy", "noeviction"))
        socket_file = redis.url.removeprefix("unix://")
        home = self.folder / "dagster"
        home.mkdir()
        shutil.copy(DEPLOY / "celery" / "dagster.yaml", home)
        code_port = free_port()
        place = parse_qs(dagster.query)["host"][0]
        self.environment = {
            **{name: text for name, text in os.environ.items() if not _own(name)},
            "INTUIT_CLIENT_ID": self.sandbox.client_id,
            "INTUIT_CLIENT_SECRET": self.sandbox.client_secret,
            "INTUIT_BASE_URL": self.sandbox.base_url,
            "LEDGERGUARD_HOME": str(self.folder / "home"),
            "LEDGERGUARD_CONTROL_URL": control.geturl(),
            "LEDGERGUARD_START_DATE": "2026-11-01",
            "DAGSTER_HOME": str(home),
            # The server listens on a Unix socket only; libpq finds it by this variable.
            "PGHOST": place,
            "DAGSTER_POSTGRES_HOST": "",
            "DAGSTER_POSTGRES_PORT": "5432",
            "DAGSTER_POSTGRES_DB": dagster.path.removeprefix("/"),
            "DAGSTER_POSTGRES_USER": dagster.username or "postgres",
            "DAGSTER_POSTGRES_PASSWORD": "",
            "LEDGERGUARD_REDIS_URL": redis.url,
            "DAGSTER_CELERY_BROKER_URL": f"redis+socket://{socket_file}?virtual_host=1",
            "DAGSTER_CELERY_BACKEND_URL": f"redis+socket://{socket_file}?virtual_host=2",
            "DAGSTER_RUN_SLOTS": "2",
            "DAGSTER_CODE_HOST": "127.0.0.1",
            "DAGSTER_CODE_PORT": str(code_port),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT),
        }
        given = {"lake": lake.path.removeprefix("/"), "place": place}
        self.environment |= {name: text.format(**given) for name, text in self._more.items()}
        # Here as well: the instance and the stores are looked at by the same addresses.
        self._closing.enter_context(environment(self.environment))
        self.settings: Settings = load_settings(_env_file=None)
        # Made before anybody else looks: the tables of Dagster's own.
        reference = InstanceRef.from_dir(str(home))
        self.instance = self._closing.enter_context(dg.DagsterInstance.from_ref(reference))
        self.code_port = code_port

    def start(self) -> None:
        """Code server and workers first, the daemon as soon as it has something to talk to."""
        self.spawn(
            "code",
            *("dagster", "code-server", "start", "-h", "127.0.0.1", "-p", str(self.code_port)),
            *("-m", "ledgerguard_pipeline.definitions"),
        )
        for name in ("w1", "w2"):
            self.start_worker(name)
        self._answering("code", lambda: listens(self.code_port))
        self.spawn("daemon", "dagster-daemon", "run", "-w", str(DEPLOY / "workspace.yaml"))

    def start_worker(self, name: str) -> None:
        """One Celery worker of one slot, as its systemd unit starts it."""
        self.workers[name] = self.spawn(
            name,
            *("celery", "-A", "dagster_celery.app", "worker", "--concurrency", "1"),
            *("-n", f"{name}@%h", "--loglevel", "WARNING"),
            PYTHONPATH=os.pathsep.join([str(DEPLOY / "celery"), str(PROJECT)]),
        )

    def spawn(
        self, name: str, command: str, *arguments: str, **more: str
    ) -> subprocess.Popen[bytes]:
        """A process of this installation, leader of its own group; its log is ``<name>.log``."""
        found = shutil.which(command, path=self.environment["PATH"])
        assert found is not None, command
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [found, *arguments],
                env={**self.environment, **more},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._running.append(process)
        return process

    def log(self, name: str) -> str:
        """The end of what a process said."""
        return (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]

    def runs(self, *statuses: dg.DagsterRunStatus) -> Sequence[dg.RunRecord]:
        """Runs, newest first."""
        return self.instance.get_run_records(dg.RunsFilter(statuses=list(statuses)))

    def _answering(self, name: str, ask: Callable[[], bool]) -> None:
        process = self._running[0]
        wait(lambda: process.poll() is not None or ask(), START_SECONDS, name)
        assert process.poll() is None, self.log(name)


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """These variables for the length of the block."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def kill(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to a process and to all it started."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def _own(name: str) -> bool:
    return name.startswith(("INTUIT_", "LEDGERGUARD_", "DAGSTER_", "CELERY_", "PYTHON"))
