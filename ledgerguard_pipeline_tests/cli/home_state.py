"""What an installation's home holds, in a form that two moments can be compared by."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from ledgerguard_pipeline.control.database_file import DATABASE_FILE


def state_of(home: Path) -> dict[str, object]:
    """Files by name and bytes; the control database by its rows, because WAL files come and go."""
    if not home.exists():
        return {}
    found: dict[str, object] = {}
    for path in sorted(home.rglob("*")):
        name = str(path.relative_to(home))
        if name == DATABASE_FILE:
            found[name] = _rows(path)
        elif not name.startswith(DATABASE_FILE):
            found[name] = path.read_bytes() if path.is_file() else None
    return found


def _rows(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())
