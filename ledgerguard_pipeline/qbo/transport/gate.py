"""The seams to the control plane: who may call now, and where calls are counted.

A company's budget is shared by every process of an installation; the shared limiter and ledger
of the control plane fit these protocols. ``LocalGate`` serves a client used on its own.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from ledgerguard_pipeline.clock import Clock, wait_for_call
from ledgerguard_pipeline.errors import OutOfTime, Throttled
from ledgerguard_pipeline.values import RealmId

STRETCHED_SECOND = 1.2
"""Seconds for one second's calls: those that start within limits may arrive closer together."""


class CallGate(Protocol):
    """Lets calls of a company through within its budgets."""

    def permit(
        self, realm: RealmId, *, batch: bool = False, deadline: float | None = None
    ) -> AbstractContextManager[object]:
        """Wait for a permit and hold it for one call.

        Raises:
            Throttled: ``deadline`` (``clock.monotonic()`` seconds) would pass first.
        """
        ...

    def cool_down(self, realm: RealmId, seconds: float) -> None:
        """Let no call of the company start for so long; never shortens a longer pause."""
        ...


class CallRecorder(Protocol):
    """Counts calls; Intuit meters reads."""

    def record(
        self, realm: RealmId, *, entity: str, purpose: str, status: int, metered: int = 1
    ) -> object:
        """Note one attempt; ``metered`` is what Intuit charges for it."""
        ...


class BoundedGate:
    """A gate that closes at an instant, so that one company takes no more than its share of time.

    ``until`` is in ``clock.monotonic()`` seconds; a permit is waited for ``patience`` seconds at
    most. Calls under way when it closes end by themselves.
    """

    def __init__(self, gate: CallGate, clock: Clock, *, until: float, patience: float) -> None:
        self._gate = gate
        self._clock = clock
        self._until = until
        self._patience = patience

    def permit(
        self, realm: RealmId, *, batch: bool = False, deadline: float | None = None
    ) -> AbstractContextManager[object]:
        """As the gate behind it, within the bounds.

        Raises:
            OutOfTime: the gate has closed.
            Throttled: no permit comes in time.
        """
        now = self._clock.monotonic()
        if now >= self._until:
            raise OutOfTime(
                "The company's share of this sweep is used up. What was committed stays; the "
                "next sweep resumes there.",
                realm_id=realm,
            )
        limit = min(self._until, now + self._patience)
        return self._gate.permit(
            realm, batch=batch, deadline=limit if deadline is None else min(limit, deadline)
        )

    def cool_down(self, realm: RealmId, seconds: float) -> None:
        """Rest the company, for everybody."""
        self._gate.cool_down(realm, seconds)


class NoRecorder:
    """Counts nothing; the client's own ``stats`` go on."""

    def record(
        self, realm: RealmId, *, entity: str, purpose: str, status: int, metered: int = 1
    ) -> None:
        """Forget it."""


class LocalGate:
    """Sliding windows, concurrency and cool-down in one process.

    A client speaks for one company, so one set of windows serves it, whatever the realm.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        per_minute: int = 480,
        per_second: int = 9,
        batches_per_minute: int = 38,
        concurrent: int = 8,
    ) -> None:
        self._clock = clock
        self._calls = ((per_minute, 60.0), (per_second, STRETCHED_SECOND))
        self._batches = ((batches_per_minute, 60.0),)
        self._lock = threading.Lock()
        self._started: deque[float] = deque(maxlen=per_minute)
        self._batched: deque[float] = deque(maxlen=batches_per_minute)
        self._cool_until = 0.0
        self._slots = threading.BoundedSemaphore(concurrent)

    @contextmanager
    def permit(
        self, realm: RealmId, *, batch: bool = False, deadline: float | None = None
    ) -> Iterator[None]:
        del realm
        with self._slots:
            while (wait := self._take(batch=batch)) > 0:
                if deadline is not None and self._clock.monotonic() + wait > deadline:
                    raise Throttled(
                        f"The call budget is used up for another {wait:.0f} seconds. Try "
                        "again later.",
                        retry_after=wait,
                    )
                wait_for_call(self._clock, wait)
            yield

    def cool_down(self, realm: RealmId, seconds: float) -> None:
        del realm
        with self._lock:
            self._cool_until = max(self._cool_until, self._clock.monotonic() + seconds)

    def _take(self, *, batch: bool) -> float:
        """Take a place now and return 0, or return the seconds until one may be free."""
        with self._lock:
            now = self._clock.monotonic()
            wait = self._cool_until - now
            for limit, window in self._calls:
                wait = max(wait, _until_free(self._started, limit, window, now))
            if batch:
                for limit, window in self._batches:
                    wait = max(wait, _until_free(self._batched, limit, window, now))
            if wait <= 0:
                self._started.append(now)
                if batch:
                    self._batched.append(now)
            return wait


def _until_free(starts: deque[float], limit: int, window: float, now: float) -> float:
    return starts[-limit] + window - now if len(starts) >= limit else 0.0
