"""Folders and files that nobody else on this machine may look into."""

from __future__ import annotations

import os
from pathlib import Path

from ledgerguard_pipeline.errors import ConfigurationError

MODE = 0o700


def make_private(folder: Path) -> None:
    """Make a folder and whatever is missing above it; what is there already stays as it is.

    ``Path.mkdir`` gives its mode to the last folder only and leaves those above open to others.

    Raises:
        OSError: it cannot be made.
    """
    for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
        missing.mkdir(mode=MODE, exist_ok=True)
    folder.mkdir(mode=MODE, exist_ok=True)


def make_private_file(path: Path) -> None:
    """Make the control plane's SQLite file where there is none, for its owner only.

    One that exists is not opened, not even to look: closing it would take every lock that this
    process holds on it, whoever of it did the locking (POSIX). SQLite's other connections would
    then use the file unlocked, and the next process to leave would delete the log under them, with
    what they write into it (sqlite.org, "How To Corrupt An SQLite Database File", 2.2).

    Raises:
        ConfigurationError: it can be neither made nor used.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        if not os.access(path, os.R_OK | os.W_OK):
            raise _not_opened(path, "no permission") from None
    except OSError as error:
        raise _not_opened(path, str(error.strerror)) from error


def _not_opened(path: Path, why: str) -> ConfigurationError:
    return ConfigurationError(
        f"The control database {path} cannot be opened ({why}). Check the folder and its owner, "
        "or set LEDGERGUARD_HOME."
    )
