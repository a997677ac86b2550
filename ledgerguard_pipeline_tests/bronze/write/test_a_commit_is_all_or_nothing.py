from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.bronze.backends.duckdb_file import open_memory
from ledgerguard_pipeline.errors import BronzeError
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.bronze.records import REALM, after, load, record, step, walk_of
from ledgerguard_pipeline_tests.bronze.write import crashing_writer

TABLES = (
    "invoice",
    "bill",
    "_loads",
    "_watermarks",
    "_quarantine",
    "_fields",
    "_walks",
    "_walk_seen",
)


def first_commit(store: BronzeStore) -> None:
    store.commit(
        [
            load(record("1", '{"v":1}'), watermark=after(1), walk=step(cursor="c1")),
            load(record("1"), entity="Bill", watermark=after(1)),
        ]
    )


def everything(store: BronzeStore) -> dict[str, object]:
    held: dict[str, object] = {
        table: store.sql(f"SELECT * FROM {table} ORDER BY ALL").rows for table in TABLES
    }
    held["tables"] = store.sql("SHOW TABLES").rows
    return held


def summary(store: BronzeStore) -> tuple[object, ...]:
    walk = walk_of(store)
    assert walk is not None
    return (
        store.counts(REALM),
        sorted(store.watermarks(REALM).items()),
        {name: marker.load_id for name, marker in store.last_loads(REALM).items()},
        walk.cursor,
        store.quarantined(REALM),
    )


WHOLE = (
    {"Invoice": 2_991, "Bill": 0, "Term": 0},
    [("Bill", after(9)), ("Invoice", after(9)), ("Term", after(9))],
    {"Invoice": "load-2", "Bill": "load-2", "Term": "load-2"},
    "c2",
    {"Invoice": 1},
)


def crash(path: Path, point: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", crashing_writer.__name__, str(path)],
        env={**os.environ, "LEDGERGUARD_CRASH_AT": point},
        cwd=Path(crashing_writer.__file__).parents[4],
        check=False,
    )
    assert done.returncode == -signal.SIGKILL


def test_killed_before_the_commit_nothing_is_there_and_the_next_run_repeats_it(
    store: BronzeStore, path: Path
) -> None:
    first_commit(store)
    before = everything(store)
    crash(path, "before_bronze_commit")
    assert everything(store) == before
    crashing_writer.second_commit(store)
    assert summary(store) == WHOLE


def test_killed_after_the_commit_everything_is_there_and_repeating_it_adds_no_version(
    store: BronzeStore, path: Path
) -> None:
    first_commit(store)
    crash(path, "after_bronze_commit")
    assert summary(store) == WHOLE
    rows = store.sql("SELECT * FROM invoice ORDER BY ALL").rows
    crashing_writer.second_commit(store)
    assert store.sql("SELECT * FROM invoice ORDER BY ALL").rows == rows
    assert summary(store) == WHOLE


def test_a_killed_first_load_leaves_a_usable_file(path: Path) -> None:
    crash(path, "before_bronze_commit")
    store = BronzeStore(path, Environment.SANDBOX)
    assert store.watermarks(REALM) == {}
    first_commit(store)
    assert store.counts(REALM) == {"Invoice": 1, "Bill": 1}


class Sabotaged:
    """A connection that does something else at the first statement with a given beginning."""

    def __init__(self, beginning: str, deed: Callable[[duckdb.DuckDBPyConnection], object]) -> None:
        self._real = duckdb.connect(":memory:")
        self._beginning = beginning
        self._deed = deed

    def execute(self, statement: str, values: object = None) -> object:
        if statement.startswith(self._beginning):
            return self._deed(self._real)
        return self._real.execute(statement, values)

    def cursor(self) -> Sabotaged:
        return self

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)


def sabotage(
    path: Path, beginning: str, deed: Callable[[duckdb.DuckDBPyConnection], object]
) -> BronzeStore:
    return BronzeStore(
        path,
        Environment.SANDBOX,
        connect=lambda _file, _read_only: Sabotaged(beginning, deed),  # type: ignore[arg-type, return-value]
    )


@pytest.mark.parametrize(
    "beginning",
    [
        'INSERT INTO "invoice"',
        'INSERT INTO "bill"',
        'CREATE TABLE IF NOT EXISTS "term"',
        "INSERT INTO _walks",
        "INSERT INTO _quarantine",
        "INSERT INTO _watermarks",
        "INSERT INTO _loads",
    ],
)
def test_an_error_anywhere_in_the_transaction_keeps_nothing(
    store: BronzeStore, path: Path, beginning: str
) -> None:
    first_commit(store)
    before = everything(store)
    broken = sabotage(path, beginning, lambda real: real.execute("SELECT error('disk on fire')"))
    with pytest.raises(BronzeError, match="disk on fire"):
        crashing_writer.second_commit(broken)
    assert everything(store) == before
    crashing_writer.second_commit(store)
    assert summary(store) == WHOLE


def test_a_commit_that_silently_writes_nothing_is_noticed(store: BronzeStore, path: Path) -> None:
    first_commit(store)
    before = everything(store)
    lying = sabotage(path, "COMMIT", lambda real: real.execute("ROLLBACK"))
    with pytest.raises(BronzeError, match="load records are not there"):
        crashing_writer.second_commit(lying)
    assert everything(store) == before


def test_duckdb_itself_really_commits_nothing_after_an_error(tmp_path: Path) -> None:
    """The trap the read-back guards against; if this changes, the guard may be reconsidered."""
    connection = open_memory(tmp_path, False)
    connection.execute("CREATE TABLE t (a INT)")
    connection.execute("BEGIN")
    connection.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(duckdb.Error):
        connection.execute("SELECT error('x')")
    connection.execute("COMMIT")
    assert connection.execute("SELECT count(*) FROM t").fetchall() == [(0,)]
    connection.close()
