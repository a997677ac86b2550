"""The processes of one installation, started, killed, and started again as a supervisor would."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random

import dagster as dg

from ledgerguard_pipeline_tests.deploy.stack import (
    START_SECONDS,
    Embedded,
    free_port,
    kill,
    listens,
    unit_command,
)
from ledgerguard_pipeline_tests.soak.books import VERIFIER
from ledgerguard_pipeline_tests.soak.grants import GrantStore, SqliteGrants
from ledgerguard_pipeline_tests.soak.guarantees import CLOCK_VARIABLE

RESTART_SECONDS = 1.0
"""Between the end of a process and its next start, as ``RestartSec`` of the units has it."""

WEBHOOK_PATH = "/api/v1/webhooks/qbo"
CRASH_VARIABLE = "LEDGERGUARD_CRASH_AT"
_RUN_WORDS = (b"spawn_main", b"execute_run")
_FORKS = b"multiprocessing.forkserver"
"""In the command of the process that runs are forked from, and so in theirs."""
UNFINISHED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


class Services:
    """Web edge, code server and daemon (and workers) of an installation, kept alive.

    ``build`` is the folder of the test build. Whatever ends without having been killed by the
    soak is noted in ``deaths``. Thread-safe.
    """

    def __init__(self, stack: Embedded) -> None:
        self.stack = stack
        self.folder = stack.folder
        self.home = Path(stack.environment["LEDGERGUARD_HOME"])
        self.grants: GrantStore = SqliteGrants(self.home / "control.db")
        self.store_folders: tuple[Path, ...] = ()
        """Where servers keep what they store."""
        self.reading = threading.RLock()
        """Held by whoever reads Bronze in this process: DuckDB aborts the process in whose
        transaction a lake's PostgreSQL goes away."""
        self.deaths: list[str] = []
        self.kills = 0
        self.restarts = 0
        self._lock = threading.RLock()
        self._starts: dict[str, Callable[[], subprocess.Popen[bytes]]] = {}
        self._killed: set[int] = set()
        self._commands: dict[int, subprocess.Popen[bytes]] = {}
        self._closing = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)
        self._armed: str | None = None
        self._number = 0

    @property
    def web_port(self) -> int:
        return int(self.stack.environment["SOAK_WEB_PORT"])

    @property
    def webhook_url(self) -> str:
        return f"http://localhost:{self.web_port}{WEBHOOK_PATH}"

    def start(self) -> None:
        """Everything but the daemon, which would start to load at once.

        Raises:
            TimeoutError: the installation does not start.
        """
        self._starts["web"] = lambda: self.stack.spawn(
            "web", "ledgerguard", "web", "--port", str(self.web_port)
        )
        self._starts["code"] = self._start_code
        self._starts |= self.more()
        for starting in self._starts.values():
            starting()
        deadline = time.monotonic() + START_SECONDS
        while not (listens(self.web_port) and listens(self.stack.code_port)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"no start: {self.stack.log('web')} {self.stack.log('code')}")
            time.sleep(0.1)

    def start_daemon(self) -> None:
        """From now on runs begin, and whatever ends is started again."""
        self._starts["daemon"] = self._start_daemon
        self._starts["daemon"]()
        self._supervisor.start()

    def more(self) -> dict[str, Callable[[], subprocess.Popen[bytes]]]:
        """Further processes of a larger stack, by name."""
        return {}

    def restart_store(self, name: str, rng: Random) -> None:
        """Stop the ``database`` or ``redis`` in one way or the other, and start it again."""

    def armed(self) -> dict[str, str]:
        """What lets a process die at the crash point that is armed, if one is."""
        return {} if self._armed is None else {CRASH_VARIABLE: self._armed}

    def _start_code(self) -> subprocess.Popen[bytes]:
        return self.stack.spawn("code", *unit_command("code", self.stack.code_port), **self.armed())

    def _start_daemon(self) -> subprocess.Popen[bytes]:
        return self.stack.spawn("daemon", *unit_command("daemon"), **self.armed())

    def stop(self) -> None:
        """End all of them in order; a run under way gets the time to end by itself."""
        self._closing.set()
        if self._supervisor.is_alive():
            self._supervisor.join()
        with self._lock:
            for name in reversed(self._starts):
                process = self.stack.processes.get(name)
                if process is None:
                    continue
                kill(process, signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(20)
                kill(process, signal.SIGKILL)
                process.wait()

    def _supervise(self) -> None:
        while not self._closing.wait(0.2):
            for name, starting in self._starts.items():
                with self._lock:
                    process = self.stack.processes[name]
                    if process.poll() is None:
                        continue
                    crashed = name in ("code", "daemon") and self._armed is not None
                    if process.pid not in self._killed and not crashed:
                        self.deaths.append(
                            f"{name} ended by itself with {process.returncode}: "
                            f"{self.stack.log(name)[-600:]}"
                        )
                if self._closing.wait(RESTART_SECONDS):
                    return
                with self._lock:
                    self.restarts += 1
                    starting()

    def kill(self, name: str) -> bool:
        """SIGKILL to a service and all it started."""
        with self._lock:
            process = self.stack.processes[name]
            if process.poll() is not None:
                return False
            self._killed.add(process.pid)
            kill(process, signal.SIGKILL)
            self.kills += 1
            return True

    def kill_process(self, pid: int) -> bool:
        """SIGKILL to one process that a service started."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.kills += 1
            return True
        return False

    def arm(self, point: str | None) -> None:
        """Let code server and daemon, in their next lives, and every run die at a crash point."""
        with self._lock:
            self._armed = point
        self.kill("code")
        self.kill_starters()

    def kill_starters(self) -> None:
        """Kill what runs are started by, and so get their variables from."""
        self.kill("daemon")

    def runs(self) -> list[int]:
        """Processes that work on runs: forks of the daemon, or children of the code server."""
        groups = {process.pid for name, process in self.stack.processes.items() if name != "web"}
        return [
            pid
            for pid in self.pids()
            if pid not in groups and group(pid) in groups and _works_on_run(pid)
        ]

    def unfinished(self) -> int:
        """Runs that Dagster knows and that did not end, those that still wait to start included."""
        return len(self.stack.runs(*UNFINISHED))

    def pids(self) -> list[int]:
        """Every live process of the installation."""
        with self._lock:
            groups = {process.pid for process in self.stack.processes.values()}
            groups |= set(self._commands)
        numbers = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        # What was killed stays listed until somebody asks for its exit code, if anybody does.
        return [pid for pid in numbers if group(pid) in groups and _state(pid) not in ("Z", "")]

    def named(self) -> dict[str, int]:
        """The main process of every service."""
        with self._lock:
            return {name: self.stack.processes[name].pid for name in self._starts}

    def begin(self, *arguments: str) -> subprocess.Popen[bytes]:
        """``ledgerguard`` from outside, as a person types it; its output goes to a log."""
        with self._lock:
            self._number += 1
            log = self.folder / f"command-{self._number:04}-{arguments[0]}.log"
        found = shutil.which("ledgerguard", path=self.stack.environment["PATH"])
        if found is None:
            raise RuntimeError("there is no ledgerguard beside this Python")
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [found, *arguments],
                env=self.stack.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )
        with self._lock:
            self._commands[process.pid] = process
        return process

    def run(self, *arguments: str, seconds: float = 180.0) -> int | None:
        """Its exit code; None if it took longer, and was killed for it."""
        return self.end(self.begin(*arguments), seconds)

    def end(self, process: subprocess.Popen[bytes], seconds: float) -> int | None:
        """The exit code of a command; None if it took longer from now on, and was killed for it."""
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            kill(process, signal.SIGKILL)
            process.wait()
            return None
        finally:
            with self._lock:
                self._commands.pop(process.pid, None)

    def said(self, command: str) -> str:
        """What the last such command printed."""
        logs = sorted(self.folder.glob(f"command-*-{command}.log"))
        return logs[-1].read_text(errors="replace") if logs else ""

    @contextmanager
    def disk_full(self, bytes_left: int = 0) -> Iterator[int]:
        """No process of the installation may write beyond so many bytes in any file.

        The limit is the kernel's (RLIMIT_FSIZE), set from outside on the running processes and
        inherited by whatever they start: real writes fail in the middle of real transactions.
        """
        limited: list[int] = []
        for pid in self.pids():
            with suppress(OSError):
                _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (bytes_left, hard))
                limited.append(pid)
        try:
            yield len(limited)
        finally:
            for pid in self.pids():
                with suppress(OSError):
                    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
                    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))

    def step_clock(self, seconds: float) -> None:
        """Let the wall clock of every process jump to so many seconds beside the machine's."""
        path = Path(self.stack.environment[CLOCK_VARIABLE])
        draft = path.with_suffix(".new")
        draft.write_text(str(seconds), encoding="ascii")
        draft.replace(path)


def settings_of(folder: Path, build: Path, **more: str) -> dict[str, str]:
    """The variables of a soaked installation, for whatever stack."""
    port = free_port()
    clock = folder / "clock"
    clock.write_text("0", encoding="ascii")
    return {
        "PYTHONPATH": str(build),
        "SOAK_WEB_PORT": str(port),
        CLOCK_VARIABLE: str(clock),
        "INTUIT_REDIRECT_URI": f"http://localhost:{port}/api/v1/auth/callback",
        "INTUIT_WEBHOOK_VERIFIER_TOKEN": VERIFIER,
        "LEDGERGUARD_SWEEP_MINUTES": "5",
        **more,
    }


def stopped(pid: int) -> bool:
    """Whether a process is there and halted by SIGSTOP."""
    return _state(pid) in ("T", "t")


def halt(pid: int) -> bool:
    """SIGSTOP; False where there is no such process."""
    try:
        os.kill(pid, signal.SIGSTOP)
    except ProcessLookupError:
        return False
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and not stopped(pid):
        time.sleep(0.01)
    return stopped(pid)


def resume(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def private_mb(pid: int) -> float | None:
    """The memory a process holds for itself, in MB; None where it is gone.

    Pages of files, as libraries, come and go with what else the machine has to keep.
    """
    try:
        _, resident, of_files, *_ = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    except OSError:
        return None
    return (int(resident) - int(of_files)) * os.sysconf("SC_PAGE_SIZE") / 1024 / 1024


def group(pid: int) -> int | None:
    """The process group of a process; None where it is gone."""
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _works_on_run(pid: int) -> bool:
    command = _command(pid)
    if _FORKS in command:
        return _FORKS in _command(int(_status(pid)[1]))
    return any(word in command for word in _RUN_WORDS)


def _state(pid: int) -> str:
    return _status(pid)[0]


def _status(pid: int) -> list[str]:
    """What stands behind the name of a process in proc(5): its state, its parent; of none if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ["", "0"]
    return stat.rpartition(")")[2].split()
