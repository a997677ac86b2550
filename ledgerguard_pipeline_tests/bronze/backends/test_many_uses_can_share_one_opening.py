"""A piece of work that reads often opens the file once, and never while it waits for others."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.bronze.backends.shared_opening import LONGEST
from ledgerguard_pipeline.errors import BronzeBusy, BronzeError
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.bronze.openings import noting
from ledgerguard_pipeline_tests.bronze.records import NOON, REALM, load, record
from ledgerguard_pipeline_tests.clocks import FakeClock


class Counted:
    """A store with one invoice, and how it was opened."""

    def __init__(self, path: Path) -> None:
        self.clock = FakeClock(NOON)
        self.openings: list[bool] = []
        connect = noting(self.openings)
        self.store = BronzeStore(path, Environment.SANDBOX, clock=self.clock, connect=connect)
        self.store.commit([load(record("1"))])
        self.openings.clear()
        self.other = BronzeStore(path, Environment.SANDBOX, lock_wait_seconds=0.01)

    def note(self, text: str) -> None:
        """Write something beside Bronze."""

        def work(session: OpenStore) -> bool:
            session.connection.execute("CREATE TABLE IF NOT EXISTS note (said VARCHAR)")
            session.connection.execute("INSERT INTO note VALUES (?)", [text])
            return True

        self.store.workspace.write(REALM, work)

    def read(self, statement: str) -> list[tuple[object, ...]]:
        with self.store.workspace.read() as view:
            assert view is not None
            return view.connection.execute(statement).fetchall()

    def elsewhere(self) -> dict[str, int] | BronzeBusy:
        """What another thread finds."""
        found: list[dict[str, int] | BronzeBusy] = []

        def look() -> None:
            try:
                found.append(self.other.counts(REALM))
            except BronzeBusy as error:
                found.append(error)

        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        return found[0]


@pytest.fixture
def counted(path: Path) -> Counted:
    return Counted(path)


def test_reads_and_writes_of_a_block_share_one_opening_and_see_each_other(counted: Counted) -> None:
    store = counted.store
    with store.workspace.shared(), store.workspace.shared():
        assert store.counts(REALM) == {"Invoice": 1}
        counted.note("first")
        with store.workspace.read() as view:
            assert view is not None
            assert store.last_loads(REALM).keys() == {"Invoice"}
            assert view.connection.execute("SELECT said FROM note").fetchall() == [("first",)]
    assert counted.openings == [False]
    assert counted.elsewhere() == {"Invoice": 1}
    assert store.counts(REALM) == {"Invoice": 1}
    assert counted.openings == [False, True]


def test_reads_of_a_block_share_one_opening_beside_other_readers(counted: Counted) -> None:
    store = counted.store
    with store.workspace.shared(read_only=True):
        assert store.counts(REALM) == {"Invoice": 1}
        assert store.last_loads(REALM).keys() == {"Invoice"}
        assert counted.openings == [True]
        store.commit([load(record("2"))])  # a write opens the file for itself
        assert store.counts(REALM) == {"Invoice": 2}
    assert counted.openings == [True, False, True]


def test_others_get_the_file_where_the_block_lets_go_of_it(counted: Counted) -> None:
    store = counted.store
    with store.workspace.shared():
        assert store.counts(REALM) == {"Invoice": 1}
        assert isinstance(counted.elsewhere(), BronzeBusy)
        store.workspace.let_go()
        assert counted.elsewhere() == {"Invoice": 1}
        with store.workspace.read():
            store.workspace.let_go()  # what is being used stays open
            assert isinstance(counted.elsewhere(), BronzeBusy)
    assert counted.openings == [False, False]


def test_an_opening_that_lasts_is_let_go_between_two_uses(counted: Counted) -> None:
    with counted.store.workspace.shared():
        with counted.store.workspace.read():
            counted.clock.advance(LONGEST + 1)
            assert counted.store.counts(REALM) == {"Invoice": 1}
            assert isinstance(counted.elsewhere(), BronzeBusy)
        assert counted.elsewhere() == {"Invoice": 1}


def test_a_failure_inside_the_block_is_bronzes_own_and_the_next_use_opens_anew(
    counted: Counted,
) -> None:
    store = counted.store
    with store.workspace.shared():
        with pytest.raises(BronzeError, match="failed reading"):
            counted.read("SELECT * FROM no_such_table")
        assert counted.elsewhere() == {"Invoice": 1}
        assert store.counts(REALM) == {"Invoice": 1}
    assert counted.openings == [False, False]


def test_a_load_inside_the_block_does_not_wait_for_itself(counted: Counted) -> None:
    store = counted.store
    with store.workspace.shared():
        assert store.counts(REALM) == {"Invoice": 1}
        threads = [
            threading.Thread(target=store.commit, args=([load(record(str(number)))],))
            for number in range(2, 6)
        ]
        for thread in threads:
            thread.start()
        store.commit([load(record("9"))])
        for thread in threads:
            thread.join()
        assert store.counts(REALM) == {"Invoice": 6}
