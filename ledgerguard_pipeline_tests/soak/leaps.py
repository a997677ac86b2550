"""Simulated time: eight hours pass in less than half of one, as for a machine that sleeps in between.

Every process reads how far the wall clock has leapt from one file, by libfaketime, which stands
before the C library: the product, Dagster with its daemon, SQLite and DuckDB. So quarter hours
tick, tokens, leases, pauses and watermarks age, and the night's jobs come at the pace of the wall
clock. Between two leaps time passes as everywhere, so nothing is rushed; clocks that count seconds
of work do not leap.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from ledgerguard_pipeline.clock import SystemClock
from ledgerguard_pipeline.closing import Closing
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.soak import startup
from ledgerguard_pipeline_tests.soak.journal import Journal

LIBRARIES = Path("/usr/lib")
_LIBRARY = "faketime/libfaketimeMT.so.1"

EVERY_SECONDS = 45.0
"""Of real time for each quarter of an hour: enough for its runs, on a machine that is not crowded."""
PATIENCE_SECONDS = 30.0
"""So long a leap waits for runs under way and runs to come, which a sleeping machine would not:
Dagster gives up a run that did not start within two minutes of the wall clock."""
_BEGINS_AT_HOUR = 21
"""UTC: in eight hours from then the night's jobs come as well."""


def library() -> Path | None:
    """libfaketime, where it is installed."""
    return next((each for at in ("", "*/") for each in LIBRARIES.glob(at + _LIBRARY)), None)


def variables(path: Path, build: Path) -> dict[str, str]:
    """What lets every process of a test build follow the file.

    Raises:
        LookupError: libfaketime is not installed.
    """
    found = library()
    if found is None:
        raise LookupError("Simulated time needs libfaketime: apt-get install libfaketime.")
    startup.add(build, startup.PLAIN_SLEEPS)
    return {
        "LD_PRELOAD": str(found),
        "FAKETIME_TIMESTAMP_FILE": str(path),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_CACHE_DURATION": "1",
        "NO_FAKE_STAT": "1",
    }


class Busy(Protocol):
    """Whether runs are under way, or are to start."""

    def runs(self) -> list[int]: ...
    def unfinished(self) -> int: ...


class LeaptClock(SystemClock):
    """The time that the installation's processes see, for whoever looks at it from outside."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.ahead)


class Leaps(Closing):
    """Leaps in even distances until ``simulated`` seconds have passed in ``seconds`` of real time.

    Nothing leaps where both are equal. Begin and end it around the time that is to be shortened.
    """

    def __init__(
        self,
        path: Path,
        sandbox: SandboxServer,
        simulated: float,
        seconds: float,
        *,
        every: float = EVERY_SECONDS,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self.clock = LeaptClock()
        self.made = 0
        self.into_runs = 0
        """Leaps that did not wait any longer for a run under way, or to come."""
        self.path = path
        self._sandbox = sandbox
        self._count = round(seconds / every) if simulated > seconds else 0
        self._length = (simulated - seconds) / max(self._count, 1)
        self._every = every
        self._patience = patience
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        if self._count:
            now = datetime.now(UTC)
            evening = now.replace(hour=_BEGINS_AT_HOUR, minute=0, second=0, microsecond=0)
            self._leap((evening - now).total_seconds() % 86_400)

    def begin(self, services: Busy, journal: Journal, loaded: threading.Event) -> None:
        """From when ``loaded`` is set time leaps."""
        if self._count:
            self._thread = threading.Thread(
                target=self._run, args=(services, journal, loaded), name="leaps", daemon=True
            )
            self._thread.start()

    def finish(self) -> None:
        """Wait for those that are left."""
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        """Leap no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, services: Busy, journal: Journal, loaded: threading.Event) -> None:
        while not loaded.wait(1.0):
            if self._stop.is_set():
                return
        began = time.monotonic()
        for number in range(1, self._count + 1):
            if self._stop.wait(max(0.0, began + number * self._every - 1 - time.monotonic())):
                return
            idle = self._until(
                lambda: not (services.runs() or services.unfinished()), self._patience
            )
            self.into_runs += not idle
            self.made += 1
            self._leap(self._length)
            journal.note(
                "phase", f"time leaps by {self._length / 60:.2f} minutes, {number} times now"
            )

    def _leap(self, seconds: float) -> None:
        self.clock.ahead += seconds
        draft = self.path.with_suffix(".new")
        draft.write_text(f"{self.clock.ahead:+.1f}\n", encoding="ascii")
        draft.replace(self.path)
        self._sandbox.set(clock_offset_seconds=self.clock.ahead)

    def _until(self, ask: Callable[[], bool], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self._stop.is_set():
            if ask():
                return True
            self._stop.wait(0.2)
        return False
