"""One opening of the file for many uses of one thread, instead of an opening for each.

Attaching a file with some hundred tables takes as long as a comparison that reads a few of them. Who
shares an opening has to let go of it before waiting for somebody else, as for an answer of QuickBooks;
after ``LONGEST`` seconds it is let go between two uses anyway, so that others get their chance.
Decision 75 in docs/decisions.md.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack

from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.clock import Clock

LONGEST = 2.0
"""Seconds after which an opening is let go between two uses."""

Opened = Callable[[bool], AbstractContextManager[OpenStore]]


class SharedOpening:
    """What the threads of one store share their uses in, each its own; safe in several threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._mine = threading.local()

    @property
    def active(self) -> bool:
        """Whether this thread is inside ``block``."""
        return getattr(self._mine, "held", None) is not None

    def serves(self, *, read_only: bool) -> bool:
        """Whether this thread shares an opening that a use of this kind can be part of."""
        held = getattr(self._mine, "held", None)
        return isinstance(held, _Held) and (read_only or not held.read_only)

    @contextlib.contextmanager
    def block(self, *, read_only: bool = False) -> Iterator[None]:
        """Inside the block this thread opens the file once; a block inside it changes nothing.

        With ``read_only`` its reads share an opening that keeps out writers only.
        """
        if self.active:
            yield
            return
        held = self._mine.held = _Held(self._clock, read_only=read_only)
        try:
            yield
        finally:
            self._mine.held = None
            held.close()

    def let_go(self) -> None:
        """Close what this thread holds, unless it is being used; its next use opens it again."""
        held = getattr(self._mine, "held", None)
        if isinstance(held, _Held) and not held.users:
            held.close()

    @contextlib.contextmanager
    def use(self, opened: Opened) -> Iterator[OpenStore]:
        """The opening this thread shares, made by ``opened(read_only)`` where there is none."""
        held: _Held = self._mine.held
        session = held.session or held.open(opened)
        held.users += 1
        try:
            yield session
        except BaseException as error:
            held.users -= 1
            held.close(error)  # what failed may have left the connection of no use
            raise
        held.users -= 1
        if not held.users and held.seconds > LONGEST:
            held.close()


class _Held:
    """One thread's opening, and how many uses are under way."""

    def __init__(self, clock: Clock, *, read_only: bool) -> None:
        self.read_only = read_only
        self._clock = clock
        self._stack = ExitStack()
        self._since = 0.0
        self.session: OpenStore | None = None
        self.users = 0

    @property
    def seconds(self) -> float:
        return self._clock.monotonic() - self._since

    def open(self, opened: Opened) -> OpenStore:
        session = self.session = self._stack.enter_context(opened(self.read_only))
        self._since = self._clock.monotonic()
        return session

    def close(self, error: BaseException | None = None) -> None:
        """Give it back; with an ``error`` as an opening that is of no use any more."""
        self.session = None
        stack = self._stack.pop_all()
        if error is None:
            stack.close()
        else:
            stack.__exit__(type(error), error, error.__traceback__)
