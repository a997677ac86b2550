"""Many companies in one process, each by the ordinary sync, none in the way of another.

A run per company costs seconds of CPU before it does anything; here one process goes through its
companies with a pool of threads. Most of a company's time is waiting for Intuit, so the threads
overlap, and their commits share transactions. Every company has a deadline of its own and keeps
its own budgets: one that is slow, throttled or broken is left to the next sweep, or to a run of
its own, and only ever occupies one thread for its share of time.

Decision 33 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from enum import StrEnum
from queue import SimpleQueue

from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock, Stop
from ledgerguard_pipeline.errors import (
    CompanyBusy,
    LedgerGuardError,
    OutOfTime,
    Throttled,
    TokenEndpointThrottled,
    Transient,
    wrap,
)
from ledgerguard_pipeline.ingestion.company_sync.lease import CompanyLeases
from ledgerguard_pipeline.ingestion.results import EntityResult, SyncResult
from ledgerguard_pipeline.values import RealmId

THREADS = 24
"""Companies under way at once in one process; commits of so many share a transaction."""
TOGETHER = 8
"""Visits that are handed over together at most; more would save little and be lost with a process."""


class Ending(StrEnum):
    """How a sweep left a company."""

    IDLE = "idle"
    """Nothing had changed."""
    CHANGED = "changed"
    FAILED = "failed"
    THROTTLED = "throttled"
    """Its call budget or a cool-down left no time; nobody waits for that in a sweep."""
    LATE = "late"
    """Its share of time was used up; committed rows stay."""
    BUSY = "busy"
    """Somebody else works on it."""
    SKIPPED = "skipped"
    """Left out on purpose: the month's call budget is kept for more urgent work."""
    LEFT = "left"
    """The sweep itself ran out of time before this company was reached."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Until when one company may be worked on, in ``clock.monotonic()`` seconds."""

    until: float
    patience: float
    """Seconds it may wait for a call's permit."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Times of a sweep, in seconds."""

    company: float
    """For one company; it is out of the way of the others after that."""
    total: float
    """No company is begun after that."""
    patience: float = 10.0
    lease_wait: float = 0.0
    """How long a company's lease is waited for; with none, somebody else's company is passed."""
    threads: int = THREADS


@dataclass(frozen=True, slots=True)
class Visit:
    """What a sweep did with one company."""

    realm_id: RealmId
    ending: Ending
    seconds: float = 0.0
    result: SyncResult = field(default_factory=SyncResult)
    error: LedgerGuardError | None = None

    @property
    def changed(self) -> tuple[EntityResult, ...]:
        """The entities that brought something, in the order of the request."""
        return tuple(each for each in self.result.results if each.news)


@dataclass(frozen=True, slots=True)
class Worked:
    """A company's sync and what failed of it."""

    result: SyncResult
    errors: Sequence[LedgerGuardError] = ()


Work = Callable[[RealmId, Limits], Worked]
"""Brings one company up to date within its limits; called in a thread of the sweep."""


class Fleet:
    """Goes through companies; one per process and sweep."""

    def __init__(self, leases: CompanyLeases, pace: Pace, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._leases = leases
        self._pace = pace
        self._clock = clock

    def sweep(self, realms: Sequence[RealmId], work: Work) -> Iterator[list[Visit]]:
        """Visit every company once, in this order, and yield those that are done by then.

        Nobody waits for another one: what was done while the last ones were looked at comes together.

        Whatever happens to one is in its visit. Leaving the iteration lets calls under way finish;
        companies that have not ended by then are out of time.
        """
        if not realms:
            return
        began = self._clock.monotonic()
        pool = ThreadPoolExecutor(min(self._pace.threads, len(realms)), thread_name_prefix="sweep")
        done: SimpleQueue[Future[Visit]] = SimpleQueue()
        stop = Stop()
        try:
            with self._leases.kept():
                with stop.under():
                    for realm in realms:
                        # Each thread sees the caller's context: where progress is reported, for one.
                        context = copy_context()
                        visit = pool.submit(context.run, self._visit, realm, work, began)
                        visit.add_done_callback(done.put)
                left = len(realms)
                while left:
                    visits = [done.get().result()]
                    while len(visits) < TOGETHER and not done.empty():  # nobody else takes any
                        visits.append(done.get().result())
                    left -= len(visits)
                    yield visits
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def _visit(self, realm: RealmId, work: Work, began: float) -> Visit:
        started = self._clock.monotonic()
        if started - began >= self._pace.total:
            return Visit(realm, Ending.LEFT)
        limits = Limits(started + self._pace.company, self._pace.patience)
        try:
            with self._leases.of(realm, wait_seconds=self._pace.lease_wait):
                worked = work(realm, limits)
        except Exception as cause:  # noqa: BLE001  # whatever it is stays this company's failure
            error = wrap(
                cause,
                "The sync ended unexpectedly",
                "the next one tries again",
                realm_id=realm,
            )
            seconds = self._clock.monotonic() - started
            ending = _ending([error], over=seconds >= self._pace.company)
            return Visit(realm, ending, seconds, error=error)
        seconds = self._clock.monotonic() - started
        result = worked.result
        if worked.errors:
            ending = _ending(worked.errors, over=seconds >= self._pace.company)
            return Visit(realm, ending, seconds, result, worked.errors[0])
        return Visit(realm, _good_ending(result), seconds, result)


def _good_ending(result: SyncResult) -> Ending:
    if any(each.news for each in result.results):
        return Ending.CHANGED
    left_out = bool(result.results) and all(one.status == "skipped" for one in result.results)
    return Ending.SKIPPED if left_out else Ending.IDLE


_PASSES = (CompanyBusy, OutOfTime, Throttled, TokenEndpointThrottled)
"""What ends a visit without being a failure of the company."""


def _ending(errors: Sequence[LedgerGuardError], *, over: bool) -> Ending:
    """What is worst decides: a real failure must not hide behind a shortage of time.

    A visit that might have succeeded with more time counts as late.
    """
    if over and all(isinstance(each, Transient) for each in errors):
        return Ending.LATE
    if any(not isinstance(each, _PASSES) for each in errors):
        return Ending.FAILED
    if any(isinstance(each, CompanyBusy) for each in errors):
        return Ending.BUSY
    if any(isinstance(each, OutOfTime) for each in errors):
        return Ending.LATE
    return Ending.THROTTLED
