"""Folders that nobody else on this machine may look into."""

from __future__ import annotations

from pathlib import Path

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
