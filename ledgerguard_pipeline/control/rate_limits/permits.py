"""Permits to call: what a limiter promises, and how its callers wait, whatever keeps its counts.

Decision 17 in docs/decisions.md.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import structlog

from ledgerguard_pipeline.clock import Backoff, Clock, wait_for_call
from ledgerguard_pipeline.errors import ControlUnavailable, Throttled
from ledgerguard_pipeline.values import Environment, RealmId

PERMIT_SECONDS = 180.0
"""Longer than any call may last (Intuit ends a call after 120 s); a lost permit ends here."""

COOL_DOWN_LIMIT_SECONDS = 900.0

COOLING = "QuickBooks asked this company to slow down"
MINUTE_BUDGET = "the calls-per-minute budget is used up"
SECOND_BUDGET = "the calls-per-second budget is used up"
BATCH_BUDGET = "the batches-per-minute budget is used up"
_IN_FLIGHT = "all concurrent calls are in flight"

_POLLING = Backoff(first=0.04, longest=0.04)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Budgets:
    """Calls one company may get from all processes together.

    The second is stretched: calls that started within limits may arrive closer together, and a
    429 costs a minute.
    """

    per_minute: int
    per_second: int
    batches_per_minute: int
    concurrent: int
    minute_seconds: float = 60.0
    second_seconds: float = 1.2
    per_month: int = 500_000
    """Metered reads of all companies together."""


@dataclass(frozen=True, slots=True)
class Permit:
    """The right to start one call now; ``waited_seconds`` were spent for the named ``reason``."""

    realm_id: RealmId
    permit_id: str
    waited_seconds: float
    reason: str | None


@dataclass(frozen=True, slots=True)
class Wait:
    """How long nothing can change, and why."""

    seconds: float
    reason: str


def all_in_flight() -> Wait:
    """Nobody knows when a call ends: look again soon, not all at once."""
    return Wait(_POLLING.pause(), _IN_FLIGHT)


class WaitingLimiter(ABC):
    """The waiting side of a limiter; a store says when a call may start."""

    def __init__(self, environment: Environment, budgets: Budgets, clock: Clock) -> None:
        self._environment = environment
        self.budgets = budgets
        self.clock = clock

    @contextmanager
    def permit(
        self, realm: RealmId, *, batch: bool = False, deadline: float | None = None
    ) -> Iterator[Permit]:
        """Wait until one call of the company may start, and count it as in flight meanwhile.

        ``deadline`` is in ``clock.monotonic()`` seconds. A holder that dies leaks nothing: its
        permits end with it where others can see that, and after ``PERMIT_SECONDS`` anyway.

        Raises:
            Throttled: the wait would end after ``deadline``; no call was counted.
            OutOfTime: the work of this thread was stopped.
            ControlUnavailable: the store cannot be used, so nothing may be called.
        """
        scope = self._scope(realm)
        clock = self.clock
        began = clock.monotonic()
        reason: str | None = None
        while isinstance(found := self._take(scope, batch=batch), Wait):
            reason = reason or found.reason
            pause = found.seconds
            if deadline is not None and clock.monotonic() + pause > deadline:
                raise Throttled(
                    f"No call could start in time: {found.reason} for another {pause:.1f} s. "
                    "Nothing was lost; the next sync resumes here.",
                    retry_after=pause,
                    realm_id=realm,
                )
            wait_for_call(clock, pause)
        try:
            yield Permit(realm, found, clock.monotonic() - began if reason else 0.0, reason)
        finally:
            try:
                self._give_back(scope, found)
            except ControlUnavailable as error:
                # The call was made: its answer must not be lost with a permit that ends anyway.
                _log.warning("permit_not_released", realm_id=realm, reason=error.message)

    @abstractmethod
    def _take(self, scope: str, *, batch: bool) -> str | Wait:
        """Take a permit and return its id, or say how long nothing can change."""

    @abstractmethod
    def _give_back(self, scope: str, permit_id: str) -> None:
        """The call is over."""

    def _scope(self, realm: RealmId) -> str:
        return f"{self._environment.value}:{realm}"
