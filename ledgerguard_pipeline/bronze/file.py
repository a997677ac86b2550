"""The DuckDB file: opened late, closed at once, one user at a time per process.

DuckDB lets one process write or several read. Inside one process its POSIX lock is weaker than
it looks: closing a second handle of the same file drops the lock of the first. Therefore all
stores of one process take turns through one mutex per file, readers too; sessions are short.

A supplier of connections (the Dagster resource) may replace ``open_memory``; any supplied
connection gets the file attached with the right options unless it is the file's own. Attaching
matters: only so the row groups can be small, and a chunk's checkpoint then rewrites 15 MB
instead of 180 MB (measured: 37,000 against 18,000 rows/s, and half the memory).
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import duckdb

from ledgerguard_pipeline.bronze import tables
from ledgerguard_pipeline.bronze.place import Session, Written, first_line
from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.errors import BronzeBusy, BronzeError

Connect = Callable[[Path, bool], duckdb.DuckDBPyConnection]
"""Supplies a connection for (Bronze file, read only?): to an in-memory DuckDB or to the file."""

CATALOG = "ledgerguard"
ROW_GROUP_ROWS = 10_240
# Storage v1.2 is the first with ZSTD; fixed, so that newer DuckDBs write files older ones read.
_STORAGE_VERSION = "v1.2.0"
_SETTINGS = {
    "TimeZone": "'UTC'",
    "threads": "2",
    "memory_limit": "'384MB'",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
_FIRST_WAIT, _LONGEST_WAIT = 0.02, 0.5
_HOLDER = re.compile(r"\(PID (\d+)\)")
_IN_USE = ("Could not set lock", "Unique file handle conflict", "different configuration")


class _Turns:
    """One mutex per file for the whole process; a forked child starts with fresh ones."""

    def __init__(self) -> None:
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._guard = threading.Lock()
        self._mutexes: dict[Path, threading.Lock] = {}

    def of(self, path: Path) -> threading.Lock:
        with self._guard:
            return self._mutexes.setdefault(path, threading.Lock())


_turns = _Turns()


def open_memory(_path: Path, _read_only: bool) -> duckdb.DuckDBPyConnection:  # noqa: FBT001  # a Connect
    """The default supplier: an in-memory DuckDB to which the file gets attached."""
    return duckdb.connect(":memory:")


def attach_new(connection: duckdb.DuckDBPyConnection, path: Path, catalog: str) -> None:
    """Attach a file for writing with the layout Bronze wants; a new one is for its owner only."""
    new = not path.exists()
    target = str(path).replace("'", "''")
    connection.execute(
        f"ATTACH '{target}' AS {catalog} "
        f"(ROW_GROUP_SIZE {ROW_GROUP_ROWS}, STORAGE_VERSION '{_STORAGE_VERSION}')"
    )
    if new:
        path.chmod(0o600)


class BronzeFile:
    """Opens the file for one short piece of work at a time."""

    def __init__(
        self, path: Path, *, connect: Connect, clock: Clock, lock_wait_seconds: float
    ) -> None:
        self.path = path.resolve()
        self.name = f"the Bronze file {self.path}"
        self._connect = connect
        self._clock = clock
        self._wait = lock_wait_seconds
        self._random = random.Random()  # noqa: S311  # jitter, not a secret

    def exists(self) -> bool:
        return self.path.exists()

    def stamp(self) -> tuple[int, int] | None:
        """Time of the last change and size; None while there is no file."""
        try:
            stat = self.path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size

    def reading(self) -> AbstractContextManager[Session]:
        """The file, open read-only for the block: nobody can write meanwhile."""
        return self.session(read_only=True)

    def write(self, realms: Sequence[str], work: Callable[[Session], Written]) -> Written:  # noqa: ARG002  # a Place
        """Do the work once, with the whole file held."""
        with self.session(read_only=False) as session:
            return work(session)

    def tables(self, session: Session) -> set[str]:
        """The tables of schema ``bronze``."""
        found = session.connection.execute(
            tables.READ_TABLES, [session.catalog, tables.SCHEMA]
        ).fetchall()
        return {str(row[0]) for row in found}

    @contextlib.contextmanager
    def session(self, *, read_only: bool) -> Iterator[Session]:
        """Open the file, hand it over, close it whatever happens.

        Raises:
            BronzeBusy: somebody else held it longer than the wait limit.
            BronzeError: the file is damaged, or DuckDB failed inside the session.
        """
        # DuckDB imports pandas at the first bound value; that second must not be spent holding
        # the file.
        import pandas as pd  # noqa: F401

        mutex = _turns.of(self.path)
        deadline = self._clock.monotonic() + self._wait
        if not mutex.acquire(timeout=self._wait):
            raise self._busy(os.getpid())
        try:
            if not read_only:
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            session = self._open(read_only=read_only, deadline=deadline)
            try:
                yield session
            except duckdb.Error as error:
                raise BronzeError(
                    f"DuckDB failed on {self.path}: {first_line(error)}. Nothing of this load "
                    "was kept; check free disk space, then run it again."
                    if not read_only
                    else f"DuckDB failed reading {self.path}: {first_line(error)}."
                ) from error
            finally:
                session.connection.close()
        finally:
            mutex.release()

    def _open(self, *, read_only: bool, deadline: float) -> Session:
        pause = _FIRST_WAIT
        while True:
            connection: duckdb.DuckDBPyConnection | None = None
            try:
                connection = self._connect(self.path, read_only)
                return Session(connection, self._attach(connection, read_only=read_only))
            except BaseException as error:
                if connection is not None:
                    connection.close()
                if not isinstance(error, duckdb.Error):
                    raise
                text = str(error)
                if not any(mark in text for mark in _IN_USE):
                    raise self._unusable(error) from error
                left = deadline - self._clock.monotonic()
                if left <= 0:
                    holder = _HOLDER.search(text)
                    raise self._busy(int(holder[1]) if holder else None) from error
            self._clock.sleep(min(left, pause * self._random.uniform(0.5, 1.5)))
            pause = min(pause * 2, _LONGEST_WAIT)

    def _attach(self, connection: duckdb.DuckDBPyConnection, *, read_only: bool) -> str:
        own = connection.execute(tables.FIND_CATALOG, [str(self.path)]).fetchone()
        catalog = CATALOG if own is None else str(own[0])
        if own is None:
            if read_only:
                target = str(self.path).replace("'", "''")
                connection.execute(f"ATTACH '{target}' AS {CATALOG} (READ_ONLY)")
            else:
                attach_new(connection, self.path, CATALOG)
        for name, value in _SETTINGS.items():
            connection.execute(f"SET {name} = {value}")
        spill = str(self.path).replace("'", "''") + ".tmp"
        connection.execute(f"SET temp_directory = '{spill}'")
        if read_only:
            connection.execute("SET enable_external_access = false")
        return catalog

    def _busy(self, holder: int | None) -> BronzeBusy:
        who = (
            "another thread of this process"
            if holder == os.getpid()
            else f"process {holder}"
            if holder is not None
            else "another process"
        )
        todo = (
            f"Close what process {holder} has open (a notebook or the duckdb shell, often; "
            f"`ps -p {holder}` tells)"
            if holder is not None and holder != os.getpid()
            else "Let it finish"
        )
        return BronzeBusy(
            f"The Bronze file {self.path} is held by {who}; waited {self._wait:g} s. {todo} and "
            "run this again; nothing is lost. `ledgerguard snapshot PATH` makes copies to explore."
        )

    def _unusable(self, error: duckdb.Error) -> BronzeError:
        return BronzeError(
            f"The Bronze file {self.path} cannot be opened: {first_line(error)}. Check the path, "
            "its permissions and free disk space; a damaged file has to be replaced by a snapshot "
            "or loaded anew with `ledgerguard sync --full`."
        )
