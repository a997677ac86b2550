"""What Bronze holds of companies that ask at the same time is read once, and right for each."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from ledgerguard_pipeline.bronze import BronzeStore, WalkStep
from ledgerguard_pipeline.bronze.read.company_counts import CompanyCounts, Held
from ledgerguard_pipeline.errors import BronzeBusy
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.bronze.records import NOON, load, record, reject, tombstone

REALMS = [str(9_341_453_474_484_455 + number) for number in range(4)]


@pytest.fixture
def store(tmp_path: Path) -> BronzeStore:
    found = BronzeStore(tmp_path / "bronze.duckdb", Environment.SANDBOX)
    step = WalkStep(
        walk_id="walk", started_at=NOON, cursor=None, rows=1, done=False, track_seen=False
    )
    for number, realm in enumerate(REALMS[:3]):
        records = [record(str(id)) for id in range(number + 1)]
        found.commit([load(*records, realm=realm, rejects=[reject("9")] * (number == 1))])
        found.commit([load(tombstone("0", updated=5, read=200), realm=realm)])
    found.commit([load(record("1"), entity="Customer", realm=REALMS[2], walk=step)])
    return found


class Slow:
    """Reads when it is asked to; the first who asks finds the others behind it."""

    def __init__(self, store: BronzeStore) -> None:
        self.reads = 0
        self.error: Exception | None = None
        self._store = store
        self._begun, self._go = threading.Event(), threading.Event()
        self.counts = CompanyCounts(self.reading, lambda: None)

    @contextmanager
    def reading(self) -> Iterator[tuple[duckdb.DuckDBPyConnection | None, set[str]]]:
        self.reads += 1
        self._begun.set()
        assert self._go.wait(timeout=20)
        if self.error is not None and self.reads > 1:
            raise self.error
        with self._store.workspace.read() as view:
            assert view is not None
            yield view.connection, view.present

    def ask(self) -> list[Future[Held]]:
        with ThreadPoolExecutor(len(REALMS)) as pool:
            done = [pool.submit(self.counts.of, REALMS[0])]
            assert self._begun.wait(timeout=20)
            for number, realm in enumerate(REALMS[1:], start=1):
                done.append(pool.submit(self.counts.of, realm))
                while len(self.counts._line._queue) < number:  # nobody else can tell
                    threading.Event().wait(0.001)
            self._go.set()
        return done


def test_those_behind_the_first_share_a_read_and_each_gets_its_own(store: BronzeStore) -> None:
    slow = Slow(store)
    held = [each.result() for each in slow.ask()]
    assert slow.reads == 2
    assert [each.live for each in held] == [
        {},
        {"Invoice": 1},
        {"Invoice": 2, "Customer": 1},
        {},
    ]
    assert [each.quarantined for each in held] == [{}, {"Invoice": 1}, {}, {}]
    assert [list(each.walks) for each in held] == [[], [], ["Customer"], []]


def test_a_read_that_fails_fails_for_all_of_them_and_the_next_one_is_made(
    store: BronzeStore,
) -> None:
    slow = Slow(store)
    slow.error = BronzeBusy("held by another process")
    done = slow.ask()
    assert done[0].result().live == {}
    assert all(each.exception() is slow.error for each in done[1:])
    slow.error = None
    assert slow.counts.of(REALMS[1]).live == {"Invoice": 1}


def test_it_counts_as_a_question_for_one_company_does(store: BronzeStore) -> None:
    for realm in REALMS:
        living = store.company_counts.of(realm).live
        assert living == {name: count for name, count in store.counts(realm).items() if count}
