"""A copy of the control plane's file and of the keys that open it, made while everything runs.

Decision 87 in docs/decisions.md.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import make_url

from ledgerguard_pipeline.config.private_files import make_private_file
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.database_file import DATABASE_FILE
from ledgerguard_pipeline.control.plane import control_url
from ledgerguard_pipeline.control.storage.engines import BUSY_TIMEOUT_SECONDS
from ledgerguard_pipeline.control.tokens.keyfile import KEY_FILE, Key, read_keys, replace_keys
from ledgerguard_pipeline.errors import ControlUnavailable

_TRIES = 5
"""A rotation of the keys changes their file twice, with all tokens in between."""


def copy_control_plane(settings: Settings, folder: Path) -> list[Path]:
    """What of it is a file goes into ``folder``, under the names that a home has for it.

    The keys are those that open the copied tokens: if they were rotated during the copy, it is made
    again. Nothing is written where the database is on a server and the keys come from a variable.

    Raises:
        ControlUnavailable: the file cannot be read or the copy written, or it is damaged.
        KeyUnavailable: the key file is damaged or open to others.
    """
    database, keys = _database_file(settings), _key_file(settings)
    for _ in range(_TRIES):
        ring = _ring(keys)
        made = [] if database is None else [_copy(database, folder / DATABASE_FILE)]
        if _ring(keys) == ring:
            break
    else:
        raise ControlUnavailable(
            "The encryption keys changed whenever the control database was copied. Let `ledgerguard "
            "keys rotate` end, and try again."
        )
    if ring:
        replace_keys(folder / KEY_FILE, ring)
        made.append(folder / KEY_FILE)
    return made


def is_on_a_server(settings: Settings) -> bool:
    """Whether the control plane is no file."""
    return make_url(control_url(settings)).get_backend_name() != "sqlite"


def _database_file(settings: Settings) -> Path | None:
    path = Path(make_url(control_url(settings)).database or "")
    return None if is_on_a_server(settings) or not path.exists() else path


def _key_file(settings: Settings) -> Path | None:
    configured = settings.ledgerguard_encryption_keys is not None
    return None if configured else settings.ledgerguard_home / KEY_FILE


def _ring(file: Path | None) -> tuple[Key, ...]:
    return read_keys(file) if file is not None and file.exists() else ()


def _copy(source: Path, target: Path) -> Path:
    """One state of the database, by SQLite's own backup: a plain copy would miss its log."""
    make_private_file(target)
    try:
        with (
            closing(
                sqlite3.connect(
                    f"{source.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_TIMEOUT_SECONDS
                )
            ) as live,
            closing(sqlite3.connect(target)) as copy,
        ):
            live.backup(copy)
            found = str(copy.execute("PRAGMA quick_check").fetchone()[0])
    except sqlite3.Error as error:
        raise ControlUnavailable(
            f"The control database {source} could not be copied to {target.parent} ({error}). "
            "Make room there, or name another folder."
        ) from error
    if found != "ok":
        raise ControlUnavailable(
            f"The control database {source} is damaged ({found.splitlines()[0]}), so this is no "
            "backup of it. Restore an earlier one."
        )
    return target
