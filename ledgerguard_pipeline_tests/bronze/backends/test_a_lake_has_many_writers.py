"""What a DuckLake adds to the promises of a file: many hosts write, conflicts are repeated."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import psycopg
import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.bronze.backends.ducklake_connections import LakeConnections
from ledgerguard_pipeline.bronze.backends.writer_locks import stripes, writer_lock
from ledgerguard_pipeline.bronze.write import commit
from ledgerguard_pipeline.errors import (
    BadInputError,
    BronzeBusy,
    BronzeUnavailable,
    ConfigurationError,
    WrongEnvironment,
)
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.bronze.backends import lake_writing_process
from ledgerguard_pipeline_tests.bronze.records import OTHER_REALM, REALM, after, load, record
from ledgerguard_pipeline_tests.bronze.write import crashing_writer
from ledgerguard_pipeline_tests.lakes import end_connections, lake_address
from ledgerguard_pipeline_tests.postgres import PostgresProcess

ROOT = Path(lake_writing_process.__file__).parents[4]
PROCESSES, COMMITS = 3, 4


@pytest.fixture
def lake(lake_url: str) -> BronzeStore:
    return BronzeStore(lake_address(lake_url), Environment.SANDBOX)


def test_processes_that_commit_the_same_rows_at_once_write_each_version_once(lake_url: str) -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-m", lake_writing_process.__name__, lake_url, str(COMMITS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for _ in range(PROCESSES)
    ]
    for each in running:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    answers = []
    for each in running:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    for each in running:
        answers.append(int(each.communicate(timeout=100)[0]))
        assert each.returncode == 0
    lake = BronzeStore(lake_address(lake_url), Environment.SANDBOX)
    assert sum(answers) == COMMITS * (lake_writing_process.ROWS + 1)
    [versions] = lake.sql(
        "SELECT count(*), count(DISTINCT (id, payload)), count(DISTINCT (id, loaded_at)) "
        "FROM invoice"
    ).rows
    assert versions == (COMMITS * lake_writing_process.ROWS,) * 3
    assert lake.sql("SELECT count(*) FROM bill").rows == [(COMMITS,)]
    assert lake.sql("SELECT count(*) FROM _loads").rows == [(PROCESSES * COMMITS * 2,)]
    assert lake.watermarks(REALM) == {"Invoice": after(COMMITS)}


def test_writers_of_one_company_wait_and_those_of_others_pass(
    lake: BronzeStore, lake_url: str
) -> None:
    address = lake_address(lake_url)
    assert not set(stripes([REALM])) & set(stripes([OTHER_REALM]))
    lake.commit([load(record("1"))])
    hurried = BronzeStore(address, Environment.SANDBOX, lock_wait_seconds=0.2)
    hurried.commit([load(record("1"), realm=OTHER_REALM)])
    with writer_lock(address, [REALM], 5):
        with pytest.raises(BronzeBusy, match=r"Other writers kept DuckLake .* for 0\.2 s"):
            hurried.commit([load(record("2"))])
        hurried.commit([load(record("2"), realm=OTHER_REALM)])
    hurried.commit([load(record("2"))])
    assert lake.counts(REALM) == {"Invoice": 2}
    assert lake.counts(OTHER_REALM) == {"Invoice": 2}


def test_a_conflict_is_repeated_from_the_first_read(
    lake: BronzeStore, lake_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two companies' first loads both create the table of their entity type; one of them is large."""
    lake.commit([load(entity="Term")])
    other = BronzeStore(lake_address(lake_url), Environment.SANDBOX)
    at_the_last_moment(
        monkeypatch, lambda: other.commit([load(record("1"), realm=OTHER_REALM, id="theirs")])
    )
    many = [record(str(number)) for number in range(1_001)]
    [outcome] = lake.commit([load(*many, watermark=after(1))])
    assert outcome.written == len(many)
    assert lake.counts(REALM) == {"Term": 0, "Invoice": len(many)}
    assert lake.counts(OTHER_REALM) == {"Term": 0, "Invoice": 1}
    assert lake.sql("SELECT count(*) FROM _loads WHERE entity = 'Invoice'").rows == [(2,)]


def test_without_the_lock_nobody_commits(
    lake: BronzeStore, lake_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever breaks the connections, the work is done again and counts once."""
    lake.commit([load(record("1"), watermark=after(1))])
    ended: list[int] = []
    at_the_last_moment(monkeypatch, lambda: ended.append(end_connections(lake_url)))
    [outcome] = lake.commit([load(record("2"), watermark=after(2))])
    assert ended[0] >= 2
    assert outcome.written == 1
    assert lake.sql("SELECT id FROM invoice ORDER BY id").rows == [("1",), ("2",)]
    assert lake.sql("SELECT count(*) FROM _loads").rows == [(2,)]


def test_a_commit_whose_answer_was_lost_is_found_and_not_repeated(
    lake: BronzeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.commit([load(record("1"))])
    deaf = lose_the_answer_of(monkeypatch, "COMMIT")
    [outcome] = lake.commit(
        [load(record("1", '{"Id":"1","SyncToken":"0","v":2}', updated=9), id="load-2")]
    )
    assert deaf == ["COMMIT"]
    assert outcome.written == 1
    sync_states = lake.sql("SELECT load_id, written FROM _loads ORDER BY loaded_at").rows
    assert sync_states == [("load-1", 1), ("load-2", 1)]


def test_a_killed_writer_leaves_nothing_but_files_that_the_upkeep_deletes(
    lake: BronzeStore, lake_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = Path(lake_address(lake_url).data)
    held = set(data.rglob("*.parquet"))
    lake.commit([load(record("1"), watermark=after(1))])
    done = subprocess.run(
        [sys.executable, "-m", crashing_writer.__name__, lake_url],
        env={**os.environ, "LEDGERGUARD_CRASH_AT": "before_bronze_commit"},
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert lake.counts(REALM) == {"Invoice": 1}
    files = set(data.rglob("*.parquet")) - held
    assert files, "the killed writer had written files"
    monkeypatch.setattr("ledgerguard_pipeline.bronze.maintenance.upkeep.KEEP", -after(0).resolution)
    upkeep = lake.maintain()
    assert upkeep.files_deleted >= len(files)
    assert not files & set(data.rglob("*.parquet"))
    # The lock died with the process, and the work can be done again.
    crashing_writer.second_commit(lake)
    assert lake.counts(REALM) == {"Invoice": 2_991, "Bill": 0, "Term": 0}
    [(versions, unique)] = lake.sql(
        "SELECT count(*), count(DISTINCT (id, payload)) FROM invoice"
    ).rows
    assert versions == unique == 2_992


def test_a_database_that_goes_down_is_waited_for_and_then_named(tmp_path: Path) -> None:
    with PostgresProcess() as server:
        address = lake_address(f"ducklake:{server.url};data={tmp_path / 'lake'}")
        lake = BronzeStore(address, Environment.SANDBOX, lock_wait_seconds=1.0)
        lake.commit([load(record("1"), watermark=after(1))])
        server.stop(signal.SIGKILL)
        for use in (
            lambda: lake.commit([load(record("2"), watermark=after(2))]),
            lambda: lake.watermarks(REALM),
        ):
            with pytest.raises(BronzeUnavailable, match="LEDGERGUARD_BRONZE_URL") as caught:
                use()
            assert "\n" not in str(caught.value)
        server.start()
        patient = BronzeStore(address, Environment.SANDBOX)
        assert patient.watermarks(REALM) == {"Invoice": after(1)}
        patient.commit([load(record("2"), watermark=after(2))])
        assert lake.counts(REALM) == {"Invoice": 2}


def test_another_environment_and_wrong_settings_are_reported_at_once(
    lake: BronzeStore, lake_url: str, tmp_path: Path
) -> None:
    lake.commit([load(record("1"))])
    with pytest.raises(WrongEnvironment, match="sandbox environment, but INTUIT_ENV is prod"):
        BronzeStore(lake_address(lake_url), Environment.PRODUCTION).commit([load(record("2"))])
    elsewhere = lake_address(lake_url.rpartition("=")[0] + f"={tmp_path / 'elsewhere'}")
    with pytest.raises(ConfigurationError, match="does not match existing data path"):
        BronzeStore(elsewhere, Environment.SANDBOX).counts()
    nowhere = lake_address(f"ducklake:postgres:host=/nowhere dbname=x;data={tmp_path}")
    with pytest.raises((BronzeUnavailable, ConfigurationError), match="LEDGERGUARD_BRONZE_URL"):
        BronzeStore(nowhere, Environment.SANDBOX, lock_wait_seconds=0.1).counts()


def test_reading_a_lake_reaches_nothing_else(
    lake: BronzeStore, lake_url: str, tmp_path: Path
) -> None:
    lake.commit([load(record("1"))])
    (tmp_path / "secret.txt").write_text("secret")
    for statement in (
        f"SELECT * FROM read_text('{tmp_path}/secret.txt')",
        "SELECT * FROM ducklake_expire_snapshots('ledgerguard', older_than => now())",
        "SELECT * FROM postgres_execute('__ducklake_metadata_ledgerguard', 'DROP TABLE x')",
        "SELECT * FROM postgres_scan('host=localhost', 'public', 'x')",
    ):
        with pytest.raises(BadInputError, match=r"refused: a query|file system operations"):
            lake.sql(statement)
    assert lake.counts() == {"Invoice": 1}


def test_no_password_can_be_asked_for(lake_url: str) -> None:
    address = lake_address(lake_url.replace("postgres:@", "postgres:s3cret-word@"))
    assert address.password == "s3cret-word"
    store = BronzeStore(address, Environment.SANDBOX)
    store.commit([load(record("1"))])
    for statement in ("FROM duckdb_databases()", "FROM duckdb_secrets()", "FROM duckdb_settings()"):
        assert "s3cret-word" not in str(store.sql(statement).rows)
    assert "s3cret-word" not in repr(address) + str(address) + store.name


def at_the_last_moment(monkeypatch: pytest.MonkeyPatch, deed: Callable[[], object]) -> None:
    """Do something once, right before a COMMIT."""
    deeds = [deed]

    def crashpoint(name: str) -> None:
        if name == "before_bronze_commit" and deeds:
            deeds.pop()()

    monkeypatch.setattr(commit, "crashpoint", crashpoint)


def lose_the_answer_of(monkeypatch: pytest.MonkeyPatch, statement: str) -> list[str]:
    """Execute a statement once and then behave as if the connection had broken."""
    lost: list[str] = []
    real = LakeConnections.cursor

    class Deaf:
        def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
            self._connection = connection

        def execute(self, text: str, *values: object) -> object:
            answer = self._connection.execute(text, *values)
            if text == statement and not lost:
                lost.append(text)
                raise duckdb.IOException("server closed the connection unexpectedly")
            return answer

        def __getattr__(self, name: str) -> object:
            return getattr(self._connection, name)

    monkeypatch.setattr(
        LakeConnections, "cursor", lambda *given, **named: Deaf(real(*given, **named))
    )
    return lost


def test_a_lock_survives_neither_its_connection_nor_its_owner(
    lake: BronzeStore, lake_url: str
) -> None:
    with writer_lock(lake_address(lake_url), [REALM], 1) as mine:
        with mine.committing():
            pass
        end_connections(lake_url)
        with pytest.raises(psycopg.Error), mine.committing():
            pass
    lake.commit([load(record("1"))])
    assert lake.counts(REALM) == {"Invoice": 1}


def test_the_connection_for_locks_stays_and_is_replaced_if_it_broke(lake_url: str) -> None:
    address = lake_address(lake_url)

    def login() -> int:
        with writer_lock(address, [REALM], 1) as mine:
            row = mine._connection.execute("SELECT pg_backend_pid()").fetchone()
        assert row is not None
        return int(row[0])

    first = login()
    assert login() == first
    with pytest.raises(RuntimeError), writer_lock(address, [REALM], 1):
        raise RuntimeError("on purpose")
    with writer_lock(address, [REALM], 1), writer_lock(address, [OTHER_REALM], 1):
        pass  # what failed gave its locks back, and two at once have a connection each
    end_connections(lake_url)
    assert login() != first
