"""Threads that commit at once share transactions, and never each other's errors."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerguard_pipeline.bronze import BronzeStore, Load, LoadOutcome, first_in_line
from ledgerguard_pipeline.bronze.first_in_line import FirstInLine, Waiting
from ledgerguard_pipeline.bronze.write import group_commit
from ledgerguard_pipeline.bronze.write.group_commit import (
    LARGE_ROWS,
    MOST_ROWS,
    GroupCommit,
    together_or_alone,
)
from ledgerguard_pipeline.errors import BronzeBusy, BronzeError, BronzeUnavailable, WrongEnvironment
from ledgerguard_pipeline_tests.bronze.records import load, record

REALMS = [str(9_341_453_474_484_455 + backend) for backend in range(12)]


class Slow:
    """Writes when it is asked to, and remembers the groups."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self.refuse: dict[str, BaseException] = {}

    def write(self, loads: Sequence[Load]) -> list[LoadOutcome]:
        realms = [str(each.realm_id) for each in loads]
        self.groups.append(realms)
        self.begun.release()
        assert self.go.acquire(timeout=20)
        for realm in realms:
            if realm in self.refuse:
                raise self.refuse[realm]
        return [_outcome(realm) for realm in realms]


def _outcome(realm: str) -> LoadOutcome:
    return LoadOutcome(
        load_id="load", realm_id=realm, entity="Invoice", fetched=1, written=1, deleted=0,
        unchanged=0, stale=0, quarantined=0,
    )  # fmt: skip


def _together(
    slow: Slow, realms: Sequence[str], locks: int, *, loads: int = 1
) -> list[list[str] | BaseException]:
    """The first commits alone while all others line up behind it, each with so many loads."""
    commits = GroupCommit(slow.write)

    def commit(realm: str) -> list[str] | BaseException:
        try:
            done = commits.commit([load(record(str(n)), realm=realm) for n in range(loads)])
        except BaseException as error:
            return error
        return [each.realm_id for each in done]

    with ThreadPoolExecutor(len(realms)) as pool:
        first = pool.submit(commit, realms[0])
        assert slow.begun.acquire(timeout=20)
        others = []
        for backend, realm in enumerate(realms[1:], start=1):
            others.append(pool.submit(commit, realm))
            while len(commits._line._queue) < backend:  # nobody else can tell
                threading.Event().wait(0.001)
        for _ in range(locks):
            slow.go.release()
        return [each.result(timeout=20) for each in (first, *others)]


def test_what_waits_behind_a_commit_goes_in_one_transaction() -> None:
    slow = Slow()
    assert _together(slow, REALMS, 2) == [[realm] for realm in REALMS]
    assert slow.groups == [REALMS[:1], REALMS[1:]]


def test_each_gets_the_outcomes_of_its_own_loads() -> None:
    slow = Slow()
    assert _together(slow, REALMS[:4], 2, loads=3) == [[realm] * 3 for realm in REALMS[:4]]
    assert len(slow.groups) == 2


def test_what_does_not_fit_into_a_transaction_waits_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(group_commit, "MOST_ROWS", 2)
    slow = Slow()
    assert _together(slow, REALMS[:4], 3) == [[realm] for realm in REALMS[:4]]
    assert slow.groups == [REALMS[:1], REALMS[1:3], REALMS[3:4]]


def test_when_the_shared_transaction_fails_each_commits_for_itself() -> None:
    slow = Slow()
    slow.refuse[REALMS[2]] = BronzeError("its rows are the reason")
    found = _together(slow, REALMS[:4], 5)
    assert found[2] is slow.refuse[REALMS[2]]
    assert [found[backend] for backend in (0, 1, 3)] == [[REALMS[0]], [REALMS[1]], [REALMS[3]]]
    assert slow.groups[:2] == [REALMS[:1], REALMS[1:4]]
    assert sorted(slow.groups[2:]) == [[realm] for realm in REALMS[1:4]]


def test_a_file_that_somebody_holds_is_asked_for_once_for_all() -> None:
    slow = Slow()
    slow.refuse[REALMS[3]] = BronzeBusy("held by another process")
    found = _together(slow, REALMS[:4], 2)
    assert found[0] == [REALMS[0]]
    assert all(isinstance(each, BronzeBusy) for each in found[1:])
    assert len(slow.groups) == 2


def test_an_interrupted_leader_takes_nobody_along() -> None:
    slow = Slow()
    slow.refuse[REALMS[1]] = KeyboardInterrupt()
    found = _together(slow, REALMS[:3], 3)
    assert isinstance(found[1], KeyboardInterrupt)
    assert found[0] == [REALMS[0]]
    assert found[2] == [REALMS[2]]


def test_a_transaction_takes_no_more_rows_than_its_bound() -> None:
    groups: list[int] = []

    def write(loads: Sequence[Load]) -> list[LoadOutcome]:
        groups.append(sum(len(each.records) for each in loads))
        return [_outcome(str(each.realm_id)) for each in loads]

    commits = GroupCommit(write)
    commits.commit([load(*[record("1")] * (MOST_ROWS + 1))])
    assert groups == [MOST_ROWS + 1], "one caller's loads are never torn apart"


class Gathered:
    """A group commit, and who wrote with whom."""

    def __init__(self) -> None:
        self.groups: list[list[str]] = []
        self.commits = GroupCommit(self._write)

    def _write(self, loads: Sequence[Load]) -> list[LoadOutcome]:
        realms = [str(each.realm_id) for each in loads]
        self.groups.append(realms)
        return [_outcome(realm) for realm in realms]

    def visit(self, realm: str, rows: int = 1) -> None:
        with self.commits.coming():
            self.commits.commit([load(*[record("1")] * rows, realm=realm)])


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> Gathered:
    """Its commits wait for as long as anybody is coming."""
    monkeypatch.setattr(group_commit, "PATIENCE_SECONDS", 60.0)
    return Gathered()


def test_a_small_commit_waits_for_those_who_said_that_they_are_coming(patient: Gathered) -> None:
    all_here = threading.Barrier(4)

    def visit(realm: str) -> None:
        with patient.commits.coming():
            for _ in range(2):
                all_here.wait(20)
                patient.commits.commit([load(record("1"), realm=realm)])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(visit, REALMS[:4]))
    assert [sorted(group) for group in patient.groups] == [REALMS[:4], REALMS[:4]]


def test_who_goes_without_a_commit_is_waited_for_no_longer(patient: Gathered) -> None:
    with ThreadPoolExecutor(1) as pool:
        with patient.commits.coming():
            other = pool.submit(patient.visit, REALMS[0])
            while not patient.commits._line._queue:  # nobody else can tell
                threading.Event().wait(0.001)
            assert patient.groups == []
        other.result(timeout=20)
    assert patient.groups == [REALMS[:1]]


def test_a_large_commit_waits_for_nobody(patient: Gathered) -> None:
    with ThreadPoolExecutor(1) as pool, patient.commits.coming():
        pool.submit(patient.visit, REALMS[0], LARGE_ROWS).result(timeout=20)
    assert patient.groups == [REALMS[:1]]


def test_who_does_not_come_is_not_waited_for_longer_than_patience(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(group_commit, "PATIENCE_SECONDS", 0.01)
    gathered = Gathered()
    with ThreadPoolExecutor(1) as pool, gathered.commits.coming():
        pool.submit(gathered.visit, REALMS[0]).result(timeout=20)
    assert gathered.groups == [REALMS[:1]]


class Arrivals:
    """Stands for the wait: one more of these comes each time, and nobody once all are there."""

    def __init__(self, line: FirstInLine[Waiting], coming: int) -> None:
        self._line = line
        self._left = coming
        self.waits: list[float] = []

    def wait_for(self, predicate: Callable[[], bool], timeout: float) -> bool:
        self.waits.append(timeout)
        if self._left:
            self._left -= 1
            self._line._queue.append(Waiting())
        return predicate()

    def notify_all(self) -> None:
        """Nobody else waits."""


@pytest.mark.parametrize("come, expected", [(3, 4), (20, 8)])
def test_each_who_comes_is_worth_waiting_for_the_next_but_not_without_end(
    monkeypatch: pytest.MonkeyPatch, come: int, expected: int
) -> None:
    line = FirstInLine[Waiting]()
    arrivals = Arrivals(line, come)
    now = itertools.count()  # a second for each who comes
    monkeypatch.setattr(line, "_changed", arrivals)
    monkeypatch.setattr(first_in_line, "monotonic", lambda: float(next(now)))
    monkeypatch.setattr(line, "_coming", 30)
    assert line.leads(Waiting())
    with line.group(patience=4.0) as group:
        assert len(group) == expected
    assert max(arrivals.waits) == 4.0


@pytest.mark.parametrize("threads", [12])
def test_every_row_of_every_thread_is_in_the_file(store: BronzeStore, threads: int) -> None:
    def commit(backend: int) -> int:
        realm = REALMS[backend]
        return sum(
            store.commit([load(record(str(id)), realm=realm, id=f"{realm}-{id}")])[0].written
            for id in range(5)
        )

    with ThreadPoolExecutor(threads) as pool:
        assert list(pool.map(commit, range(threads))) == [5] * threads
    (row,) = store.sql("SELECT count(*), count(DISTINCT realm_id) FROM invoice").rows
    assert row == (5 * threads, threads)
    (row,) = store.sql("SELECT count(*), count(DISTINCT loaded_at) FROM _loads").rows
    assert row == (5 * threads, 5 * threads)


@given(st.lists(st.booleans(), max_size=8))
def test_what_fails_together_is_committed_alone_and_fails_nobody_else(bad: list[bool]) -> None:
    members = list(enumerate(bad))
    tried: list[list[int]] = []
    failed: list[int] = []

    def commit(group: Sequence[tuple[int, bool]]) -> list[int]:
        tried.append([number for number, _ in group])
        if any(poison for _, poison in group):
            raise BronzeError("These rows do not fit.")
        return tried[-1]

    done = list(together_or_alone(members, commit, lambda each, _: failed.append(each[0])))
    assert failed == [number for number, poison in members if poison]
    assert [number for _, numbers in done for number in numbers] == [
        number for number, poison in members if not poison
    ]
    assert len(tried) == (0 if not bad else 1 if not failed or len(bad) == 1 else 1 + len(bad))


@pytest.mark.parametrize("reason", [BronzeBusy, BronzeUnavailable, WrongEnvironment])
def test_a_store_that_cannot_be_used_is_tried_once_for_all(reason: type[BronzeError]) -> None:
    tried: list[int] = []
    failed: list[str] = []

    def commit(group: Sequence[str]) -> None:
        tried.append(len(group))
        raise reason("Not now.")

    assert not list(together_or_alone("abc", commit, lambda each, _: failed.append(each)))
    assert (tried, failed) == ([3], ["a", "b", "c"])
