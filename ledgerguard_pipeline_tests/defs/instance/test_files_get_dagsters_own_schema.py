"""A run's log that is made quickly has the schema Dagster gives it; half-made files are completed."""

import sqlite3
import threading
from pathlib import Path

import pytest
import sqlalchemy
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

from ledgerguard_pipeline.defs.instance.sqlite_schema import make_schema, read_schema
from ledgerguard_pipeline.defs.instance.sqlite_storage import (
    PooledEventLogStorage,
    PooledSqliteStorage,
)


def _schema(file: Path) -> tuple[list[str], list[tuple[str]], str]:
    with sqlite3.connect(file) as connection:
        statements = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")
        found = sorted(" ".join(str(sql).split()) for (sql,) in statements)
        revision = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    connection.close()
    return found, revision, mode


def _log(folder: Path, run: str, storage: SqliteEventLogStorage) -> Path:
    with storage.run_connection(run):
        return folder / f"{run}.db"


def test_the_logs_of_later_runs_equal_those_that_dagster_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = _log(tmp_path / "theirs", "one", SqliteEventLogStorage(str(tmp_path / "theirs")))
    ours = PooledEventLogStorage(str(tmp_path / "ours"))
    first = _log(tmp_path / "ours", "one", ours)
    with monkeypatch.context() as dagster:
        dagster.setattr(SqliteEventLogStorage, "_initdb", _refuse)
        second = _log(tmp_path / "ours", "two", ours)
    assert _schema(theirs) == _schema(first) == _schema(second)
    assert _schema(second)[1] != []
    ours.dispose()


def test_a_log_that_was_left_half_made_is_completed(tmp_path: Path) -> None:
    ours = PooledEventLogStorage(str(tmp_path))
    whole = _log(tmp_path, "one", ours)
    broken = tmp_path / "two.db"
    with sqlite3.connect(whole) as connection:
        (table,) = connection.execute(
            "SELECT sql FROM sqlite_master WHERE name = 'event_logs'"
        ).fetchone()
    connection.close()
    with sqlite3.connect(broken) as connection:
        connection.execute(table)
    connection.close()
    found, revision, _ = _schema(_log(tmp_path, "two", ours))
    wanted = _schema(whole)
    # Dagster makes no index of a table that is there already.
    assert {each for each in wanted[0] if each.startswith("CREATE TABLE")} <= set(found)
    assert revision == wanted[1]
    ours.dispose()


def test_processes_that_make_the_same_log_leave_one_schema(tmp_path: Path) -> None:
    ours = PooledEventLogStorage(str(tmp_path))
    whole = _log(tmp_path, "one", ours)
    schema = read_schema(sqlalchemy.create_engine(f"sqlite:///{whole}"))
    assert schema is not None
    failures: list[BaseException] = []
    together = threading.Barrier(4)

    def make() -> None:
        engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'two.db'}")
        try:
            together.wait()
            make_schema(engine, schema)
        except BaseException as error:  # handed to the test below
            failures.append(error)
        finally:
            engine.dispose()

    threads = [threading.Thread(target=make, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert _schema(tmp_path / "two.db") == _schema(whole)
    ours.dispose()


def test_files_that_are_complete_are_opened_without_dagsters_migrations(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    DagsterSqliteStorage.from_local(str(tmp_path)).dispose()
    before = [_schema(file) for file in sorted(tmp_path.rglob("*.db"))]
    assert len(before) == 3
    for kind in (SqliteRunStorage, SqliteScheduleStorage):
        monkeypatch.setattr(kind, "from_local", _refuse)
    monkeypatch.setattr(SqliteEventLogStorage, "_initdb", _refuse)
    opened = PooledSqliteStorage.from_local(str(tmp_path))
    events = opened.event_log_storage
    assert isinstance(events, PooledEventLogStorage)
    with events.index_connection():
        assert opened.run_storage.get_runs_count() == 0
        assert opened.schedule_storage.all_instigator_state() == []
    opened.dispose()
    assert [_schema(file) for file in sorted(tmp_path.rglob("*.db"))] == before


def _refuse(*_arguments: object, **_options: object) -> None:
    pytest.fail("asked Dagster to make or look through a schema")
