"""The one retry layer: what is repeated, after which wait, and when to give up.

Only ``Transient`` errors are repeated. tenacity (the engine under stamina) runs the loop,
because it lets the wait go through the injected clock. Waits grow with full jitter, never fall
below ``Retry-After``, and no wait starts that would pass the total deadline. A 429 needs no wait
of its own: the whole company cools down and the next attempt waits at the gate. One of the token
endpoint is waited for once.

Decision 18 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeVar

import tenacity

from ledgerguard_pipeline.clock import Backoff, Clock, wait_for_call
from ledgerguard_pipeline.errors import (
    OutOfTime,
    ServiceUnavailable,
    Throttled,
    TokenEndpointThrottled,
    Transient,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Limits of one call, attempts and waits together; times in seconds."""

    attempts: int = 5
    total_seconds: float = 600.0
    first_wait: float = 0.5
    longest_wait: float = 30.0
    cool_downs: int = 4
    cool_down_seconds: float = 60.0
    longest_cool_down: float = 900.0

    def cool_down_for(self, retry_after: float | None) -> float:
        """How long a 429 rests a company: what Intuit says, else a minute (its own advice)."""
        if retry_after is None:
            return self.cool_down_seconds
        return min(max(retry_after, 1.0), self.longest_cool_down)


class Plan:
    """The retries of one call."""

    def __init__(self, policy: RetryPolicy, clock: Clock) -> None:
        self._policy = policy
        self._clock = clock
        self._failures = 0
        self._cool_downs = 0
        self._token_pauses = 0
        self._wait = 0.0
        self.attempt = 0
        self.deadline = clock.monotonic() + policy.total_seconds

    def run(self, step: Callable[[], T]) -> T:
        """Do it, and again where that can help; the last error is raised as it is."""
        loop = tenacity.Retrying(
            sleep=lambda seconds: wait_for_call(self._clock, seconds),
            retry=tenacity.retry_if_exception(self._again),
            wait=lambda _state: self._wait,
            stop=tenacity.stop_never,
            reraise=True,
        )
        return loop(step)

    def _again(self, error: BaseException) -> bool:
        if isinstance(error, Throttled):
            self._cool_downs += 1
            self._wait = 0.0
            return (
                self._cool_downs <= self._policy.cool_downs
                and self._clock.monotonic() < self.deadline
            )
        if isinstance(error, TokenEndpointThrottled):
            # A limit by the minute lets go in one. What lasts longer is left to the next sync.
            self._token_pauses += 1
            self._wait = self._policy.cool_down_for(error.retry_after)
            return self._token_pauses == 1 and self._clock.monotonic() + self._wait < self.deadline
        if isinstance(error, OutOfTime) or not isinstance(error, Transient):
            return False  # work that is over does not begin anew, however long one waits
        self._failures += 1
        self._wait = self._backoff(error)
        return (
            self._failures < self._policy.attempts
            and self._clock.monotonic() + self._wait < self.deadline
        )

    def _backoff(self, error: BaseException) -> float:
        backoff = Backoff(self._policy.first_wait, self._policy.longest_wait)
        wait = backoff.pause(self._failures - 1)
        asked = error.retry_after if isinstance(error, ServiceUnavailable) else None
        return max(wait, min(asked or 0.0, self._policy.longest_cool_down))


def retry_after_seconds(value: str | None, now: float) -> float | None:
    """Seconds from a ``Retry-After`` header in either of its forms (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(parsedate_to_datetime(value).timestamp() - now, 0.0)
    except ValueError:
        return None
