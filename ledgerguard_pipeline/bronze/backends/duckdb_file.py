"""The DuckDB file: opened late, closed as soon as nobody waits for it, one user at a time per process.

DuckDB lets one process write or several read. Inside one process its POSIX lock is weaker than
it looks: closing a second handle of the same file drops the lock of the first. Therefore all
stores of one process wait at one mutex per file, readers too; sessions are short.

A supplier of connections (the Dagster resource) may replace ``open_memory``; any supplied
connection gets the file attached with the right options unless it is the file's own. Attaching
matters: only so the row groups can be small, and a chunk's checkpoint then rewrites 15 MB
instead of 180 MB (measured: 37,000 against 18,000 rows/s, and half the memory).

Decisions 4, 19 and 90 in docs/decisions.md.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import duckdb
import structlog

from ledgerguard_pipeline.bronze import statements
from ledgerguard_pipeline.bronze.backends.base import OpenStore, Written, first_line
from ledgerguard_pipeline.bronze.backends.damage import unusable, wal_of
from ledgerguard_pipeline.bronze.backends.kept_instance import Connect, KeptInstance
from ledgerguard_pipeline.bronze.backends.relay import Relay
from ledgerguard_pipeline.bronze.backends.shared_opening import SharedOpening
from ledgerguard_pipeline.clock import Backoff, Clock, Waits
from ledgerguard_pipeline.config.private_files import make_private
from ledgerguard_pipeline.errors import BronzeBusy, BronzeError, BronzeUnusable
from ledgerguard_pipeline.late_imports import import_for_binding

Noticed = Callable[["BronzeUnusable | None"], None]
"""Called when the file could not be opened, and when it could (again)."""

CATALOG = "ledgerguard"
ROW_GROUP_ROWS = 10_240
BLOCK_BYTES = 65_536
"""A quarter of DuckDB's own. Each table takes at least one block at each checkpoint, and a company
has rows in some 150 tables, most of them few."""
# Fixed, so that newer DuckDBs write files older ones read. The first whose log names the checkpoint it
# follows: DuckDB would replay any other into an older copy. Its checkpoints are quicker, too (decision 96).
_STORAGE_VERSION = "v1.4.0"
_MEMORY = "384MB"
_SMALL_BYTES, _THREADS = 64 * 1024 * 1024, 2
"""A small file is worked on by one thread: handing a few rows from thread to thread costs more than
the work (measured: statements over a company of 470 objects take 1.7 times the CPU with two)."""
_RETRYING = Backoff(first=0.03, longest=0.75)
_HOLDER = re.compile(r"\(PID (\d+)\)")
_log = structlog.get_logger(__name__)
_IN_USE = ("Could not set lock", "Unique file handle conflict", "different configuration")


class _FileMutexes:
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


_mutexes = _FileMutexes()


def open_memory(path: Path, _read_only: bool) -> duckdb.DuckDBPyConnection:  # noqa: FBT001  # a Connect
    """The default supplier: an in-memory DuckDB to which the file gets attached."""
    threads = 1 if _is_small(path) else _THREADS
    return duckdb.connect(":memory:", config={"threads": threads, "memory_limit": _MEMORY})


def _is_small(path: Path) -> bool:
    try:
        return path.stat().st_size < _SMALL_BYTES
    except OSError:  # not there yet, or out of reach, which attaching says better
        return True


def attach_new(connection: duckdb.DuckDBPyConnection, path: Path, catalog: str) -> None:
    """Attach a file for writing with the layout Bronze wants; a new one is for its owner only.

    A small file in an older storage version stays in it, so that an update locks no older reader out;
    a large one is written in the wanted version from now on.
    """
    new = not path.exists()
    target = str(path).replace("'", "''")
    options = f"ROW_GROUP_SIZE {ROW_GROUP_ROWS}"
    if new:  # an older file keeps the size it was made with
        options += f", BLOCK_SIZE {BLOCK_BYTES}"
    attach = f"ATTACH '{target}' AS {catalog} ({options}"
    if not new and _is_small(path):
        connection.execute(f"{attach})")
        return
    try:
        connection.execute(f"{attach}, STORAGE_VERSION '{_STORAGE_VERSION}')")
    except duckdb.InvalidInputException as error:
        if "cannot be lowered" not in str(error):
            raise
        connection.execute(f"{attach})")  # somebody else chose for it
    if new:
        path.chmod(0o600)


class BronzeFile:
    """Opens the file for one short piece of work at a time."""

    def __init__(
        self,
        path: Path,
        *,
        connect: Connect,
        clock: Clock,
        lock_wait_seconds: float,
        noticed: Noticed | None = None,
    ) -> None:
        self.path = path.resolve()
        self.name = f"the Bronze file {self.path}"
        self._instance = KeptInstance(self.path, connect)
        self._clock = clock
        self._wait = lock_wait_seconds
        self._noticed = noticed
        self._known_good = False
        self._once = _WaitingOnce()
        self._shared = SharedOpening(clock)
        self._relay = Relay(clock)

    @property
    def file(self) -> Path:
        return self.path

    def exists(self) -> bool:
        return self.path.exists()

    def stamp(self) -> tuple[int, int] | None:
        """Time of the last change and size, log and all; None while there is no file."""
        try:
            stats = [self.path.stat()]
        except OSError:
            return None
        with contextlib.suppress(OSError):
            stats.append(wal_of(self.path).stat())
        return max(each.st_mtime_ns for each in stats), sum(each.st_size for each in stats)

    def reading(self, *, strict: bool = False) -> AbstractContextManager[OpenStore]:
        """The file for the block: nobody else can write meanwhile.

        A ``strict`` reader can write nothing himself either, and reaches no other file.
        """
        return self.session(read_only=True, strict=strict)

    def write(self, realms: Sequence[str], work: Callable[[OpenStore], Written]) -> Written:  # noqa: ARG002  # a Place
        """Do the work once, with the whole file held."""
        with self.session(read_only=False) as session:
            try:
                return work(session)
            finally:
                session.known.clear()

    def shared(self, *, read_only: bool = False) -> AbstractContextManager[None]:
        """Inside the block this thread opens the file once, for writing, until it lets go of it.

        With ``read_only`` for reading; a write inside the block opens the file for itself.
        """
        return self._shared.block(read_only=read_only)

    def let_go(self) -> None:
        """Close what a ``shared`` block of this thread holds; its next use opens the file again."""
        self._shared.let_go()

    def waiting_once(self) -> AbstractContextManager[None]:
        """Inside the block the file is waited for in vain only once.

        Who asked after that, and every other thread of this store, is refused at once, until the
        file is free again: a sync of forty types waits a minute, not forty.
        """
        return self._once.entered()

    def tables(self, session: OpenStore) -> set[str]:
        """The tables of schema ``bronze``."""
        found = session.connection.execute(statements.READ_TABLES).fetchall()
        mine = (session.catalog, statements.SCHEMA)
        return {str(name) for catalog, schema, name in found if (catalog, schema) == mine}

    @contextlib.contextmanager
    def session(self, *, read_only: bool, strict: bool = False) -> Iterator[OpenStore]:
        """Open the file, hand it over, close it whatever happens.

        Raises:
            BronzeBusy: somebody else held it longer than the wait limit.
            BronzeError: the file is damaged, or DuckDB failed inside the session.
        """
        with self._translated(read_only=read_only):
            if self._shared.serves(read_only=read_only):
                with self._shared.use(lambda only: self._passed_on(read_only=only)) as session:
                    yield session
            else:
                self._shared.let_go()
                with self._passed_on(read_only=read_only, strict=strict) as session:
                    yield session

    @contextlib.contextmanager
    def _translated(self, *, read_only: bool) -> Iterator[None]:
        """What DuckDB says against a use of the open file, in words of Bronze."""
        try:
            yield
        except duckdb.Error as error:
            damaged = unusable(self.path, error, opening=False)
            if damaged is not None:
                self._notice(damaged)
                raise damaged from error
            raise BronzeError(
                f"DuckDB failed on {self.path}: {first_line(error)}. Nothing of this load "
                "was kept; check free disk space, then run it again."
                if not read_only
                else f"DuckDB failed reading {self.path}: {first_line(error)}."
            ) from error

    @contextlib.contextmanager
    def _passed_on(self, *, read_only: bool, strict: bool = False) -> Iterator[OpenStore]:
        """The file as another thread of this store left it open, or opened."""
        if not read_only:
            import_for_binding()
        with self._relay.use(
            self._opened, read_only=read_only, strict=strict, wait_seconds=self._wait
        ) as session:
            if session is None:
                raise self._busy(os.getpid())
            yield session

    @contextlib.contextmanager
    def _opened(self, read_only: bool) -> Iterator[OpenStore]:  # noqa: FBT001  # an Opened
        mutex = _mutexes.of(self.path)
        deadline = self._clock.monotonic() + self._wait
        if not mutex.acquire(timeout=self._wait):
            raise self._busy(os.getpid())
        try:
            if not read_only:
                make_private(self.path.parent)
            session = self._open(deadline, read_only=read_only)
            with session.afterwards:
                try:
                    yield session
                except BaseException:
                    session.connection.close()
                    self._instance.end(read_only=read_only)
                    raise
                self._instance.give_back(session.connection, session.catalog, read_only=read_only)
        finally:
            mutex.release()

    def _open(self, deadline: float, *, read_only: bool) -> OpenStore:
        if self._once.spent(read_only=read_only):
            deadline = self._clock.monotonic()
        waits = Waits(_RETRYING, deadline, self._clock)
        while True:
            connection: duckdb.DuckDBPyConnection | None = None
            try:
                small = _is_small(self.path)
                connection = self._instance.borrow(read_only=read_only, small=small)
                session = OpenStore(connection, self._attach(connection, read_only=read_only))
                self._once.free(read_only=read_only)
                self._notice(None)
                return session
            except BaseException as error:
                if connection is not None:
                    connection.close()
                    self._instance.end(read_only=read_only)
                if not isinstance(error, duckdb.Error):
                    raise
                text = str(error)
                if not any(needle in text for needle in _IN_USE):
                    wrong = unusable(self.path, error, opening=True)
                    self._notice(wrong)
                    raise wrong from error
                found = _HOLDER.search(text)
                holder = int(found[1]) if found else None
                if waits.over:
                    self._once.vain(read_only=read_only)
                    raise self._busy(holder) from error
                if not waits.begun:
                    self._tell(holder, waits.left)
            waits.wait()

    def _attach(self, connection: duckdb.DuckDBPyConnection, *, read_only: bool) -> str:
        own = dict(connection.execute(statements.FIND_CATALOG).fetchall()).get(str(self.path))
        catalog = CATALOG if own is None else str(own)
        if own is None:
            if read_only:
                target = str(self.path).replace("'", "''")
                connection.execute(f"ATTACH '{target}' AS {CATALOG} (READ_ONLY)")
            else:
                attach_new(connection, self.path, CATALOG)
        connection.execute("SET TimeZone = 'UTC'")
        return catalog

    def _tell(self, holder: int | None, seconds: float) -> None:
        """Say at once who is waited for: a minute of silence looks like a hang."""
        _log.warning(
            f"waiting for {_who(holder)}, which holds the Bronze file",
            path=str(self.path),
            holder=holder,
            at_most_seconds=round(seconds, 1),
        )

    def _notice(self, wrong: BronzeUnusable | None) -> None:
        """Pass on what changed; that the file opens is said once."""
        if self._noticed is None or (wrong is None and self._known_good):
            return
        self._known_good = wrong is None
        self._noticed(wrong)

    def _busy(self, holder: int | None) -> BronzeBusy:
        who = _who(holder)
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


class _WaitingOnce:
    """Whether the file was waited for in vain inside ``entered``, by reader and by writer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._spent: set[bool] = set()

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Several threads may be inside at once; with the last one out patience returns."""
        with self._lock:
            self._inside += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside -= 1
                if not self._inside:
                    self._spent.clear()

    def spent(self, *, read_only: bool) -> bool:
        """Whether to try once only. A file that is read by others can still be read."""
        with self._lock:
            return read_only in self._spent

    def vain(self, *, read_only: bool) -> None:
        """It was waited for in vain."""
        with self._lock:
            if self._inside:
                self._spent.add(read_only)

    def free(self, *, read_only: bool) -> None:
        """It was opened."""
        with self._lock:
            self._spent.discard(read_only)


def _who(holder: int | None) -> str:
    if holder is None:
        return "another process"
    return "another thread of this process" if holder == os.getpid() else f"process {holder}"
