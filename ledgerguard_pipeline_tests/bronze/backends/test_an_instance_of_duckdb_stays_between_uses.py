"""A store starts DuckDB once for many uses of its file, and holds the file for none of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.errors import BadInputError, BronzeError
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.bronze.records import REALM, load, record


class Started:
    """A store, and what each start of DuckDB was for."""

    def __init__(self, path: Path) -> None:
        self.starts: list[bool] = []
        self.store = BronzeStore(path, Environment.SANDBOX, connect=self._connect)

    def _connect(self, _file: Path, read_only: bool) -> duckdb.DuckDBPyConnection:
        self.starts.append(read_only)
        return duckdb.connect(":memory:")


@pytest.fixture
def started(path: Path) -> Started:
    return Started(path)


def _opened_elsewhere(path: Path) -> str:
    """What another process says that opens the file for writing."""
    program = "import duckdb, sys; duckdb.connect(sys.argv[1]).close(); print('opened')"
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or done.stderr


def _ask_for_nothing(store: BronzeStore) -> None:
    with store.workspace.read() as view:
        assert view is not None
        view.connection.execute("SELECT * FROM no_such_table")


def test_many_uses_start_duckdb_twice_and_leave_the_file_to_others(
    started: Started, path: Path
) -> None:
    for number in range(3):
        started.store.commit([load(record(str(number)))])
        assert started.store.counts(REALM) == {"Invoice": number + 1}
        assert not path.with_name(path.name + ".wal").exists()
    assert _opened_elsewhere(path) == "opened"
    assert started.store.counts(REALM) == {"Invoice": 3}
    assert started.starts == [False, True]


def test_a_use_that_failed_ends_the_instance(started: Started, path: Path) -> None:
    started.store.commit([load(record("1"))])
    with pytest.raises(BronzeError):
        _ask_for_nothing(started.store)
    assert _opened_elsewhere(path) == "opened"
    assert started.store.counts(REALM) == {"Invoice": 1}
    assert started.starts == [False, True, True]


def test_what_a_use_attached_does_not_outlive_it(
    started: Started, path: Path, tmp_path: Path
) -> None:
    started.store.commit([load(record("1"))])
    other = tmp_path / "other.duckdb"

    def attach(session: object) -> bool:
        connection = getattr(session, "connection")  # noqa: B009
        connection.execute(f"ATTACH '{other}' AS other")
        return True

    started.store.workspace.write(REALM, attach)
    assert _opened_elsewhere(other) == "opened"
    started.store.commit([load(record("2"))])
    assert started.starts == [False, False]


def test_readers_spill_into_folders_of_their_own(started: Started, path: Path) -> None:
    """DuckDB gives files of the same names to all: two that shared a folder would break each other."""
    started.store.commit([load(record("1"))])
    stores = [started.store, Started(path).store]
    asked = "SELECT current_setting('temp_directory')"
    folders = {str(store.sql(asked).rows[0][0]) for store in stores}
    assert len(folders) == 2


def test_maintenance_removes_what_killed_readers_left(started: Started, path: Path) -> None:
    started.store.commit([load(record("1"))])
    left, fresh, other = (
        path.with_name(name)
        for name in (f"{path.name}.tmp-1", f"{path.name}.tmp-2", "other.duckdb.tmp-1")
    )
    for folder in (left, fresh, other):
        folder.mkdir()
        (folder / "duckdb_temp_storage_DEFAULT-0.tmp").write_bytes(b"rows")
    for folder in (left, other):
        os.utime(folder, (0, 0))
    started.store.maintain()
    assert [each.exists() for each in (left, fresh, other)] == [False, True, True]


def test_a_question_reaches_no_other_file_however_often_it_is_asked(
    started: Started, tmp_path: Path
) -> None:
    started.store.commit([load(record("1"))])
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    for _ in range(2):
        with pytest.raises(BadInputError):
            started.store.sql(f"SELECT * FROM read_csv('{secret}')")
        assert started.store.sql("SELECT count(*) FROM bronze.invoice").rows == [(1,)]


def test_a_forked_child_starts_its_own(started: Started) -> None:
    started.store.commit([load(record("1"))])
    assert started.store.counts(REALM) == {"Invoice": 1}
    child = os.fork()
    if child == 0:
        os._exit(0 if started.store.counts(REALM) == {"Invoice": 1} else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert started.store.counts(REALM) == {"Invoice": 1}
    assert started.starts == [False, True]


def test_a_file_that_grew_large_gets_more_threads(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = BronzeStore(path, Environment.SANDBOX)
    store.commit([load(record("1"))])
    threads = "SELECT current_setting('threads')"
    assert store.sql(threads).rows == [(1,)]
    monkeypatch.setattr("ledgerguard_pipeline.bronze.backends.duckdb_file._SMALL_BYTES", 1)
    assert store.sql(threads).rows == [(2,)]
