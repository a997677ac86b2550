"""One in-memory DuckDB that stays between the uses of a file, instead of a new one for each.

Starting and ending a DuckDB takes 15 ms of CPU, more than attaching a small file and reading it. The
file itself is attached for a use and detached after it, which frees it like closing does: between two
uses nobody is kept out. A small file is checkpointed each time; a large one, whose checkpoint takes a
second, once its write-ahead log has grown. Whatever went wrong, or left more behind than it found, ends
the instance too. Decisions 80 and 86 in docs/decisions.md.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import duckdb

from ledgerguard_pipeline.bronze import statements
from ledgerguard_pipeline.bronze.backends.damage import wal_of

Connect = Callable[[Path, bool], duckdb.DuckDBPyConnection]
"""Supplies a connection for (Bronze file, read only?): to an in-memory DuckDB or to the file."""

_WHOLE_INSTANCE = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
_VACUUM_TASKS = 0
"""In a large file, instead of DuckDB's 100. One of them can move every later row group of its table:
a single changed invoice among a million then rewrote 700 MB. Row groups without living rows are freed all
the same, and the nightly maintenance merges the others."""
_LOG_BYTES = 256 * 1024
"""Of a large file: some 25 changed invoices, which take 0.1 s to replay whenever the file is opened."""
_NAMES_ITS_FILE = (1, 4)
"""Storage version from which on DuckDB refuses to replay a log into a file it does not belong to."""
_VERSION = "SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = ?"
_COMPANIONS = (".wal", ".wal.checkpoint", ".wal.recovery")
"""Files that DuckDB keeps beside a database file."""
_SPILL = ".tmp"
"""Of the folder beside it for what has no room in memory."""
_OTHERS = "SELECT 1 FROM duckdb_databases() WHERE NOT internal AND database_name <> 'memory'"
_SET_MEMORY = "SET memory_limit = ?"
_LITTLE = "192MB"
"""For the pages DuckDB keeps while many payloads are decoded or all tables of Silver are checked; more of
them make neither quicker."""
_READ_LIMIT = """SELECT current_setting('memory_limit') FROM duckdb_databases()
    WHERE database_name = current_database() AND type = 'duckdb'"""
_inherited: list[duckdb.DuckDBPyConnection] = []
"""Instances of a parent process: their threads are not here, so they are never touched again."""


class KeptInstance:
    """The instances of one file: one to read, one to write. The caller sees to one use at a time."""

    def __init__(self, path: Path, supply: Connect) -> None:
        self._path = path
        self._supply = supply
        self._pid = os.getpid()
        self._roots: dict[bool, duckdb.DuckDBPyConnection] = {}
        self._small = True

    def borrow(self, *, read_only: bool, small: bool) -> duckdb.DuckDBPyConnection:
        """A connection with nothing attached yet; an instance made for another size is not used.

        Raises:
            duckdb.Error: what the supplier of connections says.
        """
        if self._pid != os.getpid():
            _inherited.extend(self._roots.values())
            self._roots.clear()
            self._pid = os.getpid()
        if small is not self._small:
            self.end()
            self._small = small
        if read_only not in self._roots:
            root = self._supply(self._path, read_only)
            try:
                self._set_up(root, read_only=read_only, small=small)
            except BaseException:
                root.close()
                raise
            self._roots[read_only] = root
        return self._roots[read_only].cursor()

    def give_back(
        self, connection: duckdb.DuckDBPyConnection, catalog: str, *, read_only: bool
    ) -> None:
        """Detach the file and keep the instance; end it if anything else is attached."""
        clean = False
        try:
            if not read_only and not self._small:
                self._keep_log(connection, catalog)
            connection.execute("USE memory")
            connection.execute(f"DETACH {catalog}")
            if not read_only:  # a commit may have chosen for itself
                connection.execute("SET disabled_compression_methods = ''")
            clean = connection.execute(_OTHERS).fetchone() is None
        except duckdb.Error:
            pass  # a connection to the file itself, for one; what was committed is in the log
        finally:
            connection.close()
            if not clean:  # an interruption, too, must not leave the file attached
                self.end(read_only=read_only)

    def end(self, *, read_only: bool | None = None) -> None:
        """End the instance for reading or for writing, or both; the next use starts one."""
        for kind in [kind for kind in self._roots if read_only is None or kind is read_only]:
            self._roots.pop(kind).close()

    def _set_up(self, root: duckdb.DuckDBPyConnection, *, read_only: bool, small: bool) -> None:
        """What holds for all uses. Who reads gets at no file but this one."""
        for name, value in _WHOLE_INSTANCE.items():
            root.execute(f"SET {name} = {value}")
        path = str(self._path).replace("'", "''")
        # Readers of other processes are there at the same time, and DuckDB names the files it spills
        # without asking who else does. There is one writer only, and what a killed one left is the next one's.
        own = f"-{uuid.uuid4().hex[:8]}" if read_only else ""
        spill = f"{path}{_SPILL}{own}"
        root.execute(f"SET temp_directory = '{spill}'")
        if not small:
            root.execute(f"SET max_vacuum_tasks = {_VACUUM_TASKS}")
            root.execute("PRAGMA disable_checkpoint_on_shutdown")
        if read_only:
            files = ", ".join(f"'{path}{ending}'" for ending in ("", *_COMPANIONS))
            root.execute(f"SET allowed_paths = [{files}]")
            root.execute(f"SET allowed_directories = ['{spill}']")
            root.execute("SET enable_external_access = false")

    def _keep_log(self, connection: duckdb.DuckDBPyConnection, catalog: str) -> None:
        """The log of a large file stays, for its owner only, until there is enough of it."""
        log = wal_of(self._path)
        try:
            size = log.stat().st_size
        except FileNotFoundError:
            return
        with contextlib.suppress(OSError):  # somebody else's, whose commit was the first of it
            log.chmod(0o600)
        if size >= _LOG_BYTES or not _names_its_file(connection, catalog):
            connection.execute(statements.checkpoint(catalog))


def remove_spills(file: Path, before: datetime) -> None:
    """Delete what readers of ``file`` that were killed had spilled and nobody wrote to since ``before``."""
    for folder in file.parent.glob(f"{glob.escape(file.name)}{_SPILL}-*"):
        with contextlib.suppress(FileNotFoundError):  # its reader just ended
            if folder.stat().st_mtime < before.timestamp():
                shutil.rmtree(folder, ignore_errors=True)


class Memory:
    """The memory limit of a connection's instance; ``limit`` is what ``current_setting`` says of it."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, limit: str) -> None:
        self._connection = connection
        # It was cut off after one decimal: set as it is read, it would shrink every time.
        number, unit = limit.split()
        self._limit = f"{float(number) + 0.05:.2f} {unit}"

    @contextlib.contextmanager
    def beside_arrow(self) -> Iterator[None]:
        """Leave Arrow some of it inside the block, and only there.

        A commit takes a block of every column that gets a row, of Silver's 1,700 some 200 MB. With
        less than that DuckDB writes them out to make room, which takes ten times as long. If the block
        fails, ``all_of_it`` is to be called once its transaction is rolled back.
        """
        self._connection.execute(_SET_MEMORY, [_LITTLE])
        yield
        self.all_of_it()

    def all_of_it(self) -> None:
        """Use as much as before.

        Raises:
            duckdb.Error: a transaction failed and was not rolled back.
        """
        self._connection.execute(_SET_MEMORY, [self._limit])


@contextlib.contextmanager
def reading_in_little_memory(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Read a file in half the usual memory inside the block: for statements over all of its rows.

    They come last in a first load, when the process has grown to its size, and their pages come on top
    of it. A lake's instance has other pages in that memory, so it is left as it is.
    """
    row = connection.execute(_READ_LIMIT).fetchone()
    if row is None:
        yield
        return
    memory = Memory(connection, str(row[0]))
    connection.execute(_SET_MEMORY, [_LITTLE])
    try:
        yield
    finally:
        memory.all_of_it()


def _names_its_file(connection: duckdb.DuckDBPyConnection, catalog: str) -> bool:
    """Whether the log of this database says which file, in which state, it belongs to."""
    row = connection.execute(_VERSION, [catalog]).fetchone()
    found = re.match(r"v(\d+)\.(\d+)", str(row[0])) if row else None
    return found is not None and (int(found[1]), int(found[2])) >= _NAMES_ITS_FILE


def close_default_connection() -> None:
    """End the database that DuckDB opens for itself when it is imported, and its threads with it.

    For a process that will be forked: nobody here uses it, and whoever did would get a new one.
    """
    duckdb.default_connection().close()
