"""Time and waiting, injected: tests drive both, code never calls ``time.sleep`` directly.

Whatever several processes may want at the same time is waited for by a ``Backoff``, be it a lease, a
server that is away or a file that somebody else has open: ever longer, never all at once, never past
the end.

Waits for calls end at once where the work they are for is stopped (``Stop``). What must come to its end
whatever happens, as a refresh of tokens, waits by the clock itself. Decision 106 in docs/decisions.md.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from math import ldexp
from typing import Protocol

from ledgerguard_pipeline.errors import OutOfTime

_LOOK_SECONDS = 0.2
"""How long a wait goes on before it sees that its work was stopped."""


class Clock(Protocol):
    """Wall time, monotonic time and waiting."""

    def now(self) -> datetime:
        """Wall time in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean something."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait; zero or less returns at once."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)


SYSTEM_CLOCK: Clock = SystemClock()


class Stop:
    """Says that nobody wants a piece of work any more, to the threads that work under it.

    It is part of the work under which it was made, and stopped with that, too.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._outer = _UNDER.get()

    def set(self) -> None:
        """From now on no call of this work starts, waits or is repeated."""
        self._event.set()

    @property
    def is_set(self) -> bool:
        """Whether this work, or what it is part of, was stopped."""
        return self._event.is_set() or (self._outer is not None and self._outer.is_set)

    def bind(self) -> None:
        """Let this thread work under it for the rest of its life."""
        _UNDER.set(self)

    @contextmanager
    def under(self) -> Iterator[None]:
        """Let what is begun here work under it."""
        token = _UNDER.set(self)
        try:
            yield
        finally:
            _UNDER.reset(token)


_UNDER: ContextVar[Stop | None] = ContextVar("stop", default=None)


def go_on() -> None:
    """Return where the work of this thread was not stopped.

    Raises:
        OutOfTime: it was.
    """
    stop = _UNDER.get()
    if stop is not None and stop.is_set:
        raise OutOfTime(
            "The work was stopped. What was committed stays; the next sync resumes there."
        )


def wait_for_call(clock: Clock, seconds: float) -> None:
    """Wait until a call may start, as ``clock.sleep`` does.

    Raises:
        OutOfTime: the work of this thread was stopped.
    """
    if _UNDER.get() is None:
        clock.sleep(seconds)
        return
    end = clock.monotonic() + seconds
    go_on()
    while (left := end - clock.monotonic()) > 0:
        clock.sleep(min(left, _LOOK_SECONDS))
        go_on()


def later_of(server: datetime | None, clock: Clock) -> datetime:
    """When something was noticed that nobody dated, as that an object is gone.

    It may be older neither than what the other side's clock dated (``server`` is the time of its answer)
    nor than what was read by the clock of this machine, however wrong that is.
    """
    now = clock.now()
    return now if server is None else max(server, now)


Fraction = Callable[[], float]
"""A random number from 0 up to 1."""

_DOUBLINGS = 60
"""No sensible wait doubles more often; without an end a patient loop would overflow a float."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """The bounds of the waits, in seconds: the first lasts at most ``first``.

    Each bound is twice the one before, up to ``longest``. A wait takes between half its bound and
    all of it, so that those who began to wait together do not come back together.
    """

    first: float
    longest: float

    def bound(self, waits: int) -> float:
        """The most that the next wait takes after so many waits."""
        return min(ldexp(self.first, min(waits, _DOUBLINGS)), self.longest)

    def pause(self, waits: int = 0, *, fraction: Fraction = random.random) -> float:
        """How long to wait next after so many waits."""
        return self.bound(waits) * (1 + fraction()) / 2

    def within(self, seconds: float, clock: Clock) -> Waits:
        """Waits that end after so many seconds from now; none at all for zero."""
        return Waits(self, clock.monotonic() + seconds, clock)


class Waits:
    """The waits of one piece of work, which share a deadline. The last one ends just there."""

    def __init__(
        self, backoff: Backoff, deadline: float, clock: Clock, fraction: Fraction = random.random
    ) -> None:
        """``deadline`` is in ``clock.monotonic()`` seconds."""
        self._backoff = backoff
        self._deadline = deadline
        self._clock = clock
        self._fraction = fraction
        self._waits = 0

    @property
    def left(self) -> float:
        """Seconds until the deadline; never negative."""
        return max(self._deadline - self._clock.monotonic(), 0.0)

    @property
    def over(self) -> bool:
        """Whether the time is up: what failed last has failed."""
        return self.left <= 0

    @property
    def begun(self) -> bool:
        """Whether anybody has waited yet."""
        return self._waits > 0

    def wait(self) -> bool:
        """Wait for another try; False, at once, if the time is up."""
        left = self.left
        if left <= 0:
            return False
        pause = self._backoff.pause(self._waits, fraction=self._fraction)
        self._waits += 1
        self._clock.sleep(min(left, pause))
        return True
