"""Consistent copies of Bronze in a file of their own, for notebooks and backups."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import stat
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from ledgerguard_pipeline.bronze import statements
from ledgerguard_pipeline.bronze.backends.base import Backend, OpenStore
from ledgerguard_pipeline.bronze.backends.duckdb_file import attach_new
from ledgerguard_pipeline.bronze.follower import Follower
from ledgerguard_pipeline.bronze.maintenance.copy_tables import copy_tables
from ledgerguard_pipeline.bronze.maintenance.copy_target import look_at, others_in
from ledgerguard_pipeline.bronze.read.origin import read_origin
from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.errors import BadInputError

_PIECE = 1024 * 1024
_COPY = "ledgerguard_copy"
_PARTIAL = ".partial"
LEFT_AFTER = timedelta(days=1)
"""No copy takes so long."""


def write_snapshot(
    backend: Backend,
    path: Path,
    check: Callable[[OpenStore], set[str]],
    follower: Follower,
    clock: Clock,
    *,
    of_any_store: bool = False,
) -> Path:
    """Write a copy beside the target, then rename it into place.

    ``check`` refuses a store that is not ours. Whoever has the previous copy open keeps it. A new
    copy is for its owner only; one that takes the place of another has its group and permissions.
    Only an older copy gives way, of this store or, at a place of the store's own, ``of_any_store``.

    Raises:
        BadInputError: the target is unusable or holds anything else, or there is nothing to copy.
        BronzeBusy: another process has the target open for writing.
    """
    target = path.absolute()
    if not backend.exists():
        raise BadInputError(
            f"Nothing was loaded into {backend.name} yet; run `ledgerguard sync` first."
        )
    if target.is_dir() or not target.parent.is_dir():
        raise BadInputError(f"{target} is not a file in an existing folder; name one.")
    if backend.file is not None and _is_same(target, backend.file):
        raise BadInputError("A snapshot needs a different path from the Bronze file.")
    older = look_at(target, clock)
    partial = target.with_name(f".{target.name}.{os.getpid()}{_PARTIAL}")
    _remove_left(target, clock.now() - LEFT_AFTER)

    def checked(session: OpenStore) -> set[str]:
        present = check(session)
        if older is not None:
            mine = read_origin(session.connection, session.catalog)
            # Of a lake only our own tables are copied.
            copied = (
                frozenset[str]() if session.lake else others_in(session.connection, session.catalog)
            )
            older.refuse(mine, copied, of_any_store=of_any_store)
        return present

    try:
        if backend.file is None:
            _copy_lake(backend, partial, checked, follower)
        else:
            _copy_file(backend, backend.file, partial, checked)
        # A write-ahead log beside an older copy must not be replayed into the new one.
        target.with_name(target.name + ".wal").unlink(missing_ok=True)
        _open_to_the_same(target, partial)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
        partial.with_name(partial.name + ".wal").unlink(missing_ok=True)
    return target


def _remove_left(target: Path, before: datetime) -> None:
    """Delete what copying to this place had written when it was killed; each is as large as the books."""
    for left in target.parent.glob(f".{glob.escape(target.name)}.*{_PARTIAL}*"):
        with contextlib.suppress(OSError):  # somebody else's
            if left.stat().st_mtime < before.timestamp():
                left.unlink()


def _open_to_the_same(target: Path, partial: Path) -> None:
    """Whoever was let read the copy that is replaced, as a BI tool's user, can read the new one."""
    try:
        old = target.stat()
    except FileNotFoundError:
        return
    mode = stat.S_IMODE(old.st_mode)
    try:
        os.chown(partial, -1, old.st_gid)
    except PermissionError:  # not our group: ours was not let in
        mode &= ~stat.S_IRWXG
    partial.chmod(mode)


def _is_same(target: Path, file: Path) -> bool:
    return target.resolve() == file or (target.exists() and target.samefile(file))


def _copy_file(
    backend: Backend, file: Path, partial: Path, check: Callable[[OpenStore], set[str]]
) -> None:
    """Copy the checkpointed file while nobody else can write."""

    def work(session: OpenStore) -> None:
        check(session)
        session.connection.execute(statements.checkpoint(session.catalog))
        # Closing this handle would drop DuckDB's POSIX lock: it outlives the session.
        source = session.afterwards.enter_context(file.open("rb"))
        _copy(source.fileno(), partial)

    backend.write((), work)


def _copy_lake(
    lake: Backend, partial: Path, check: Callable[[OpenStore], set[str]], follower: Follower
) -> None:
    """Read one snapshot of the lake into a new file; its writers go on meanwhile."""

    def work(session: OpenStore) -> None:
        present = check(session)
        connection = session.connection
        partial.unlink(missing_ok=True)
        # The instance is shared by the threads of this process: the name must be ours alone.
        copy = f"{_COPY}_{os.urandom(4).hex()}"
        attach_new(connection, partial, copy)
        try:
            connection.execute("BEGIN TRANSACTION")
            try:
                copy_tables(connection, session.catalog, copy, present, to_lake=False)
                follower.copy(session, copy)
                connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(Exception):
                    connection.execute("ROLLBACK")
                raise
        finally:
            connection.execute(statements.search_path(session.catalog))
            connection.execute(f"DETACH {copy}")

    lake.write((), work)


def _copy(source: int, partial: Path) -> None:
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as copy, os.fdopen(source, "rb", closefd=False) as original:
        shutil.copyfileobj(original, copy, _PIECE)
        copy.flush()
        os.fsync(copy.fileno())
