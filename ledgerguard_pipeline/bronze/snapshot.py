"""Consistent copies of the Bronze file, for notebooks and backups."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from ledgerguard_pipeline.bronze import tables
from ledgerguard_pipeline.bronze.file import BronzeFile, Session
from ledgerguard_pipeline.errors import BadInputError

_PIECE = 1024 * 1024


def write_snapshot(file: BronzeFile, path: Path, check: Callable[[Session], object]) -> Path:
    """Copy the checkpointed file while nobody else can write, then rename it into place.

    ``check`` refuses a file that is not ours. Whoever has the previous copy open keeps it.

    Raises:
        BadInputError: the target is unusable, or there is nothing to copy.
    """
    target = path.absolute()
    if not file.exists():
        raise BadInputError(
            f"There is no Bronze file at {file.path} yet; run `ledgerguard sync` first."
        )
    if target.is_dir() or not target.parent.is_dir():
        raise BadInputError(f"{target} is no file in an existing directory; name one.")
    if target.resolve() == file.path or (target.exists() and target.samefile(file.path)):
        raise BadInputError("A snapshot needs another path than the Bronze file itself.")
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        # Closing this handle would drop DuckDB's POSIX lock: it outlives the session.
        with contextlib.ExitStack() as handles, file.session(read_only=False) as session:
            check(session)
            session.connection.execute(tables.checkpoint(session.catalog))
            source = handles.enter_context(file.path.open("rb"))
            _copy(source.fileno(), partial)
        # A write-ahead log beside an older copy must not be replayed into the new one.
        target.with_name(target.name + ".wal").unlink(missing_ok=True)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def _copy(source: int, partial: Path) -> None:
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as copy, os.fdopen(source, "rb", closefd=False) as original:
        shutil.copyfileobj(original, copy, _PIECE)
        copy.flush()
        os.fsync(copy.fileno())
