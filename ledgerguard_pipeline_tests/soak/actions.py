"""What the steps of a schedule do."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import Random

import msgspec
import requests

from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.deploy.stack import WORKERS, listens
from ledgerguard_pipeline_tests.hygiene.project import PACKAGE
from ledgerguard_pipeline_tests.soak.books import (
    CALM_TYPES,
    EDITS_WHILE_PAGING,
    REALMS,
    UNCOUNTED,
    Role,
)
from ledgerguard_pipeline_tests.soak.edits import Bookkeeper
from ledgerguard_pipeline_tests.soak.journal import Journal
from ledgerguard_pipeline_tests.soak.late_news import bury_alive, show_late
from ledgerguard_pipeline_tests.soak.one_at_a_time import OneAtATime
from ledgerguard_pipeline_tests.soak.processes import Services
from ledgerguard_pipeline_tests.soak.schedule import ROUND_SECONDS, Step
from ledgerguard_pipeline_tests.soak.stall import Stalls

_FAULTS = (
    "throttle_json", "throttle_xml", "throttle_html", "throttle_empty",
    "error_500_html", "error_502_html", "error_503_html", "error_503_empty", "error_504_html",
    "application_error", "gateway_500", "authorization_500", "resource_missing", "try_again",
    "fault_in_200", "html_200", "empty_200", "redirect", "hang", "reset", "reset_after",
    "truncated", "cut_json", "wrong_content_type", "bad_gzip", "slow_body", "unauthorized",
)  # fmt: skip
"""Those that pass: nobody has to do anything about them."""
_TOKEN_FAULTS = ("error_503_html", "html_200", "empty_200", "reset", "cut_json", "slow_body")
_POINT = re.compile(r'crashpoint\("(\w+)"\)')
_CLOCK_STEPS = (-600.0, -90.0, -2.0, 3.0, 120.0, 600.0)
_NOTEBOOK = """
import duckdb, sys, time
try:
    with duckdb.connect(sys.argv[1], read_only=True) as connection:
        connection.execute("SELECT count(*) FROM bronze._loads").fetchall()
        time.sleep(float(sys.argv[2]))
except duckdb.Error:
    pass  # somebody writes, or there is nothing yet
"""
_CONNECT_SECONDS = 60.0
_AWAY_SECONDS = 12.0
_SENDING_SECONDS = 180.0
"""Longer than it takes until webhooks are sent, loaded or not."""
_CRASH_SECONDS = 30.0
"""Until a run begins and dies, on a machine that has much else to do."""
_CRASHED_RUNS = 20
"""More processes than can die at one point in the seconds it is armed."""
_COMMANDS = 6
"""Of people, at a time: each takes 300 MB."""
_SYNCS = 6
_SYNC_PAUSE_SECONDS = 5.0


class Actions:
    """Carries steps out; several may run at a time.

    ``full_seconds`` is how long a disk is full, ``lease_seconds`` how long a refresh may take.
    """

    def __init__(
        self,
        sandbox: SandboxServer,
        services: Services,
        journal: Journal,
        *,
        full_seconds: float,
        lease_seconds: float,
    ) -> None:
        self.sandbox = sandbox
        self.services = services
        self.journal = journal
        self.books = Bookkeeper(sandbox, journal)
        self.ending = threading.Event()
        self.sending = threading.Event()
        """Set once webhooks are sent."""
        self.expiries = 0
        self.connects = 0
        self.lost_answers = 0
        """Answers to refreshes that may have been lost by something else than a kill."""
        self.halted = 0
        """Processes halted with fresh tokens they could not store."""
        self.lease_seconds = lease_seconds
        self._away: set[Role] = set()
        self._uncounted = False
        self.rotating = False
        """Whether refresh tokens change with every answer, so that no answer may get lost."""
        self._full_seconds = full_seconds
        self._quiet: set[str] = set()
        self._stalls = Stalls(self, self._quiet)
        self._crashing = threading.Lock()
        self._showing = OneAtATime(self.ending)
        self._commands = threading.BoundedSemaphore(_COMMANDS)
        self._by_name: dict[str, Callable[[Step, Random], object]] = {
            "edit": self._edit,
            "fault": self._fault,
            "expire": self._expire,
            "read": self._read,
            "sync": self._sync,
            "snapshot": lambda *_: self.command("snapshot", "--replace", "copy.duckdb"),
            "rotate_keys": lambda *_: self.command("keys", "rotate"),
            "step_clock": self._step_clock,
            "fill_disk": self._fill_disk,
            "kill_web": lambda *_: self._kill("web"),
            "kill_daemon": lambda *_: self._kill("daemon"),
            "kill_code": lambda *_: self._kill("code"),
            "kill_run": self._kill_run,
            "kill_sync": self._kill_sync,
            "crash": self._crash,
            "show_late": self._show_late,
            "bury_alive": self._bury_alive,
            "disconnect": self._disconnect,
            "stall": self._stall,
            "kill_worker": lambda _, rng: self._kill(rng.choice(WORKERS)),
            "restart_database": lambda _, rng: self.services.restart_store("database", rng),
            "restart_redis": lambda _, rng: self.services.restart_store("redis", rng),
        }

    def carry_out(self, step: Step) -> None:
        """Nothing is raised: what goes wrong in an action itself is noted as a problem."""
        self.journal.note("action", str(step))
        try:
            self._by_name[step.action](step, Random(step.number))
        except Exception as error:  # the soak goes on, its outcome names it
            self.journal.note("problem", f"{step.action} failed: {type(error).__name__}: {error}")

    def clear_faults(self) -> None:
        """None but those that last: one company gets 429 for every tenth call, one is not counted."""
        self.sandbox.clear_faults()
        self.sandbox.inject(
            "throttle_json", realm=REALMS[Role.THROTTLED], probability=0.1, retry_after=2
        )
        if self._uncounted:
            self.sandbox.inject("application_error", **UNCOUNTED)

    def uncount(self) -> None:
        """Let the large company be loaded without a count, while its pages move."""
        self._uncounted = True
        self.sandbox.set(hazard=msgspec.to_builtins(EDITS_WHILE_PAGING))
        self.clear_faults()

    def count_again(self) -> None:
        """It is loaded; pages hold still from now on."""
        self._uncounted = False
        self.sandbox.set(hazard=None)
        self.clear_faults()

    def come_back(self) -> None:
        """Connect what could not be connected again in the middle of it all."""
        for role in sorted(self._away):
            self.connect(role)

    @contextmanager
    def rotation(self) -> Iterator[None]:
        """Every refresh gives another refresh token; answers get through meanwhile."""
        with self._crashing:
            self.rotating = True
            self.clear_faults()
            self.sandbox.set(rotate_after_seconds=0)
            try:
                yield
            finally:
                self.sandbox.set(rotate_after_seconds=86_400)
                self.rotating = False

    def connect(self, role: Role) -> None:
        """Give consent in the browser's place, again and again until the edge takes it.

        Raises:
            TimeoutError: it never did.
        """
        port, realm = self.services.web_port, REALMS[role]
        deadline = time.monotonic() + _CONNECT_SECONDS
        while time.monotonic() < deadline:
            with (
                suppress(requests.RequestException, KeyError, OSError),
                requests.Session() as session,
            ):
                session.trust_env = False
                link = session.get(
                    f"http://localhost:{port}/api/v1/auth/connect",
                    allow_redirects=False,
                    timeout=30,
                )
                callback = self.sandbox.consent(link.headers["Location"], realm)
                self.connects += 1
                if session.get(callback, timeout=60).status_code == 200:
                    self.journal.note("action", f"{realm} ({role.value}) is connected")
                    return
            self.ending.wait(0.5)
        raise TimeoutError(f"{realm} could not be connected within {_CONNECT_SECONDS:g} s")

    def _edit(self, step: Step, rng: Random) -> None:
        realm = REALMS[step.role]
        if realm not in self._quiet:
            self.books.work(realm, rng)

    def _fault(self, step: Step, rng: Random) -> None:
        realm = REALMS[step.role]
        if rng.random() < 0.2 and not self.rotating:
            self.sandbox.inject(rng.choice(_TOKEN_FAULTS), endpoint="token", seconds=2.0)
            return
        kind = rng.choice(_FAULTS)
        self.sandbox.inject(
            kind, realm=realm, next=rng.randint(1, 3), seconds=3.0,
            retry_after=rng.choice((None, 1, 3)) if kind.startswith("throttle") else None,
        )  # fmt: skip

    def _expire(self, step: Step, _: Random) -> None:
        realm = REALMS[step.role]
        if realm not in self._quiet:
            self.expire(realm)

    def expire(self, realm: str) -> None:
        """Let the access tokens of a company expire now."""
        self.expiries += 1
        self.sandbox.expire_tokens(realm)

    def _read(self, _: Step, rng: Random) -> None:
        """Somebody's notebook has the file open, so that nobody can write meanwhile.

        In a process of its own: a handle closed in this one would take the lock from another.
        """
        path = self.services.home / "quickbooks.duckdb"
        seconds = f"{rng.uniform(0.2, 1.5):.2f}"
        subprocess.run([sys.executable, "-c", _NOTEBOOK, str(path), seconds], check=False)

    def _sync(self, step: Step, rng: Random) -> None:
        more = ["--full"] if rng.random() < 0.2 else []
        if REALMS[step.role] in self._quiet:
            return
        self.command("sync", "--company", REALMS[step.role], *more)

    def command(self, *arguments: str) -> int | None:
        """The exit code of `ledgerguard` from outside; None if it took too long."""
        with self._commands:
            code = self.services.run(*arguments)
        self.journal.note("command", f"ledgerguard {' '.join(arguments)} ended with {code}")
        return code

    def sync_at_last(self, realm: str, entity: str | None = None) -> None:
        """A sync that succeeds: the disk may be full, or the company disconnected just now."""
        only = () if entity is None else ("--entity", entity)
        for _ in range(_SYNCS):
            if self.command("sync", "--company", realm, *only) == 0:
                return
            self.ending.wait(_SYNC_PAUSE_SECONDS)
        self.journal.note("problem", f"{entity or 'everything'} of {realm} could not be synced")

    def _step_clock(self, _: Step, rng: Random) -> None:
        seconds = rng.choice(_CLOCK_STEPS)
        self.services.step_clock(seconds)
        self.journal.note("action", f"the clock is {seconds:+g} s off")
        self.ending.wait(rng.uniform(5, 15))
        self.services.step_clock(0)

    def _fill_disk(self, _: Step, __: Random) -> None:
        with self.services.disk_full() as limited:
            self.journal.note("action", f"the disk is full for {limited} processes")
            self.ending.wait(self._full_seconds)
        self.journal.note("action", "the disk has room again")

    def _kill(self, name: str) -> None:
        if self.services.kill(name):
            self.journal.note("action", f"{name} was killed")

    def _kill_run(self, _: Step, rng: Random) -> None:
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline and not self.ending.is_set():
            runs = self.services.runs()
            if runs:
                self.ending.wait(rng.uniform(0, 2))
                victim = rng.choice(runs)
                if self.services.kill_process(victim):
                    self.journal.note("action", f"the run in process {victim} was killed")
                return
            self.ending.wait(0.3)

    def _kill_sync(self, step: Step, rng: Random) -> None:
        if REALMS[step.role] in self._quiet:
            return
        process = self.services.begin("sync", "--company", REALMS[step.role], "--full")
        self.ending.wait(rng.uniform(2.5, 6))
        self.services.kill_process(process.pid)
        self.services.end(process, 10)

    def _crash(self, step: Step, rng: Random) -> None:
        """Every run of some seconds dies at a labelled point, with events to work on."""
        port = self.services.stack.code_port
        point = "before_bronze_commit" if step.at < ROUND_SECONDS else rng.choice(_points())
        if "token" in point or "company" in point:
            self.lost_answers += _CRASHED_RUNS
        self._until(self.sending.is_set, _SENDING_SECONDS)
        with self._crashing:
            self.services.arm(point)
            self.journal.note("action", f"runs die at {point}")
            self._until(lambda: not listens(port), 5)
            self._until(lambda: listens(port), 20)
            # One of them may be disconnected just now, and some webhooks get lost.
            realms = {REALMS[step.role], REALMS[Role.CURRENCIES]}
            for _ in range(4):
                for realm in sorted(realms):
                    self.books.edit(realm, "burst", "*", n=2)
                    self.books.edit(realm, "create", "Invoice")
                self.ending.wait(4)
            self._until(self._a_run_ended(), _CRASH_SECONDS)
            self.services.arm(None)

    def _a_run_ended(self) -> Callable[[], object]:
        """Asks whether any run that was seen is there no more."""
        seen: set[int] = set()

        def ask() -> set[int]:
            now = set(self.services.runs())
            seen.update(now)
            return seen - now

        return ask

    def _show_late(self, step: Step, rng: Random) -> None:
        realm = REALMS[step.role]
        if realm not in self._quiet:
            with self._showing.entered() as mine:
                if mine:
                    show_late(self, realm, rng)

    def _bury_alive(self, step: Step, rng: Random) -> None:
        realm = REALMS[step.role]
        if realm in self._quiet:
            return
        with self._showing.entered() as mine:
            if not mine:
                return
            entity = rng.choice(CALM_TYPES)
            # Not yet loaded it would be read whole, without asking what changed.
            self.sync_at_last(realm, entity)
            bury_alive(self, realm, rng, (entity,))
            self.sync_at_last(realm, entity)
            self.sandbox.set(false_tombstones=[])

    def _disconnect(self, step: Step, _: Random) -> None:
        """The user disconnects the app in QuickBooks, and connects it again a while later."""
        realm = REALMS[step.role]
        self.sandbox.disconnect(realm)
        self.journal.note("action", f"{realm} was disconnected in QuickBooks")
        self.books.edit(realm, "burst", "*", n=3)
        self._away.add(step.role)
        self.ending.wait(_AWAY_SECONDS)
        self.connect(step.role)
        self._away.discard(step.role)

    def begin_stall(self) -> None:
        """Put a sync of the throttled company to sleep before anything else happens to it."""
        self._stalls.begin(REALMS[Role.THROTTLED])

    def _stall(self, step: Step, _: Random) -> None:
        self._stalls.carry_out(REALMS[step.role])

    def _until(self, ask: Callable[[], object], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.ending.is_set():
            if ask():
                return True
            self.ending.wait(0.2)
        return False


def _points() -> list[str]:
    """Every place where the product can be killed on purpose, read out of its source."""
    texts = (path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    return sorted({name for text in texts for name in _POINT.findall(text)})
