"""Commits that arrive together share one transaction.

Threads of one process that commit at the same time would only wait for each other at the
file. Here the first in line takes along what waits behind it: opening, checkpointing and closing
the file costs the same for one company's rows as for twenty companies'. Nobody waits for others
to come; a single committer notices nothing. If the shared transaction fails, everybody commits
for itself, so one company's rows never fail another's.

Decision 34 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ledgerguard_pipeline.bronze.first_in_line import FirstInLine, Waiting
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
class _Entry(Waiting):
    """One caller's loads; exactly one of ``leads`` and the last three tells it how to go on."""

    loads: Sequence[Load]
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
        self._line = FirstInLine[_Entry]()

    def commit(self, loads: Sequence[Load]) -> list[LoadOutcome]:
        """As ``write``, perhaps together with what other threads hand in meanwhile."""
        entry = _Entry(loads)
        if self._line.leads(entry):
            self._lead()
        if entry.alone:
            return self._write(loads)
        if entry.error is not None:
            raise entry.error
        if entry.outcomes is None:
            raise RuntimeError("a commit ended without an outcome")
        return entry.outcomes

    def _lead(self) -> None:
        with self._line.group(_fits) as group:
            try:
                self._write_group(group)
            except BaseException:
                for other in group[1:]:
                    other.alone = True
                raise

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


def _fits(group: Sequence[_Entry], other: _Entry) -> bool:
    return sum(entry.rows for entry in group) + other.rows <= MOST_ROWS
