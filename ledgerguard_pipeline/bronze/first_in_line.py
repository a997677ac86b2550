"""Threads that ask for the same at the same time: the first in line does it for those behind it.

Who is alone notices nothing: others are waited for only where they said that they are coming, and
only for a moment.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Generic, TypeVar

_AT_MOST = 2
"""So many times its patience a group waits for one after the other."""


@dataclass(slots=True)
class Waiting:
    """What one thread asks for; its subclass has room for the answer."""

    woken: threading.Event = field(default_factory=threading.Event, kw_only=True)
    leads: bool = field(default=False, kw_only=True)


Asked = TypeVar("Asked", bound=Waiting)


class FirstInLine(Generic[Asked]):
    """A line of threads. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._queue: list[Asked] = []
        self._busy = False
        self._coming = 0

    @contextlib.contextmanager
    def coming(self) -> Iterator[None]:
        """Inside the block this thread is going to ask, perhaps several times."""
        with self._lock:
            self._coming += 1
        try:
            yield
        finally:
            with self._lock:
                self._coming -= 1
                self._changed.notify_all()

    def leads(self, asked: Asked) -> bool:
        """Wait until it is answered, which is False, or this thread's to answer with others."""
        with self._lock:
            self._queue.append(asked)
            self._changed.notify_all()
            asked.leads = not self._busy
            self._busy = True
        if not asked.leads:
            asked.woken.wait()
        return asked.leads

    @contextlib.contextmanager
    def group(
        self,
        fits: Callable[[Sequence[Asked], Asked], bool] = lambda _group, _next: True,
        *,
        patience: float = 0.0,
    ) -> Iterator[Sequence[Asked]]:
        """Who leads, and those behind it that fit; after the block they go on, and the next leads.

        Those who are ``coming`` are waited for until one does not fit, ``patience`` seconds after
        the last who came, and twice as long at most.
        """
        with self._lock:
            count = self._gathered(fits, patience)
            group, self._queue = self._queue[:count], self._queue[count:]
        try:
            yield group
        finally:
            with self._lock:
                if self._queue:
                    self._queue[0].leads = True
                    self._queue[0].woken.set()
                else:
                    self._busy = False
            for other in group[1:]:
                other.woken.set()

    def _gathered(self, fits: Callable[[Sequence[Asked], Asked], bool], patience: float) -> int:
        """How many of the line go together, once nobody else is waited for."""
        end = monotonic() + _AT_MOST * patience
        count = 1
        while True:
            while count < len(self._queue) and fits(self._queue[:count], self._queue[count]):
                count += 1
            here = len(self._queue)
            left = min(patience, end - monotonic())
            if (
                count < here
                or left <= 0
                or not self._changed.wait_for(partial(self._came, here), left)
            ):
                return count
            if len(self._queue) == here:  # nobody else is coming
                return count

    def _came(self, here: int) -> bool:
        return len(self._queue) > here or here >= self._coming
