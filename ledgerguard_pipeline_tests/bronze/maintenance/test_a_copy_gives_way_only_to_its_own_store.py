"""A copy is put in the place of an older copy of the same store, and of nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.bronze.maintenance.copy_target import check_target
from ledgerguard_pipeline.errors import BadInputError, BronzeBusy
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.bronze.records import load, record
from ledgerguard_pipeline_tests.lakes import lake_address


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "books.duckdb"


@pytest.fixture
def loaded(store: BronzeStore) -> BronzeStore:
    store.commit([load(record("1"))])
    return store


def of(folder: Path, environment: Environment = Environment.SANDBOX) -> BronzeStore:
    """Another store with one invoice."""
    store = BronzeStore(folder / "quickbooks.duckdb", environment)
    store.commit([load(record("2"))])
    return store


def run(database: Path, *statements: str) -> None:
    with duckdb.connect(str(database)) as connection:
        for statement in statements:
            connection.execute(statement)


def refused(store: BronzeStore, target: Path, reason: str) -> None:
    """Neither a byte of it nor of its log is another one afterwards."""
    names = sorted(each.name for each in target.parent.iterdir())
    before = target.read_bytes()
    with pytest.raises(BadInputError, match=reason):
        check_target(store.workspace, target)
    with pytest.raises(BadInputError, match=reason):
        store.snapshot(target)
    assert target.read_bytes() == before
    assert sorted(each.name for each in target.parent.iterdir()) == names


def test_a_database_of_somebody_else_stays(loaded: BronzeStore, target: Path) -> None:
    run(target, "CREATE TABLE my_models AS SELECT 42 AS answer")
    refused(loaded, target, "no copy of Bronze")


def test_a_database_whose_tables_are_only_in_its_log_stays(
    loaded: BronzeStore, target: Path
) -> None:
    statements = "CREATE TABLE my_models AS SELECT 42 AS answer"
    program = (
        "import duckdb, os, sys\n"
        f"c = duckdb.connect({str(target)!r}, config={{'checkpoint_threshold': '1GB'}})\n"
        f"c.execute({statements!r})\nos._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert target.with_name("books.duckdb.wal").exists()
    refused(loaded, target, "no copy of Bronze")


def test_a_schema_bronze_of_somebody_else_stays(loaded: BronzeStore, target: Path) -> None:
    run(target, "CREATE SCHEMA bronze", "CREATE TABLE bronze._meta AS SELECT 42 AS answer")
    refused(loaded, target, "no copy of Bronze")


@pytest.mark.parametrize("environment", list(Environment))
def test_a_copy_of_another_store_stays(
    loaded: BronzeStore, target: Path, tmp_path: Path, environment: Environment
) -> None:
    of(tmp_path / "other", environment).snapshot(target)
    refused(loaded, target, f"another Bronze store \\({environment}, begun 20")


@pytest.mark.parametrize(
    "made",
    [
        "CREATE TABLE my_models AS SELECT 42 AS answer",
        "CREATE SCHEMA mine; CREATE VIEW mine.answers AS SELECT 42 AS answer",
        "CREATE MACRO answers() AS TABLE SELECT 42 AS answer",
    ],
)
def test_a_copy_to_which_somebody_added_stays(loaded: BronzeStore, target: Path, made: str) -> None:
    loaded.snapshot(target)
    run(target, *made.split("; "))
    refused(loaded, target, "would not bring back \\((main.my_models|m.*answers)\\)")


def test_an_older_copy_of_the_same_store_gives_way(loaded: BronzeStore, target: Path) -> None:
    """Copies of every release have the moment at which the store was begun."""
    loaded.snapshot(target)
    run(target, "DELETE FROM bronze._meta WHERE key = 'first_layout'")
    check_target(loaded.workspace, target)
    loaded.commit([load(record("3"), id="load-2")])
    loaded.snapshot(target)
    assert BronzeStore(target, Environment.SANDBOX).counts() == {"Invoice": 2}


def test_tables_that_stand_in_the_bronze_file_itself_come_back(
    path: Path, target: Path, store: BronzeStore
) -> None:
    store.commit([load(record("1"))])
    run(path, "CREATE TABLE my_models AS SELECT 42 AS answer")
    store.snapshot(target)
    store.snapshot(target)
    with duckdb.connect(str(target), read_only=True) as copy:
        assert copy.execute("SELECT answer FROM my_models").fetchall() == [(42,)]


def test_a_copy_of_the_file_gives_way_when_bronze_was_moved_into_a_lake(
    lake_url: str, target: Path, tmp_path: Path
) -> None:
    file = of(tmp_path / "home")
    file.snapshot(target)
    lake = BronzeStore(lake_address(lake_url), Environment.SANDBOX)
    lake.import_file(tmp_path / "home" / "quickbooks.duckdb")
    lake.commit([load(record("3"), id="load-2")])
    lake.snapshot(target)
    assert BronzeStore(target, Environment.SANDBOX).counts() == {"Invoice": 2}


def test_a_home_replaces_its_own_copy_after_its_store_was_begun_anew(
    loaded: BronzeStore, target: Path, tmp_path: Path
) -> None:
    of(tmp_path / "before").snapshot(target)
    loaded.snapshot(target, of_any_store=True)
    loaded.snapshot(target)
    run(target, "CREATE TABLE my_models AS SELECT 42 AS answer")
    with pytest.raises(BadInputError, match="my_models"):
        loaded.snapshot(target, of_any_store=True)


def test_an_unreadable_database_stays(loaded: BronzeStore, target: Path) -> None:
    loaded.snapshot(target)
    target.write_bytes(target.read_bytes()[:20_000])
    refused(loaded, target, "cannot be read as a copy of Bronze")


def test_a_copy_that_somebody_is_writing_to_stays(loaded: BronzeStore, target: Path) -> None:
    loaded.snapshot(target)
    program = (
        f"import duckdb\nc = duckdb.connect({str(target)!r})\nprint('open', flush=True)\ninput()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(BronzeBusy, match=f"process {holder.pid}"):
            loaded.snapshot(target)
        holder.communicate(b"\n", timeout=60)
    loaded.snapshot(target)
