"""A checkpoint of a large file takes a second: its log stays until there is enough of it."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ledgerguard_pipeline.bronze import BronzeStore, statements
from ledgerguard_pipeline.bronze.backends import duckdb_file, kept_instance
from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.bronze.backends.damage import wal_of
from ledgerguard_pipeline.errors import BronzeUnusable
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.bronze.records import REALM, load, record

_GROUPS = "SELECT count(DISTINCT row_group_id) FROM pragma_storage_info('{}.bronze.invoice')"


@pytest.fixture(autouse=True)
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file counts as a large one."""
    monkeypatch.setattr(duckdb_file, "_SMALL_BYTES", 1)


@pytest.fixture
def store(path: Path) -> BronzeStore:
    store = BronzeStore(path, Environment.SANDBOX)
    store.commit([load(record("1"))])
    store.commit([load(record("2"))])
    return store


def _asked(store: BronzeStore, question: str) -> object:
    def ask(session: OpenStore) -> object:
        found = session.connection.execute(question.format(session.catalog)).fetchone()
        return None if found is None else found[0]

    return store.workspace.write(REALM, ask)


def test_what_is_only_in_the_log_is_read_by_everybody(store: BronzeStore, path: Path) -> None:
    assert wal_of(path).exists()
    assert store.counts(REALM) == {"Invoice": 2}
    program = (
        "import duckdb, sys; print(duckdb.connect(sys.argv[1], read_only=True)"
        ".execute('SELECT count(*) FROM bronze.bronze.invoice').fetchone())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "(2,)"
    assert wal_of(path).exists()


def test_the_log_is_for_its_owner_only(store: BronzeStore, path: Path) -> None:
    assert store.counts(REALM)
    assert stat.S_IMODE(wal_of(path).stat().st_mode) == 0o600


def test_a_long_log_is_written_into_the_file(
    store: BronzeStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_instance, "_LOG_BYTES", 1)
    store.commit([load(record("3"))])
    assert not wal_of(path).exists()
    assert store.counts(REALM) == {"Invoice": 3}


def test_a_commit_that_only_the_log_shows_changes_the_stamp(store: BronzeStore) -> None:
    before = store.stamp()
    store.commit([load(record("3"))])
    assert store.stamp() != before


def test_a_snapshot_has_what_is_only_in_the_log(store: BronzeStore, tmp_path: Path) -> None:
    copy = store.snapshot(tmp_path / "copy.duckdb")
    assert not wal_of(copy).exists()
    assert BronzeStore(copy, Environment.SANDBOX).counts(REALM) == {"Invoice": 2}


def test_a_commit_moves_no_row_groups_and_maintenance_merges_them(
    store: BronzeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as each:
        each.setattr(kept_instance, "_LOG_BYTES", 1)
        for number in range(3, 7):
            store.commit([load(record(str(number)))])
    scattered = _asked(store, _GROUPS)
    assert isinstance(scattered, int)
    assert scattered > 3
    store.commit([load(record("7"))])
    assert store.maintain().checkpointed
    assert _asked(store, _GROUPS) == 1
    assert _asked(store, "SELECT current_setting('max_vacuum_tasks')") == 0
    assert store.counts(REALM) == {"Invoice": 7}


def test_a_file_below_the_limit_is_whole_after_every_commit(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duckdb_file, "_SMALL_BYTES", 1 << 30)
    store = BronzeStore(path, Environment.SANDBOX)
    store.commit([load(record("1"))])
    assert not wal_of(path).exists()
    assert _asked(store, "SELECT current_setting('max_vacuum_tasks')") == 100


def test_a_log_left_behind_is_not_replayed_into_an_older_copy_of_its_file(
    store: BronzeStore, path: Path, tmp_path: Path
) -> None:
    older = store.snapshot(tmp_path / "older.duckdb")
    store.commit([load(record("3"))])
    store.maintain()
    store.commit([load(record("4"))])
    shutil.copy(older, path)
    for use in (
        lambda: BronzeStore(path, Environment.SANDBOX).counts(REALM),
        lambda: store.commit([load(record("5"))]),
    ):
        with pytest.raises(BronzeUnusable, match="belongs to another copy") as refused:
            use()
        assert f"mv {wal_of(path)} {wal_of(path)}.damaged" in str(refused.value)
    wal_of(path).rename(tmp_path / "aside")
    assert store.counts(REALM) == {"Invoice": 2}


def test_a_log_that_does_not_name_its_file_is_not_kept(
    store: BronzeStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duckdb_file, "_STORAGE_VERSION", "v1.2.0")
    older = path.with_name("older")
    with monkeypatch.context() as small:
        small.setattr(duckdb_file, "_SMALL_BYTES", 1 << 30)
        other = BronzeStore(older, Environment.SANDBOX)
        other.commit([load(record("1"))])
    other.commit([load(record("2"))])
    assert not wal_of(older).exists()
    assert other.counts(REALM) == {"Invoice": 2}


def test_a_file_that_was_large_once_is_written_again(
    store: BronzeStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duckdb_file, "_SMALL_BYTES", 1 << 30)
    store.commit([load(record("3"))])
    assert not wal_of(path).exists()
    assert store.counts(REALM) == {"Invoice": 3}


@pytest.mark.parametrize("interrupted", ["the checkpoint", "the rights of the log"])
def test_what_ends_a_use_early_does_not_leave_the_file_attached(
    store: BronzeStore, path: Path, monkeypatch: pytest.MonkeyPatch, interrupted: str
) -> None:
    def interrupt(*_: object) -> object:
        raise KeyboardInterrupt

    with monkeypatch.context() as once:
        if interrupted == "the checkpoint":
            once.setattr(kept_instance, "_LOG_BYTES", 1)
            once.setattr(statements, "checkpoint", interrupt)
        else:
            once.setattr(Path, "chmod", interrupt)
        with pytest.raises(KeyboardInterrupt):
            store.commit([load(record("3"))])
    done = subprocess.run(
        [sys.executable, "-c", f"import duckdb; duckdb.connect({str(path)!r}).close()"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert store.counts(REALM) == {"Invoice": 3}
