"""Commits that arrive together share one transaction.

Threads of one process that commit at the same time would only wait for each other at the
file. Here the first in line takes along what waits behind it: opening, checkpointing and closing
the file costs the same for one company's rows as for twenty companies'. Nobody waits for others
to come, unless they said that they do: a sweep's first loads, of which most is what a commit costs
beside its rows (a hundred tables of Silver, for one company as for sixty). If the shared transaction
fails, each is committed alone, so one company's rows never fail another's.

Decisions 34 and 98 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TypeVar

from ledgerguard_pipeline.bronze.first_in_line import FirstInLine, Waiting
from ledgerguard_pipeline.bronze.loads import Load, LoadOutcome
from ledgerguard_pipeline.errors import BronzeBusy, BronzeUnavailable, WrongEnvironment

MOST_ROWS = 32_000
"""Rows of one shared transaction, so that the file is held only for a moment: some sixty small companies."""
PATIENCE_SECONDS = 5.0
"""So long after the last who came a small commit waits for those who said that they are coming.

Companies that begin at once are read side by side, and may come seconds apart.
"""
LARGE_ROWS = 1_000
"""A commit of so many is worth its transaction, and waits for nobody."""

Write = Callable[[Sequence[Load]], list[LoadOutcome]]

_NOBODYS_OWN = (BronzeBusy, BronzeUnavailable, WrongEnvironment)
"""Reasons that lie in the store: whoever meets them in a group meets them alone too."""

_Member = TypeVar("_Member")
_Done = TypeVar("_Done")


def together_or_alone(
    members: Sequence[_Member],
    commit: Callable[[Sequence[_Member]], _Done],
    failed: Callable[[_Member, Exception], None],
) -> Iterator[tuple[Sequence[_Member], _Done]]:
    """Commit all at once; if that fails, each alone, so that one's rows fail no other's.

    Yields what was committed, with what ``commit`` returned. ``failed`` gets each of the others
    and the reason; whatever it raises ends the work.
    """
    if not members:
        return
    try:
        done = commit(members)
    except Exception as error:  # noqa: BLE001  # whose rows are the reason shows alone
        if len(members) == 1 or isinstance(error, _NOBODYS_OWN):
            for member in members:
                failed(member, error)
            return
    else:
        yield members, done
        return
    for member in members:
        yield from together_or_alone([member], commit, failed)


@dataclass(slots=True)
class _Entry(Waiting):
    """One caller's loads; exactly one of ``leads`` and the last three tells it how to go on."""

    loads: Sequence[Load]
    alone: bool = False
    outcomes: list[LoadOutcome] | None = None
    error: Exception | None = None

    rows: int = field(init=False)

    def __post_init__(self) -> None:
        self.rows = sum(len(load.records) for load in self.loads)

    def fail(self, error: Exception) -> None:
        self.error = error


class GroupCommit:
    """Hands groups of loads to ``write``, one group at a time. Thread-safe."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._line = FirstInLine[_Entry]()

    def coming(self) -> AbstractContextManager[None]:
        """Inside the block this thread is going to commit: small commits of others wait for it."""
        return self._line.coming()

    def commit(self, loads: Sequence[Load]) -> list[LoadOutcome]:
        """As ``write``, perhaps together with what other threads hand in meanwhile."""
        entry = _Entry(loads)
        if self._line.leads(entry):
            self._lead(patience=0.0 if entry.rows >= LARGE_ROWS else PATIENCE_SECONDS)
        if entry.alone:
            return self._write(loads)
        if entry.error is not None:
            raise entry.error
        if entry.outcomes is None:
            raise RuntimeError("a commit ended without an outcome")
        return entry.outcomes

    def _lead(self, patience: float) -> None:
        with self._line.group(_fits, patience=patience) as group:
            try:
                for entries, outcomes in together_or_alone(group, self._write_all, _Entry.fail):
                    at = 0
                    for entry in entries:
                        entry.outcomes = outcomes[at : at + len(entry.loads)]
                        at += len(entry.loads)
            except BaseException:
                for other in group[1:]:
                    other.alone = other.outcomes is None and other.error is None
                raise

    def _write_all(self, entries: Sequence[_Entry]) -> list[LoadOutcome]:
        return self._write([load for entry in entries for load in entry.loads])


def _fits(group: Sequence[_Entry], other: _Entry) -> bool:
    return sum(entry.rows for entry in group) + other.rows <= MOST_ROWS
