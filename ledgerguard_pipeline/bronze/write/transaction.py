"""The transaction of a commit, and what waits to be written in it.

A lake numbers its commits. Whoever began before another's commit is refused at its own, sleeps and
does all of it again, three times as long in all, while everybody waits. So a small commit to a lake
reads first, in a transaction that can only read, and begins to write when no other commit can come in
between. What it read stays true until then: nobody else writes its companies
(``bronze/backends/writer_locks.py``). A large one has its files written while others commit.

Decision 111 in docs/decisions.md.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import duckdb

from ledgerguard_pipeline.bronze.backends.base import OpenStore


class Transaction:
    """All or nothing: what fails inside the block leaves nothing of it."""

    def __init__(self, session: OpenStore, *, reads_first: bool) -> None:
        self.connection = session.connection
        self._committing = session.committing
        self._reading = reads_first and session.lake
        self._waiting: list[Callable[[], object]] = []
        self._alone = ExitStack()

    def __enter__(self) -> Self:
        begin = "BEGIN TRANSACTION READ ONLY" if self._reading else "BEGIN TRANSACTION"
        self.connection.execute(begin)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._alone:
            if error is not None:
                with contextlib.suppress(duckdb.Error):
                    self.connection.execute("ROLLBACK")

    def later(self, write: Callable[[], object]) -> None:
        """Have this written after what was handed in before, and after what is read until then."""
        self._waiting.append(write)

    def write(self) -> None:
        """Write what waits. What is read from here on is read in the transaction that writes."""
        if self._reading:
            self._reading = False
            self.connection.execute("COMMIT")
            self._alone.enter_context(self._committing())
            self.connection.execute("BEGIN TRANSACTION")
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each()

    def commit(self) -> None:
        """Write what still waits, and make it count.

        Raises:
            WriterLockTaken, psycopg.Error: another writer of a lake may have taken over.
            duckdb.Error: nothing of it counts, or a lake's database did not answer.
        """
        self.write()
        with self._committing():
            self.connection.execute("COMMIT")
