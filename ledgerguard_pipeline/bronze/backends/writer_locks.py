"""Who may write a company now: advisory locks in the catalog's PostgreSQL.

DuckLake lets two insertions into one table both succeed. Two writers of the same company would
each find a version missing and each add it. So whoever writes a company holds a session lock
for it from before its first read until after its commit. The lock lives on a connection of its
own, because DuckLake begins new transactions by itself when it repeats a commit; ``committing``
fails right before COMMIT if that connection is gone. A killed process gives its locks
back at once, a host that lost power after a minute and a half. A process keeps a connection
for its next commit, because logging in takes longer than everything the lock is asked.

A pooler that hands out connections by transaction (PgBouncer's mode ``transaction``) would
break session locks: connect to the server itself.

Decisions 38 and 108 in docs/decisions.md.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import psycopg
from psycopg import errors
from psycopg.conninfo import make_conninfo

from ledgerguard_pipeline.config.bronze_url import LakeAddress
from ledgerguard_pipeline.config.postgres_sessions import session_parameters

_STRIPES = 1024
"""Different companies share a lock once in a thousand; PostgreSQL's lock table stays small."""
_SPACE = 0x6C677264  # "lgrd": the first half of our two-part lock keys
_COMMIT = _STRIPES
"""The lock everybody holds while committing, beside those of companies."""
_TAKE = (
    "SELECT pg_advisory_lock(%s, stripe) FROM "
    "(SELECT stripe FROM unnest(%s::int[]) AS stripe ORDER BY stripe) AS ordered"
)


class WriterLockTaken(Exception):
    """Somebody else held a company for longer than the caller wanted to wait."""


class WriterLock:
    """The right to write some companies, for as long as its connection lives."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    @contextmanager
    def committing(self) -> Iterator[None]:
        """Prove that the locks are still held, and be the only one to commit to this lake.

        DuckLake numbers commits optimistically: of several at once one wins and the others do
        their part again. On busy cores that starved writers for a minute; one after the other each needs
        one repetition at most, and files are written before.

        Raises:
            WriterLockTaken: other writers' commits did not end in time.
            psycopg.Error: the locks may be gone.
        """
        try:
            self._connection.execute("SELECT pg_advisory_lock(%s, %s)", [_SPACE, _COMMIT])
        except errors.LockNotAvailable as error:
            raise WriterLockTaken from error
        try:
            yield
        finally:
            # The commit counts; a lost connection has already released the lock.
            with suppress(psycopg.Error):
                self._connection.execute("SELECT pg_advisory_unlock(%s, %s)", [_SPACE, _COMMIT])

    def ask(self, query: str) -> list[tuple[object, ...]]:
        """Rows of one question to the catalog, as it is now.

        Raises:
            psycopg.Error: the catalog did not answer.
        """
        return self._connection.execute(query.encode()).fetchall()


def stripes(names: Sequence[str]) -> list[int]:
    """Lock numbers of these names, each once, in the order in which everybody takes them."""
    return sorted({int(hashlib.sha256(name.encode()).hexdigest(), 16) % _STRIPES for name in names})


def connect(address: LakeAddress) -> psycopg.Connection:
    """A plain connection to the catalog's database.

    Raises:
        psycopg.Error: it cannot be reached, or refuses.
    """
    return psycopg.connect(conninfo(address), autocommit=True)


def conninfo(address: LakeAddress) -> str:
    """How the catalog's database is logged in to; holds the password."""
    secret = {} if address.password is None else {"password": address.password}
    return make_conninfo("", **catalog_parameters(address), **secret)


def catalog_parameters(address: LakeAddress) -> dict[str, str]:
    """Libpq's parameters of every connection to the catalog's database, without the password.

    Of a writer whose host is gone the server has to hear: an unfinished commit holds up all others.
    """
    return session_parameters({"application_name": "ledgerguard bronze"} | dict(address.catalog))


class LockConnections:
    """Connections that hold no lock now, by address; a forked child has none of its parent's."""

    def __init__(self) -> None:
        self._forget()
        # A parent's connections must not be closed by its children: they are kept, unused.
        self._inherited: list[dict[LakeAddress, psycopg.Connection]] = []
        os.register_at_fork(after_in_child=self._leave)

    def _forget(self) -> None:
        self._guard = threading.Lock()
        self._idle: dict[LakeAddress, psycopg.Connection] = {}

    def _leave(self) -> None:
        self._inherited.append(self._idle)
        self._forget()

    def take(self, address: LakeAddress, lock_timeout: str) -> psycopg.Connection:
        """A connection on which locks are waited for that long; a new one if the idle one broke.

        Raises:
            psycopg.Error: the catalog's database cannot be reached, or refuses.
        """
        with self._guard:
            kept = self._idle.pop(address, None)
        if kept is not None:
            try:
                kept.execute(lock_timeout)
            except psycopg.Error:
                close(kept)
            else:
                return kept
        connection = connect(address)
        try:
            connection.execute(lock_timeout)
        except BaseException:
            close(connection)
            raise
        return connection

    def give_back(self, address: LakeAddress, connection: psycopg.Connection) -> None:
        """Give its locks back, and keep the connection unless another one is kept."""
        try:
            connection.execute("SELECT pg_advisory_unlock_all()")
        except psycopg.Error:  # without a connection there are no locks
            close(connection)
            return
        with self._guard:
            surplus = self._idle.setdefault(address, connection) is not connection
        if surplus:
            close(connection)

    def drop(self, address: LakeAddress) -> None:
        """Close the idle connection to a catalog."""
        with self._guard:
            kept = self._idle.pop(address, None)
        if kept is not None:
            close(kept)


def close(connection: psycopg.Connection) -> None:
    """Close a connection, whatever state it is in."""
    with suppress(psycopg.Error):
        connection.close()


lock_connections = LockConnections()


@contextmanager
def writer_lock(
    address: LakeAddress, names: Sequence[str], wait_seconds: float
) -> Iterator[WriterLock]:
    """Hold the locks of these names for the block.

    Raises:
        WriterLockTaken: another writer did not give one back in time.
        psycopg.Error: the catalog's database cannot be reached.
    """
    milliseconds = max(1, int(wait_seconds * 1000))
    connection = lock_connections.take(address, f"SET lock_timeout = {milliseconds}")
    try:
        try:
            connection.execute(_TAKE, [_SPACE, stripes(names)])
        except errors.LockNotAvailable as error:
            raise WriterLockTaken from error
        yield WriterLock(connection)
    finally:
        lock_connections.give_back(address, connection)
