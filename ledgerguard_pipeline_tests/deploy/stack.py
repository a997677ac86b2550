"""Installations really started: the embedded default, and what `deploy/celery` describes.

Dagster's instance, its workspace, the workers' configuration and the commands of the processes are
the project's files as they are; only the addresses come from here. PostgreSQL and Redis come out of wheels.
"""

from __future__ import annotations

import configparser
import os
import shlex
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

from ledgerguard_pipeline.config.process_tuning import LONG_LIVED
from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.defs.instance.home import prepare_dagster_home
from ledgerguard_pipeline.sandbox.serve.client import SandboxHandle
from ledgerguard_pipeline_tests.postgres import postgres_database
from ledgerguard_pipeline_tests.redis_server import RedisProcess

PROJECT = Path(__file__).parents[2]
DEPLOY = PROJECT / "deploy"
START_SECONDS = 120.0
WORKERS = ("w1", "w2")

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


class Embedded:
    """The embedded default: SQLite, runs forked beside the daemon. A context manager."""

    def __init__(self, folder: Path, sandbox: SandboxHandle, **settings: str) -> None:
        self.folder = folder
        self.sandbox = sandbox
        self._more = settings
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
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
        self.code_port = free_port()
        self.environment = {
            **{name: text for name, text in os.environ.items() if not _own(name)},
            "INTUIT_CLIENT_ID": self.sandbox.client_id,
            "INTUIT_CLIENT_SECRET": self.sandbox.client_secret,
            "INTUIT_BASE_URL": self.sandbox.base_url,
            "LEDGERGUARD_HOME": str(self.folder / "home"),
            "LEDGERGUARD_START_DATE": "2026-11-01",
            "DAGSTER_HOME": str(self._dagster_home()),
            "DAGSTER_CODE_HOST": "127.0.0.1",
            "DAGSTER_CODE_PORT": str(self.code_port),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT),
            **LONG_LIVED,
            **self._stores(),
            **self._more,
        }
        # Here as well: the instance and the stores are looked at by the same addresses.
        self._closing.enter_context(environment(self.environment))
        self.settings: Settings = load_settings(_env_file=None)
        # Made before anybody else looks: the tables of Dagster's own.
        reference = InstanceRef.from_dir(self.environment["DAGSTER_HOME"])
        self.instance = self._closing.enter_context(dg.DagsterInstance.from_ref(reference))

    def _dagster_home(self) -> Path:
        return prepare_dagster_home(self.folder / "home")

    def _stores(self) -> dict[str, str]:
        return {}

    def start(self) -> None:
        """The code server, and the daemon as soon as it has something to talk to."""
        self.start_code_server()
        self.start_daemon()

    def start_code_server(self) -> subprocess.Popen[bytes]:
        """The code server, leader of a group."""
        return self.spawn("code", *unit_command("code", self.code_port))

    def start_daemon(self) -> None:
        """The daemon, leader of a group to which embedded runs belong."""
        code = self.processes["code"]
        wait(lambda: code.poll() is not None or listens(self.code_port), START_SECONDS, "code")
        assert code.poll() is None, self.log("code")
        self.spawn("daemon", *unit_command("daemon"))

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
        self.processes[name] = process
        self._running.append(process)
        return process

    def log(self, name: str) -> str:
        """The end of what a process said."""
        return (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]

    def runs(self, *statuses: dg.DagsterRunStatus) -> Sequence[dg.RunRecord]:
        """Runs, newest first."""
        return self.instance.get_run_records(dg.RunsFilter(statuses=list(statuses)))


class Stack(Embedded):
    """The processes of one installation on Celery: PostgreSQL, Redis, DuckLake, two workers."""

    def _dagster_home(self) -> Path:
        home = self.folder / "dagster"
        home.mkdir()
        shutil.copy(DEPLOY / "celery" / "dagster.yaml", home)
        return home

    def _stores(self) -> dict[str, str]:
        dagster, control, lake = (urlsplit(url) for url in self._databases())
        redis = self._closing.enter_context(RedisProcess("--maxmemory-policy", "noeviction"))
        self.redis = redis
        socket_file = redis.url.removeprefix("unix://")
        index = parse_qs(dagster.query)["host"][0]
        return {
            "LEDGERGUARD_CONTROL_URL": control.geturl(),
            "LEDGERGUARD_REDIS_URL": redis.url,
            "LEDGERGUARD_BRONZE_URL": (
                f"ducklake:postgres:host={index} dbname={lake.path.removeprefix('/')} "
                f"user=postgres;data={self.folder / 'lake'}"
            ),
            # The server listens on a Unix socket only; libpq finds it by this variable.
            "PGHOST": index,
            "DAGSTER_POSTGRES_HOST": "",
            "DAGSTER_POSTGRES_PORT": "5432",
            "DAGSTER_POSTGRES_DB": dagster.path.removeprefix("/"),
            "DAGSTER_POSTGRES_USER": dagster.username or "postgres",
            "DAGSTER_POSTGRES_PASSWORD": "",
            "DAGSTER_CELERY_BROKER_URL": f"redis+socket://{socket_file}?virtual_host=1",
            "DAGSTER_CELERY_BACKEND_URL": f"redis+socket://{socket_file}?virtual_host=2",
            "DAGSTER_RUN_SLOTS": "2",
        }

    def _databases(self) -> list[str]:
        """Three empty databases on one server: Dagster's, the control plane's, the lake's."""
        return [self._closing.enter_context(postgres_database()) for _ in range(3)]

    def start(self) -> None:
        """Code server and workers together, then the daemon."""
        self.start_code_server()
        for name in WORKERS:
            self.start_worker(name)
        self.start_daemon()

    def start_worker(self, name: str, **more: str) -> subprocess.Popen[bytes]:
        """One Celery worker of one slot, as its systemd unit starts it."""
        return self.spawn(
            name,
            *unit_command("worker@", name=name),
            PYTHONPATH=os.pathsep.join([str(DEPLOY / "celery"), self.environment["PYTHONPATH"]]),
            **more,
        )


def unit_command(unit: str, port: int = 4000, *, name: str = "1") -> list[str]:
    """The command of a systemd unit in `deploy/`, with the paths of this checkout."""
    path = DEPLOY / "celery" / "systemd" / f"ledgerguard-{unit}.service"
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.read(path, encoding="utf-8")
    program, *arguments = shlex.split(parsed["Service"]["ExecStart"])
    changed = {"/usr/local/lib/ledgerguard/deploy": str(DEPLOY), "%i": name, "%%h": "%h"}
    for written, meant in changed.items():
        arguments = [argument.replace(written, meant) for argument in arguments]
    return [Path(program).name, *(str(port) if each == "4000" else each for each in arguments)]


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
