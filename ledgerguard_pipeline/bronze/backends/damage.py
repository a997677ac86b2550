"""What is wrong with a DuckDB file that does not open, and what really helps.

DuckDB keeps what was committed last in a write-ahead log beside the file and moves it into the
file now and then. Either can be damaged, by a full disk, a copy made while somebody wrote, or a
failing disk. Only a damaged file costs a new load; a damaged log costs its contents, and that
is read again by the next sync, because the watermark was in it as well.
"""

from __future__ import annotations

import contextlib
import os
import shlex
from pathlib import Path
from typing import Literal, overload

import duckdb

from ledgerguard_pipeline.bronze.backends.base import first_line
from ledgerguard_pipeline.errors import BronzeUnusable

_DAMAGE = (
    "replaying WAL",
    "Corrupt WAL file",
    "Corrupt database file",
    "not a valid DuckDB database",
    "Could not read enough bytes",
    "Serialization Error",
)
_LOG = ("replaying WAL", "Corrupt WAL file")
_OF_ANOTHER_COPY = ("checkpoint iteration does not match", "WAL does not match database file")


@overload
def unusable(path: Path, error: duckdb.Error, *, opening: Literal[True]) -> BronzeUnusable: ...
@overload
def unusable(
    path: Path, error: duckdb.Error, *, opening: Literal[False]
) -> BronzeUnusable | None: ...
def unusable(path: Path, error: duckdb.Error, *, opening: bool) -> BronzeUnusable | None:
    """The error that names the damaged part and the commands that help.

    None where the file was ``opening`` no more and the error is about something else than its
    bytes.
    """
    text = str(error)
    log = wal_of(path)
    damaged = any(needle in text for needle in _DAMAGE)
    if not damaged:
        if not opening:
            return None
        return BronzeUnusable(
            f"The Bronze file {path} cannot be opened: {first_line(error)}. Check the path, its "
            "permissions and free disk space."
        )
    if log.exists() and any(needle in text for needle in _OF_ANOTHER_COPY):
        return BronzeUnusable(
            f"The write-ahead log {log} belongs to another copy of the Bronze file beside it; it was left "
            f"behind when that copy was put in place ({first_line(error)}). Set the log aside with "
            f"`{_aside(log)}` and run `ledgerguard sync`: it reads from Intuit what the copy is behind."
        )
    if log.exists() and (any(needle in text for needle in _LOG) or opens_alone(path)):
        return BronzeUnusable(
            f"The write-ahead log of the Bronze file, {log}, is damaged; the file itself is "
            f"sound ({first_line(error)}). Set the log aside with `{_aside(log)}` and run "
            "`ledgerguard sync`: it reads those rows again."
        )
    both = f"{_aside(path)}; {_aside(log)}" if log.exists() else _aside(path)
    return BronzeUnusable(
        f"The Bronze file {path} is damaged ({first_line(error)}). Set it aside with `{both}`, "
        "put a snapshot in its place if there is one, and run `ledgerguard sync`: it reads from "
        "Intuit whatever is missing, without a snapshot everything."
    )


def wal_of(path: Path) -> Path:
    """DuckDB's write-ahead log of a file."""
    return path.with_name(f"{path.name}.wal")


def opens_alone(path: Path) -> bool:
    """Whether the file opens without its log: under another name DuckDB does not find that."""
    alone = path.with_name(f".{path.name}.{os.getpid()}.alone")
    try:
        alone.hardlink_to(path)
    except OSError:
        return False
    try:
        with contextlib.closing(duckdb.connect(":memory:")) as connection:
            target = str(alone).replace("'", "''")
            connection.execute(f"ATTACH '{target}' AS alone (READ_ONLY)")
        return True
    except duckdb.Error:
        return False
    finally:
        alone.unlink(missing_ok=True)


def _aside(path: Path) -> str:
    return f"mv {shlex.quote(str(path))} {shlex.quote(f'{path}.damaged')}"
