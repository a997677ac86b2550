from __future__ import annotations

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.bronze.backends.duckdb_file import open_memory
from ledgerguard_pipeline.errors import BadInputError, BronzeBusy, BronzeError, Transient
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.bronze.backends.holding_process import Holder
from ledgerguard_pipeline_tests.bronze.records import NOON, REALM, load, record
from ledgerguard_pipeline_tests.clocks import FakeClock


class ReleasingClock(FakeClock):
    """At the third pause the other process lets go."""

    def __init__(self, holder: Holder) -> None:
        super().__init__(NOON)
        self._holder = holder

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if len(self.slept) == 3:
            self._holder.release()


@pytest.mark.parametrize("read_only", [False, True], ids=["a writer", "a reader"])
def test_a_writer_waits_for_another_process_and_then_goes_on(
    store: BronzeStore, path: Path, read_only: bool
) -> None:
    store.commit([load(record("1"))])
    with Holder(path, read_only=read_only) as holder:
        clock = ReleasingClock(holder)
        waiting = BronzeStore(path, Environment.SANDBOX, clock=clock)
        [outcome] = waiting.commit([load(record("2"))])
    assert outcome.written == 1
    assert len(clock.slept) == 3
    assert store.counts(REALM) == {"Invoice": 2}


def test_after_the_wait_limit_the_error_names_the_holder_and_nothing_is_lost(
    store: BronzeStore, path: Path
) -> None:
    store.commit([load(record("1"))])
    clock = FakeClock(NOON)
    waiting = BronzeStore(path, Environment.SANDBOX, clock=clock, lock_wait_seconds=5)
    with Holder(path) as holder:
        for use in (
            lambda: waiting.commit([load(record("2"))]),
            lambda: waiting.watermarks(REALM),
            lambda: waiting.frame("Invoice"),
        ):
            clock.slept.clear()
            with pytest.raises(BronzeBusy, match=rf"held by process {holder.pid}; waited 5 s"):
                use()
            assert sum(clock.slept) == pytest.approx(5)
            assert len(set(clock.slept)) > 5, "the pauses are jittered"
    assert issubclass(BronzeBusy, Transient)
    assert store.counts(REALM) == {"Invoice": 1}


def test_readers_of_several_processes_do_not_disturb_each_other(
    store: BronzeStore, path: Path
) -> None:
    store.commit([load(record("1"))])
    with Holder(path, read_only=True):
        assert store.counts(REALM) == {"Invoice": 1}


def _free(path: Path) -> bool:
    """Whether another process gets the file at once."""
    with Holder(path):
        return True


def test_the_file_is_free_after_every_call_and_after_every_error(
    store: BronzeStore, path: Path
) -> None:
    store.commit([load(record("1"))])
    assert _free(path)
    kept: list[BaseException] = []
    for fail in (
        lambda: store.sql("SELECT no_such_column FROM invoice"),
        lambda: store.commit([load(record("2")), _Exploding()]),  # type: ignore[list-item]
    ):
        with pytest.raises((BadInputError, RuntimeError)) as caught:
            fail()
        kept.append(caught.value)  # its traceback keeps every frame alive
        assert _free(path)
    store.frame("Invoice")
    assert _free(path)


class _Exploding:
    quiet = False
    records = ()

    @property
    def realm_id(self) -> str:
        raise RuntimeError("no")


def test_threads_of_one_process_wait_for_each_other(store: BronzeStore, path: Path) -> None:
    store.commit([load(record("0"))])
    together = threading.Barrier(4)

    def work(thread: int) -> int:
        mine = BronzeStore(path, Environment.SANDBOX)
        together.wait()
        for at in range(4):
            mine.commit([load(record(f"{thread}-{at}"))])
            mine.counts(REALM)
        return thread

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(work, range(4))) == [0, 1, 2, 3]
    assert store.counts(REALM) == {"Invoice": 17}


def test_a_thread_that_waits_too_long_says_that_its_own_process_holds_the_file(
    store: BronzeStore, path: Path
) -> None:
    store.commit([load(record("1"))])
    impatient = BronzeStore(path, Environment.SANDBOX, lock_wait_seconds=0.01)

    def connect(file: Path, read_only: bool) -> duckdb.DuckDBPyConnection:
        with pytest.raises(BronzeBusy, match="another thread of this process"):
            impatient.counts(REALM)
        return open_memory(file, read_only)

    patient = BronzeStore(path, Environment.SANDBOX, connect=connect)
    assert patient.counts(REALM) == {"Invoice": 1}


def test_slow_imports_are_done_before_the_file_is_opened(path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from ledgerguard_pipeline.bronze import *\n"
        "from ledgerguard_pipeline.values import Environment; import duckdb\n"
        "def connect(path, read_only):\n"
        "    print('pandas' in sys.modules)\n"
        "    return duckdb.connect(':memory:')\n"
        "print('pandas' in sys.modules)\n"
        "from ledgerguard_pipeline_tests.bronze.records import load\n"
        "BronzeStore(Path(sys.argv[1]), Environment.SANDBOX, connect=connect).commit([load()])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)],
        cwd=Path(__file__).parents[3],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["False", "True"]


def test_a_supplied_connection_to_the_file_itself_works_too(path: Path) -> None:
    def connect(file: Path, read_only: bool) -> duckdb.DuckDBPyConnection:
        return duckdb.connect(str(file), read_only=read_only)

    store = BronzeStore(path, Environment.SANDBOX, connect=connect)
    store.commit([load(record("1"), entity="Purchase")])
    assert store.count("Purchase") == 1
    assert store.count("Expense") == 0
    assert _free(path)


def test_a_forked_child_does_not_inherit_a_lock(store: BronzeStore, path: Path) -> None:
    store.commit([load(record("1"))])

    def connect(file: Path, read_only: bool) -> duckdb.DuckDBPyConnection:
        from ledgerguard_pipeline.bronze.backends.duckdb_file import _mutexes

        child = os.fork()
        if child == 0:
            os._exit(0 if _mutexes.of(path.resolve()).acquire(timeout=1) else 1)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        return open_memory(file, read_only)

    assert BronzeStore(path, Environment.SANDBOX, connect=connect).counts() == {"Invoice": 1}


def test_a_file_that_is_no_database_is_named_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database, certainly" * 200)
    store = BronzeStore(path, Environment.SANDBOX)
    with pytest.raises(BronzeError, match=r"bronze\.duckdb is damaged"):
        store.commit([load(record("1"))])
    assert path.read_bytes() == b"not a database, certainly" * 200


def test_files_are_private(store: BronzeStore, path: Path, tmp_path: Path) -> None:
    store.commit([load(record("1"))])
    store.snapshot(tmp_path / "copy.duckdb")
    for file in (path, tmp_path / "copy.duckdb"):
        assert file.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0
