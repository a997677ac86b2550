"""Paths as people write them into settings: in ``.env`` no shell replaces the ``~``."""

from __future__ import annotations

from pathlib import Path


def user_path(path: str | Path) -> Path:
    """The path with ``~`` as the folder of this user, or of the one it names.

    Raises:
        ValueError: nobody has such a folder on this machine.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ValueError(
            f"nobody's folder is called {Path(path).parts[0]} here; write the whole path"
        ) from None
