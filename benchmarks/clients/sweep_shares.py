"""A run worker of the fleet job that notes where its CPU time went; for ``benchmarks.fleet_shares``.

Time is that of the thread, and belongs to the innermost piece of work that is under way. DuckDB
works on a small file in the calling thread; what its own threads do is in the rest.
"""

from __future__ import annotations

import functools
import importlib
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

_DAGSTER, _CONTROL = "Dagster's events", "control plane"
"""Both use SQLAlchemy: what Dagster does with it is Dagster's."""

WORK: dict[str, tuple[str, ...]] = {
    "opening and closing the file": (
        "ledgerguard_pipeline.bronze.backends.duckdb_file:BronzeFile._open",
        "ledgerguard_pipeline.bronze.backends.kept_instance:KeptInstance.give_back",
    ),
    "commits of Bronze": ("ledgerguard_pipeline.bronze.write.commit:Committer.commit",),
    "Silver": ("ledgerguard_pipeline.silver.follow:SilverFollower.follow",),
    "reading ahead": ("ledgerguard_pipeline.ingestion.sweep_recorder:KnownCompanies._look_up",),
    "counting what Bronze holds": (
        "ledgerguard_pipeline.bronze.read.company_counts:CompanyCounts._read",
        "ledgerguard_pipeline.bronze.store:BronzeStore.watermarks_of",
    ),
    "checks of Bronze": ("ledgerguard_pipeline.defs.fleet.sweep_checks:audit_many",),
    "checks of Silver": ("ledgerguard_pipeline.silver.checks.load:check_loads",),
    _DAGSTER: (
        "ledgerguard_pipeline.defs.fleet.job:_record",
        "ledgerguard_pipeline.defs.fleet.sweep_checks:SweepChecks.tell",
    ),
    _CONTROL: (
        "sqlalchemy.engine:Connection.execute",
        "sqlalchemy.engine:Connection._commit_impl",
        "sqlalchemy.engine:Connection._begin_impl",
        "sqlalchemy.engine:Engine.connect",
    ),
    "HTTP": ("ledgerguard_pipeline.qbo.transport.http:Transport.exchange",),
    "reading answers": ("ledgerguard_pipeline.qbo.client:QBOClient._call",),
    "the rest of a company's sync": ("ledgerguard_pipeline.ingestion.fleet:Fleet._visit",),
}
"""Pieces of work and the functions that do them."""
_BEGIN = "ledgerguard_pipeline.defs.fleet.job:_opened"
_STARTING, _REST = "starting the run", "what is in no other row"


class Shares:
    """Seconds of CPU by piece of work, of all threads."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(WORK, 0.0)
        self._lock = threading.Lock()
        self._mine = threading.local()
        self._started = 0.0

    def install(self) -> None:
        """Wrap every function of ``WORK``."""
        for work, names in WORK.items():
            for name in names:
                owner, last = _found(name)
                setattr(owner, last, self._timed(work, getattr(owner, last)))
        owner, last = _found(_BEGIN)
        setattr(owner, last, self._noting_start(getattr(owner, last)))

    def _noting_start(self, function: Callable[..., object]) -> Callable[..., object]:
        @functools.wraps(function)
        def noting(*arguments: object, **named: object) -> object:
            self._started = time.process_time()
            return function(*arguments, **named)

        return noting

    def _timed(self, work: str, function: Callable[..., object]) -> Callable[..., object]:
        @functools.wraps(function)
        def timed(*arguments: object, **named: object) -> object:
            stack = self._stack()
            if work == _CONTROL and stack and stack[-1] == _DAGSTER:
                return function(*arguments, **named)
            self._charge(stack)
            stack.append(work)
            try:
                return function(*arguments, **named)
            finally:
                self._charge(stack)
                stack.pop()

        return timed

    def _stack(self) -> list[str]:
        if not hasattr(self._mine, "stack"):
            self._mine.stack = []
            self._mine.since = time.thread_time()
        stack: list[str] = self._mine.stack
        return stack

    def _charge(self, stack: list[str]) -> None:
        now = time.thread_time()
        if stack:
            with self._lock:
                self.seconds[stack[-1]] += now - self._mine.since
        self._mine.since = now

    def of_all(self, total: float) -> dict[str, float]:
        """With what is left of ``total``."""
        rest = total - self._started - sum(self.seconds.values())
        return {**self.seconds, _STARTING: self._started, _REST: rest}


def _found(name: str) -> tuple[object, str]:
    """What ``module:path.of.a.function`` names: the object that holds it, and its name there."""
    module, _, path = name.partition(":")
    owner: object = importlib.import_module(module)
    *outer, last = path.split(".")
    for step in outer:
        owner = getattr(owner, step)
    return owner, last


if __name__ == "__main__":
    from benchmarks.clients import sweep

    shares = Shares()
    shares.install()
    sweep.main()
    found = shares.of_all(time.process_time())
    Path("shares.json").write_text(json.dumps(found), encoding="utf-8")
