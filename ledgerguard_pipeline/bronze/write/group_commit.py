"""Commits that arrive together share one transaction.

Threads of one process that commit at the same time would only wait for each other at the
file. Here the first in line takes along what waits behind it: opening, checkpointing and closing
the file costs the same for one company's rows as for twenty companies'. Nobody waits for others
to come; a single committer notices nothing. If the shared transaction fails, everybody commits
for itself, so one company's rows never fail another's.

Decision 34 in docs/decisions.md.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ledgerguard_pipeline.bronze.loads import Load, LoadOutcome
from ledgerguard_pipeline.errors import (
    BronzeBusy,
    BronzeUnavailable,
    LedgerGuardError,
    WrongEnvironment,
)

MOST_ROWS = 20_000
"""Rows of one shared transaction, so that the file is held only for a moment."""

Write = Callable[[Sequence[Load]], list[LoadOutcome]]


@dataclass(slots=True)
class _Entry:
    """One caller's loads; exactly one of the last four tells it how to go on."""

    loads: Sequence[Load]
    woken: threading.Event = field(default_factory=threading.Event)
    leads: bool = False
    alone: bool = False
    outcomes: list[LoadOutcome] | None = None
    error: LedgerGuardError | None = None

    @property
    def rows(self) -> int:
        return sum(len(load.records) for load in self.loads)


class GroupCommit:
    """Hands groups of loads to ``write``, one group at a time. Thread-safe."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._queue: list[_Entry] = []
        self._busy = False

    def commit(self, loads: Sequence[Load]) -> list[LoadOutcome]:
        """As ``write``, perhaps together with what other threads hand in meanwhile."""
        entry = _Entry(loads)
        with self._lock:
            self._queue.append(entry)
            entry.leads = not self._busy
            self._busy = True
        if not entry.leads:
            entry.woken.wait()
        if entry.leads:
            self._lead(entry)
        if entry.alone:
            return self._write(loads)
        if entry.error is not None:
            raise entry.error
        if entry.outcomes is None:
            raise RuntimeError("a commit ended without an outcome")
        return entry.outcomes

    def _lead(self, entry: _Entry) -> None:
        group = self._take()
        try:
            self._write_group(group)
        except BaseException:
            for other in group[1:]:
                other.alone = True
            raise
        finally:
            self._pass_on()
            for other in group:
                if other is not entry:
                    other.woken.set()

    def _take(self) -> list[_Entry]:
        """The first in line, which leads, and those behind it that fit."""
        with self._lock:
            group, rows = [self._queue.pop(0)], 0
            while self._queue and rows + self._queue[0].rows <= MOST_ROWS - group[0].rows:
                rows += self._queue[0].rows
                group.append(self._queue.pop(0))
            return group

    def _write_group(self, group: Sequence[_Entry]) -> None:
        first = group[0]
        if len(group) == 1:
            first.outcomes = self._write(first.loads)
            return
        try:
            outcomes = self._write([load for entry in group for load in entry.loads])
        except (BronzeBusy, BronzeUnavailable, WrongEnvironment) as error:
            for entry in group:  # none would fare better alone
                entry.error = error
            return
        except Exception:  # noqa: BLE001  # whose rows are the reason shows when each is alone
            for entry in group:
                entry.alone = True
            return
        at = 0
        for entry in group:
            entry.outcomes = outcomes[at : at + len(entry.loads)]
            at += len(entry.loads)

    def _pass_on(self) -> None:
        with self._lock:
            if self._queue:
                self._queue[0].leads = True
                self._queue[0].woken.set()
            else:
                self._busy = False
