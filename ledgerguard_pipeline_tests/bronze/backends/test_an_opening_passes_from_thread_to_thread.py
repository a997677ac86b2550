"""Threads that wait for the file get it open from the one before; nobody else waits longer for that."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.bronze.backends.duckdb_file import BronzeFile
from ledgerguard_pipeline.bronze.backends.relay import GAP, LONGEST
from ledgerguard_pipeline.errors import BronzeBusy, BronzeError
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.bronze.openings import noting
from ledgerguard_pipeline_tests.bronze.records import NOON, OTHER_REALM, REALM, load, record
from ledgerguard_pipeline_tests.clocks import FakeClock


class Queue:
    """A store whose file one thread uses while others line up behind it."""

    def __init__(self, path: Path) -> None:
        self.clock = FakeClock(NOON)
        self.openings: list[bool] = []
        self.store = BronzeStore(
            path, Environment.SANDBOX, clock=self.clock, connect=noting(self.openings)
        )
        self.store.commit([load(record("1"))])
        self.openings.clear()

    def behind(
        self, first: Callable[[OpenStore], object], *others: Callable[[], object]
    ) -> list[Future[object]]:
        """All of them, the first done with the file when all others wait for it."""
        begun, go = threading.Event(), threading.Event()

        def use(session: OpenStore) -> object:
            begun.set()
            assert go.wait(timeout=20)
            return first(session)

        with ThreadPoolExecutor(len(others) + 1) as pool:
            done: list[Future[object]] = [pool.submit(self.store.workspace.write, REALM, use)]
            assert begun.wait(timeout=20)
            for number, other in enumerate(others, start=1):
                done.append(pool.submit(other))
                self._wait_for(number)
            go.set()
        return done

    def _wait_for(self, number: int) -> None:
        backend = self.store._backend
        assert isinstance(backend, BronzeFile)
        while backend._relay._waiting < number:  # nobody else can tell
            threading.Event().wait(0.001)

    def counts(self) -> object:
        return self.store.counts(REALM)


@pytest.fixture
def queue(path: Path) -> Queue:
    return Queue(path)


def nothing(_: OpenStore) -> bool:
    return True


def fail(session: OpenStore) -> bool:
    session.connection.execute("SELECT * FROM no_such_table")
    return True


def test_who_waits_gets_the_file_open_and_the_last_one_closes_it(queue: Queue, path: Path) -> None:
    def commit() -> object:
        return queue.store.commit([load(record("2"))])[0].written

    done = queue.behind(nothing, commit, queue.counts)
    assert done[1].result() == 1
    assert queue.openings == [False]
    assert not path.with_name(f"{path.name}.wal").exists()
    other = BronzeStore(path, Environment.SANDBOX, lock_wait_seconds=0.01)
    assert other.counts(REALM) == {"Invoice": 2}


def test_a_reader_of_other_peoples_statements_gets_an_opening_that_cannot_write(
    queue: Queue,
) -> None:
    def ask() -> object:
        return queue.store.sql("SELECT current_setting('enable_external_access')").rows

    done = queue.behind(nothing, ask)
    assert done[1].result() == [(False,)]
    assert queue.openings == [False, True]


def test_readers_do_not_pass_their_opening_to_a_writer(queue: Queue) -> None:
    def commit() -> object:
        return queue.store.commit([load(record("2"))])[0].written

    def ask() -> object:
        return queue.store.sql("SELECT count(*) FROM invoice").rows

    done = queue.behind(nothing, ask, commit)
    assert done[2].result() == 1
    # Whoever of the two came first: the reader's opening is his alone.
    assert queue.openings in ([False, True, False], [False, True])


def test_a_use_that_fails_passes_nothing_on(queue: Queue) -> None:
    done = queue.behind(fail, queue.counts)
    assert isinstance(done[0].exception(), BronzeError)
    assert done[1].result() == {"Invoice": 1}
    assert queue.openings == [False, True]


def test_after_a_while_others_get_at_the_file_between_two_uses(queue: Queue) -> None:
    def last_long(_: OpenStore) -> bool:
        queue.clock.advance(LONGEST + 1)
        return True

    began = queue.clock.monotonic()
    queue.behind(last_long, queue.counts)
    assert queue.openings == [False, True]
    assert queue.clock.monotonic() - began == pytest.approx(LONGEST + 1 + GAP)


def test_who_waits_in_vain_gets_an_error(path: Path) -> None:
    queue = Queue(path)
    queue.store = BronzeStore(path, Environment.SANDBOX, lock_wait_seconds=0.05)
    waited = threading.Event()

    def hold(_: OpenStore) -> bool:
        return waited.wait(timeout=20)

    def look() -> object:
        try:
            return queue.counts()
        finally:
            waited.set()

    done = queue.behind(hold, look)
    assert isinstance(done[1].exception(), BronzeBusy)


def test_what_was_left_open_for_one_who_gives_up_is_closed(
    queue: Queue, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = queue.store._backend
    assert isinstance(backend, BronzeFile)
    relay = backend._relay

    class Impatient:
        """A lock whose next waiting thread gives up at the moment it is let go."""

        def __init__(self, lock: threading.Lock) -> None:
            self.lock = lock
            self.free = threading.Event()

        def acquire(self, *, blocking: bool = True, timeout: float = -1) -> bool:  # noqa: ARG002  # a lock
            if not blocking or not self.lock.locked():
                return self.lock.acquire(blocking=blocking)
            assert self.free.wait(timeout=20)
            return False

        def release(self) -> None:
            self.lock.release()
            self.free.set()

    monkeypatch.setattr(relay, "_one_user", Impatient(relay._one_user))
    done = queue.behind(nothing, queue.counts)
    assert isinstance(done[1].exception(), BronzeBusy)
    other = BronzeStore(path, Environment.SANDBOX, lock_wait_seconds=0.01)
    assert other.commit([load(record("2"))])[0].written == 1


def test_a_copy_is_whole_although_others_go_on_with_the_file(
    queue: Queue, path: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.duckdb"

    def commit() -> object:
        return queue.store.commit([load(record("2"), realm=OTHER_REALM)])[0].written

    done = queue.behind(nothing, lambda: queue.store.snapshot(copy), commit)
    assert done[2].result() == 1
    assert BronzeStore(copy, Environment.SANDBOX).counts() in ({"Invoice": 1}, {"Invoice": 2})
    assert BronzeStore(path, Environment.SANDBOX).counts() == {"Invoice": 2}
    assert queue.openings == [False]


def test_the_stamp_differs_after_a_commit_that_is_not_yet_in_the_file(queue: Queue) -> None:
    stamps = [queue.store.stamp()]

    def commit() -> object:
        written = queue.store.commit([load(record("2"))])[0].written
        stamps.append(queue.store.stamp())
        return written

    queue.behind(nothing, commit, queue.counts)
    assert stamps[1] != stamps[0]
