"""A second control plane in a process takes nothing from the first: not its locks, nor its writes.

POSIX gives up all locks of a process on a file as soon as the process closes any handle of it. With
them gone, the next process to leave deletes SQLite's log as if nobody used it any more.
"""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.errors import ConfigurationError

VISIT = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("INSERT INTO notes VALUES ('theirs')")
print(*(row[0] for row in connection.execute("SELECT * FROM notes ORDER BY 1")))
connection.close()
"""


def visit(path: Path) -> str:
    """Another process writes, looks and leaves; what it saw."""
    command = [sys.executable, "-c", VISIT, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def write(database: Database, statement: str) -> None:
    with database.write(None) as connection:
        connection.execute(text(statement))


def test_what_the_first_writes_after_the_second_was_closed_is_there_for_all(tmp_path: Path) -> None:
    path = tmp_path / "control.db"
    with closing(Database(f"sqlite:///{path}")) as first:
        write(first, "CREATE TABLE notes (note TEXT)")
        with closing(Database(f"sqlite:///{path}")) as second:
            write(second, "INSERT INTO notes VALUES ('second')")
        visit(path)
        assert path.with_name("control.db-wal").exists(), "the log was deleted under the first"
        write(first, "INSERT INTO notes VALUES ('first')")
        assert visit(path) == "first second theirs theirs"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_new_file_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "control.db"
    Database(f"sqlite:///{path}").close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_cannot_be_made_is_a_setting_to_correct(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"control\.db cannot be opened \(No such file"):
        Database(f"sqlite:///{tmp_path}/nowhere/control.db")
