"""One database, two dialects: everything SQLite and PostgreSQL do differently is in here.

Writes are short transactions that own a name: on SQLite ``BEGIN IMMEDIATE`` (a deferred
``BEGIN`` that turns into a write fails at once under contention, ignoring the busy time-out),
on PostgreSQL a transaction-scoped advisory lock on that name. Both make read-then-write inside
``write`` safe, so the stores above need no second code path.

Time is the store's: on PostgreSQL the server's ``clock_timestamp()``, on SQLite the clock of the
one host that can have the file open, read while the write lock is held. A clock injected by a
test replaces either.

Decision 11 in docs/decisions.md.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Insert,
    RowMapping,
    Table,
    UpdateBase,
    func,
    select,
    text,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Backoff, Clock
from ledgerguard_pipeline.config.private_files import make_private_file
from ledgerguard_pipeline.config.user_paths import user_path
from ledgerguard_pipeline.control.storage.engines import BEGIN, POSTGRES_SCHEMA, new_engine
from ledgerguard_pipeline.errors import ConfigurationError, ControlUnavailable, ControlUnreachable

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import Insert as ServerInsert
    from sqlalchemy.dialects.sqlite import Insert as LiteInsert

PATIENCE_SECONDS = 15.0
"""How long a server that is away is waited for: longer than a restart or a failover."""

_RETRYING = Backoff(first=0.05, longest=1.0)
_PING = text("SELECT 1")
_SCHEMA = text("SHOW search_path")
_NO_HURRY = text("SET LOCAL lock_timeout = 0")
_LOCK = text("SELECT pg_advisory_xact_lock(:number)")
_T = TypeVar("_T")
_abandoned: list[Engine | Connection] = []


class Database:
    """The engines of one process on one control database.

    Thread-safe. After a fork the child gets engines of its own at first use and never touches
    the parent's connections. ``durable=False`` writes survive the death of a process but the
    last ones may be lost in a power cut: right for rate windows and counters, and free of fsync.
    """

    def __init__(self, url: str | URL, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.url = _parse(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.clock = clock
        self.patience_seconds = PATIENCE_SECONDS
        if self.is_sqlite:
            make_private_file(Path(self.url.database or ""))
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._write_mutex = threading.Lock()
        self._durable = new_engine(self.url, durable=True)
        self._relaxed = new_engine(self.url, durable=False)
        self._writers: dict[bool, Connection] = {}

    def _own(self) -> None:
        if self._pid != os.getpid():
            _abandoned.extend((self._durable, self._relaxed, *self._writers.values()))
            self._start()

    def reach(self) -> None:
        """Make sure at the start that the server answers; a file needs no server.

        Raises:
            ControlUnreachable: it does not, or somebody between keeps from it what is said at
                the login; the message names the setting.
        """
        if self.is_sqlite:
            return
        self._own()
        try:
            with self._durable.connect() as connection:
                schema = connection.execute(_SCHEMA).scalar_one()
        except DBAPIError as error:
            if self._refused(error):
                raise self._refusal(error) from error
            raise ControlUnreachable(
                f"The PostgreSQL server at {self._shown} cannot be used: {_cause(error)}. Start "
                "it, or correct LEDGERGUARD_CONTROL_URL."
            ) from error
        if schema != POSTGRES_SCHEMA:
            # It would find no tables of ours, or those of somebody else, and make new ones there.
            raise ControlUnreachable(
                f"What answers at {self._shown} does not take the settings of a login, as PgBouncer "
                "with ignore_startup_parameters does not. Let LEDGERGUARD_CONTROL_URL name the "
                "PostgreSQL server itself."
            )

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent snapshot; never waits for writers.

        Raises:
            ControlUnavailable: the database cannot be reached.
        """
        self._own()
        with self._mapped(), self._connected() as connection:
            yield connection.execution_options(**{BEGIN: "BEGIN"})

    @contextmanager
    def write(
        self, lock: str | None, *, durable: bool = True, patient: bool = False
    ) -> Iterator[Connection]:
        """One short transaction, alone among those of the same ``lock`` name in all processes.

        With None it runs beside others on PostgreSQL: for statements that are safe together.
        A ``patient`` one waits there as long as it takes. Commits at the end of the block, rolls
        back on any exception. Never nest two.

        Raises:
            ControlUnavailable: locked too long, disk full or not reachable; nothing was written.
        """
        self._own()
        if self.is_sqlite:
            # Threads queue here instead of in SQLite's busy handler, which sleeps in steps.
            with self._write_mutex, self._mapped(), self._writing(durable=durable) as connection:
                yield connection
            return
        with self._mapped(), self._connected(lock, durable=durable, patient=patient) as connection:
            yield connection
            try:
                connection.commit()
            except DBAPIError as error:
                raise ControlUnavailable(
                    f"The connection to the control plane ({self._shown}) broke while a change "
                    f"was being stored: {_cause(error)}. A retry shows whether it was "
                    "stored."
                ) from error

    def write_one(
        self, statement: UpdateBase, values: Mapping[str, object], *, durable: bool = True
    ) -> Sequence[RowMapping]:
        """One statement that is a transaction by itself, and the rows it returns.

        For work that is done very often: on PostgreSQL it is one trip to the server. It is
        repeated when the connection breaks, so it may take effect twice; that has to be harmless.

        Raises:
            ControlUnavailable: as ``write``.
        """
        if self.is_sqlite:
            with self.write(None, durable=durable) as connection:
                return connection.execute(statement, values).mappings().all()
        self._own()
        engine = self._durable if durable else self._relaxed

        def run() -> Sequence[RowMapping]:
            with engine.connect() as connection:
                alone = connection.execution_options(isolation_level="AUTOCOMMIT")
                return alone.execute(statement, values).mappings().all()

        with self._mapped():
            return self._answered(run)

    @contextmanager
    def _writing(self, *, durable: bool) -> Iterator[Connection]:
        """A transaction of the connection that writes a file: fetching one takes longer than that."""
        connection = self._writers.pop(durable, None)
        if connection is None:
            connection = (self._durable if durable else self._relaxed).connect()
        try:
            with connection.begin():
                yield connection
        except BaseException:  # the next one begins with a connection of which nothing is left
            connection.close()
            raise
        self._writers[durable] = connection

    def _connected(
        self, lock: str | None = None, *, durable: bool = True, patient: bool = False
    ) -> Connection:
        """A connection with what a transaction starts with; waits for a server that is away.

        Nothing was asked of the database yet, so trying again is safe.
        """
        return self._answered(lambda: self._opened(lock, durable=durable, patient=patient))

    def _answered(self, ask: Callable[[], _T]) -> _T:
        waits = _RETRYING.within(self.patience_seconds, self.clock)
        while True:
            try:
                return ask()
            except OperationalError as error:
                if self.is_sqlite or waits.over:
                    raise
                # One login that will always be refused is enough: servers lock accounts out.
                if self._refused(error):
                    raise self._refusal(error) from error
                waits.wait()

    def _opened(self, lock: str | None, *, durable: bool, patient: bool) -> Connection:
        connection = (self._durable if durable else self._relaxed).connect()
        try:
            if patient:
                connection.execute(_NO_HURRY)
            # The first word to the server shows whether the connection still works.
            if lock is not None:
                connection.execute(_LOCK, {"number": _lock_number(lock)})
            elif not durable:
                connection.execute(_PING)
        except BaseException:
            connection.close()
            raise
        return connection

    def now(self, connection: Connection) -> datetime:
        """The store's time, in UTC; inside ``write`` it is read after the lock was taken."""
        if self.is_sqlite or self.clock is not SYSTEM_CLOCK:
            return self.clock.now()
        moment: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return moment.astimezone(UTC)

    def time(self) -> datetime:
        """The store's time outside of any transaction."""
        if self.is_sqlite or self.clock is not SYSTEM_CLOCK:
            return self.clock.now()
        with self.read() as connection:
            return self.now(connection)

    def upsert(
        self, table: Table, columns: tuple[str, ...], *, add: tuple[str, ...] = ()
    ) -> Insert:
        """An insert of these columns that, where the key exists, sets the others instead.

        ``add`` columns are summed up. Built once per shape; values go to ``execute``.
        """
        return _upsert(self.url.get_backend_name(), table, columns, add)

    def insert_new(self, table: Table) -> LiteInsert | ServerInsert:
        """An insert that leaves rows alone whose unique key exists already."""
        if self.is_sqlite:
            return sqlite.insert(table).on_conflict_do_nothing()
        from sqlalchemy.dialects import postgresql  # as in _upsert

        return postgresql.insert(table).on_conflict_do_nothing()

    def hold(self, connection: Connection, table: Table) -> None:
        """Inside ``write``: let nobody else write this table, or read it for that, until the end.

        On SQLite every writing transaction is alone anyway.
        """
        if not self.is_sqlite:
            connection.execute(text(f"LOCK TABLE {table.name} IN EXCLUSIVE MODE"))

    def close(self) -> None:
        """Close this process's idle connections."""
        if self._pid == os.getpid():
            # Whoever writes just now in another thread closes nothing of ours: it goes with the engine.
            if self._write_mutex.acquire(blocking=False):
                try:
                    while self._writers:
                        self._writers.popitem()[1].close()
                finally:
                    self._write_mutex.release()
            self._durable.dispose()
            self._relaxed.dispose()

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, sqlite3.Error, PoolTimeout) as error:
            raise ControlUnavailable(
                f"The control plane ({self._shown}) could not be used: {_cause(error)}. Nothing "
                "was written; free disk space, stop a process that holds it, or check "
                "LEDGERGUARD_CONTROL_URL, then try again."
            ) from error

    def _refused(self, error: DBAPIError) -> bool:
        """Whether the server is there and does not let us in, in whatever language it says so."""
        from ledgerguard_pipeline.postgres_answers import login_refused  # loads the driver

        uri = self.url.set(drivername="postgresql").render_as_string(hide_password=False)
        return error.orig is not None and login_refused(error.orig, uri)

    def _refusal(self, error: DBAPIError) -> ControlUnreachable:
        return ControlUnreachable(
            f"The PostgreSQL server at {self._shown} refuses the login: {_cause(error)}. Correct "
            "user, password or database in LEDGERGUARD_CONTROL_URL; nothing was written."
        )

    @property
    def _shown(self) -> str:
        return self.url.render_as_string(hide_password=True)


def _parse(url: str | URL) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # a port that is no number is only the latter
        parsed = None
    if parsed is not None and parsed.drivername in ("postgres", "postgresql"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed is None or parsed.drivername not in ("sqlite", "postgresql+psycopg"):
        raise ConfigurationError(
            "LEDGERGUARD_CONTROL_URL must look like sqlite:///path/to/control.db or "
            "postgresql://user:password@host/database."
        )
    if parsed.drivername == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise ConfigurationError(
            "LEDGERGUARD_CONTROL_URL names no SQLite file; an in-memory database cannot be "
            "shared by the processes of an installation."
        )
    if parsed.drivername == "sqlite" and str(parsed.database).startswith("~"):
        try:
            return parsed.set(database=str(user_path(str(parsed.database))))
        except ValueError as error:
            raise ConfigurationError(f"LEDGERGUARD_CONTROL_URL: {error}.") from None
    return parsed


@lru_cache(maxsize=64)
def _upsert(backend: str, table: Table, columns: tuple[str, ...], add: tuple[str, ...]) -> Insert:
    keys = [column.name for column in table.primary_key]
    free = [name for name in columns if name not in keys]

    def changes(new: ReadOnlyColumnCollection[str, Any]) -> dict[str, ColumnElement[Any]]:
        return {name: table.c[name] + new[name] if name in add else new[name] for name in free}

    if backend == "sqlite":
        lite = sqlite.insert(table)
        return lite.on_conflict_do_update(index_elements=keys, set_=changes(lite.excluded))
    from sqlalchemy.dialects import postgresql  # costs 150 ms that SQLite need not pay

    server = postgresql.insert(table)
    return server.on_conflict_do_update(index_elements=keys, set_=changes(server.excluded))


def _cause(error: DBAPIError | sqlite3.Error | PoolTimeout) -> str:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return (str(cause).strip() or type(cause).__name__).splitlines()[0]


def _lock_number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
