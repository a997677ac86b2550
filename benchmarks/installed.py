"""``ledgerguard up`` with its sandbox, as a user starts it: from an edit to the row."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Self, TypeVar

from benchmarks.environments import ROOT
from benchmarks.event_parts import EventParts, describe
from benchmarks.goals import Finding, percentile
from benchmarks.process import BenchFailed, clean_environment
from benchmarks.receiver import settings_of
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.cli.local.ports import free_port
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.webhook_queue.queue import EventStatus, QueuedEvent
from ledgerguard_pipeline.defs.instance.home import dagster_instance
from ledgerguard_pipeline.defs.keys import WEBHOOK_JOB
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.sandbox.serve.client import SandboxHandle

TYPES = (
    "Invoice", "Payment", "Customer", "Vendor", "Item", "Account", "Bill", "Purchase",
    "TimeActivity", "JournalEntry",
)  # fmt: skip
_SPACING = 1.3
"""Seconds between an event and the next edit; no multiple of the sensor's five."""
_BURST_TRIES = 3
_LONGEST_SECONDS = 300.0

Found = TypeVar("Found")


class Installed:
    """Sandbox, receiver and Dagster under one ``ledgerguard up``, loaded and idle."""

    def __init__(self, folder: Path, *, invoices: int) -> None:
        self._folder = folder
        self._invoices = invoices

    def __enter__(self) -> Self:
        ports = [free_port() for _ in range(3)]
        home = self._folder / "home"
        command = [
            *(sys.executable, "-P", "-m", "ledgerguard_pipeline.cli", "up", "--sandbox"),
            *("--web-port", str(ports[0]), "--dagster-port", str(ports[1])),
            *("--sandbox-port", str(ports[2]), "--invoices", str(self._invoices)),
        ]
        environment = {
            **clean_environment(), "PYTHONPATH": str(ROOT), "LEDGERGUARD_HOME": str(home),
        }  # fmt: skip
        self._log = self._folder / "up.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, env=environment, cwd=self._folder, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            self.settings = settings_of(home)
            self.sandbox = SandboxHandle(f"http://127.0.0.1:{ports[2]}", "", "", [])
            self._runs = home / "dagster" / "history" / "runs.db"
            self.until("the first load", self._loaded)
            self.control = ControlPlane.open(self.settings)
            realm = self.sandbox.companies()[0]["realm"]
            self.sandbox.realms = [str(realm)]
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.control.close()
        self._stop()

    def until(self, what: str, ask: Callable[[], Found | None]) -> Found:
        """The first answer that is something.

        Raises:
            BenchFailed: it did not come, or the services ended.
        """
        deadline = time.monotonic() + _LONGEST_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            if (found := ask()) is not None:
                return found
            time.sleep(0.25)
        raise BenchFailed(f"{what} did not come: {self._log.read_text(errors='replace')[-1500:]}")

    def settled(self, count: int) -> list[QueuedEvent]:
        """The newest ``count`` events of the queue once none is waiting any more."""

        def ask() -> list[QueuedEvent] | None:
            backlog = self.control.inbox.backlog()
            if backlog.depth or sum(backlog.by_status.values()) < self._seen + count:
                return None
            return self.control.inbox.list(limit=count)

        found = self.until(f"{count} events in Bronze", ask)
        self._seen += count
        if any(each.status is not EventStatus.DONE for each in found):
            raise BenchFailed(f"Events ended otherwise than done: {found[0]}")
        return found

    _seen = 0

    def runs(self, after: int = 0) -> list[tuple[int, str, str]]:
        """Number, job and status of the Dagster runs numbered above ``after``."""
        with closing(sqlite3.connect(f"file:{self._runs}?mode=ro", uri=True)) as connection:
            return connection.execute(
                "SELECT id, pipeline_name, status FROM runs WHERE id > ? ORDER BY id", [after]
            ).fetchall()

    def idle(self) -> None:
        """Wait until no run is under way."""
        ended = {"SUCCESS", "FAILURE", "CANCELED"}
        self.until("rest", lambda: all(run[2] in ended for run in self.runs()) or None)

    def _loaded(self) -> bool | None:
        if not self._runs.exists():
            return None
        try:
            states = [run[2] for run in self.runs()]
        except sqlite3.OperationalError:  # Dagster is still making its tables
            return None
        if "FAILURE" in states:
            raise BenchFailed("The first load failed.")
        return True if "SUCCESS" in states else None

    def _stop(self) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def latency(installed: Installed, *, edits: int) -> Finding:
    """One edit after the other, each when the one before is in Bronze."""
    finding = Finding(
        "latency",
        "From the webhook's answer to the committed row",
        f"{edits} single edits of the sandbox's books under `ledgerguard up`, sensor every 5 s; "
        "from the moment an event was stored, just before the 200, to its acknowledgement, just "
        "after the commit.",
    )
    installed.idle()
    store = BronzeStore(installed.settings.bronze_path, installed.settings.intuit_env)
    events: list[EventParts] = []
    with dagster_instance(installed.settings, capture_output=False) as instance:
        for each in range(edits):
            time.sleep(_SPACING * (1 + each % 4))
            id = installed.sandbox.edit("update", "Customer", note=f"Edit {each}")["id"]
            (event,) = installed.settled(1)
            events.append(EventParts.of(event, instance))
            found = store.current(installed.sandbox.realm_id, entity_type("Customer"), [str(id)])
            if event.event.object_id not in found:
                raise BenchFailed(f"Customer {id} is acknowledged and not in Bronze.")
            sys.stderr.write(f"  {each + 1}  {events[-1]}\n")
    whole = [each.whole for each in events]
    finding.at_most("median", median(whole), 10, "s")
    finding.at_most("p95", percentile(whole, 0.95), 15, "s")
    describe(finding, events, starting="starting the run's process")
    return finding


def burst(installed: Installed, *, events: int) -> Finding:
    """Many events of one company in one delivery: how many runs and calls they cost."""
    finding = Finding(
        "burst",
        f"{events:,} events of one company over {len(TYPES)} types",
        "Updates in the sandbox's books, delivered at once; calls as the sandbox counted them.",
    )
    sandbox = installed.sandbox
    for _ in range(_BURST_TRIES):
        installed.idle()
        sandbox.set_webhooks(held=True, most_events=10 * events)
        made = _edited(sandbox, events)
        known = max(run[0] for run in installed.runs())
        sandbox.reset_stats()
        sandbox.flush_webhooks()
        handled = installed.settled(made)
        installed.idle()
        runs = [job for _, job, _ in installed.runs(known)]
        if all(job == WEBHOOK_JOB for job in runs):
            calls = [call for call in sandbox.pop_log() if call.endpoint != "token"]
            finding.exactly("events handled", len(handled), made)
            finding.note("objects", f"{len({_object(each) for each in handled}):,}")
            finding.exactly("runs", len(runs), 1)
            finding.at_most("API calls", len(calls), 15)
            kinds = Counter(call.endpoint for call in calls)
            finding.note("of these", ", ".join(f"{n} {kind}" for kind, n in kinds.items()))
            wait = max(_moment(each.settled_at) - each.received_at for each in handled)
            finding.note("all in Bronze after", f"{wait.total_seconds():.1f} s")
            return finding
    raise BenchFailed(f"A schedule came in between {_BURST_TRIES} times.")


def _edited(sandbox: SandboxHandle, events: int) -> int:
    """Make this many events; how many there are that wait."""
    per_type = events // len(TYPES)
    for name in TYPES:
        ids = sorted(sandbox.truth(name).rows, key=int)
        for each in range(per_type):
            sandbox.edit("update", name, ids[each % len(ids)], note=f"Edit {each}")
    sandbox.pop_log()
    return sandbox.webhooks().waiting


def _object(queued: QueuedEvent) -> tuple[str, str]:
    return queued.event.entity, queued.event.object_id


def _moment(instant: datetime | None) -> datetime:
    if instant is None:
        raise BenchFailed("An event that is done has no time of it.")
    return instant
