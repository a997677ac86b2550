"""Tables that stand beside Bronze in the same store: its lock, its transactions, one consistent view.

Who uses it names schema and tables of its own. ``OpenStore.catalog`` qualifies them, because the
search path is Bronze's.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeVar

import duckdb

from ledgerguard_pipeline.bronze.backends.base import Backend, OpenStore
from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.crashpoints import crashpoint
from ledgerguard_pipeline.values import RealmId

T = TypeVar("T")


class Reading(Protocol):
    """Opens a store: its connection, or None where nothing was ever written, and its tables."""

    def __call__(
        self, *, binds: bool = True
    ) -> AbstractContextManager[tuple[duckdb.DuckDBPyConnection | None, set[str]]]: ...


@dataclass(frozen=True, slots=True)
class View:
    """A store as it is read: its connection and the tables of ``bronze``."""

    connection: duckdb.DuckDBPyConnection
    present: set[str]

    @property
    def catalog(self) -> str:
        """The name by which the store is attached."""
        row = self.connection.execute("SELECT current_database()").fetchone()
        return str(row[0]) if row else ""

    def has(self, table: str) -> bool:
        """Whether Bronze has this table."""
        return table in self.present


class Workspace:
    """Reads and writes in one store; safe to use from several threads and processes."""

    def __init__(
        self,
        backend: Backend,
        reading: Reading,
        prepare: Callable[[OpenStore], set[str]],
        clock: Clock,
        admit: Callable[[str], object],
    ) -> None:
        self._backend = backend
        self._reading = reading
        self._prepare = prepare
        self.clock = clock
        self._admit = admit

    def shared(self, *, read_only: bool = False) -> AbstractContextManager[None]:
        """Inside the block this thread opens a file once for many reads and writes.

        Nobody else can open it meanwhile, so ``let_go`` belongs before whatever waits for others.
        With ``read_only`` the reads share an opening beside other readers.
        """
        return self._backend.shared(read_only=read_only)

    def let_go(self) -> None:
        """Close what a ``shared`` block of this thread holds; its next use opens it again."""
        self._backend.let_go()

    @contextlib.contextmanager
    def read(self, *, binds: bool = True) -> Iterator[View | None]:
        """One consistent view for the block; None where nothing was ever written.

        Whoever ``binds`` no values does without what DuckDB imports for the first of them.
        """
        with self._reading(binds=binds) as (connection, present):
            yield None if connection is None else View(connection, present)

    def write(
        self,
        realm: RealmId | str,
        work: Callable[[OpenStore], T],
        landed: Callable[[OpenStore], T | None] = lambda _: None,
    ) -> T:
        """Do the work in one transaction while nobody else writes this company.

        A lake does it again after a conflict or a lost connection; ``landed`` tells then what an
        earlier attempt brought, if it counts after all.

        Raises:
            BadInputError: nothing is kept of this company any more.
            BronzeBusy, BronzeUnavailable, BronzeError: nothing was kept.
        """
        attempts = 0

        def attempt(session: OpenStore) -> T:
            nonlocal attempts
            self._prepare(session)
            if attempts and (before := landed(session)) is not None:
                return before
            attempts += 1
            self._admit(str(realm))  # whoever forgets a company waits for it or comes before it
            connection = session.connection
            connection.execute("BEGIN TRANSACTION")
            try:
                done = work(session)
                crashpoint("before_workspace_commit")
                with session.committing():
                    connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(duckdb.Error):
                    connection.execute("ROLLBACK")
                raise
            crashpoint("after_workspace_commit")
            return done

        return self._backend.write([str(realm)], attempt)
