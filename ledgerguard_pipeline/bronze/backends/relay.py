"""One opening of the file that passes from thread to thread while others of this process wait for it.

Attaching a file with some four hundred tables and views, and detaching it, which checkpoints, takes
longer than a small company's commit. So who is done with the file leaves it open to the next thread
in line. Nothing is held in advance: as soon as nobody waits the file is closed, and after ``LONGEST``
seconds it is closed anyway and left alone for a moment, so that other processes get at it.
Decision 90 in docs/decisions.md.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack

from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.clock import Clock

LONGEST = 2.0
"""Seconds after which an opening is passed on no more."""
GAP = 0.1
"""Seconds for which the file is left to others then."""

Opened = Callable[[bool], AbstractContextManager[OpenStore]]


class Relay:
    """The uses of one file by the threads of one store, one at a time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._one_user = threading.Lock()
        self._guard = threading.Lock()
        self._waiting = 0
        self._stack = ExitStack()
        self._session: OpenStore | None = None
        self._read_only = False
        self._since = 0.0
        self._rest = False

    @contextlib.contextmanager
    def use(
        self, opened: Opened, *, read_only: bool, strict: bool, wait_seconds: float
    ) -> Iterator[OpenStore | None]:
        """The file for one use, opened by ``opened(read_only)`` unless it was passed on.

        None where other threads kept it for longer than ``wait_seconds``. A ``strict`` reader is
        not given an opening that may write, or reach other files. A use that fails ends the opening.
        """
        if self._pid != os.getpid():  # nothing of a parent process is of use
            self._start()
        if not self._waited(wait_seconds):
            yield None
            return
        try:
            session = self._ready(opened, read_only=read_only, strict=strict)
            try:
                yield session
            except BaseException as error:
                self._close(error)
                raise
        finally:
            self._pass_on()

    def _waited(self, seconds: float) -> bool:
        """Whether it is this thread's now. Who gives up may have been the one it was left open for."""
        mine = False
        with self._guard:
            self._waiting += 1
        try:
            mine = self._one_user.acquire(timeout=seconds)
        finally:
            with self._guard:
                self._waiting -= 1
                left_open = not mine and self._one_user.acquire(blocking=False)
            if left_open:
                self._pass_on()
        return mine

    def _ready(self, opened: Opened, *, read_only: bool, strict: bool) -> OpenStore:
        if self._session is not None and (strict if not self._read_only else not read_only):
            self._close()
        if self._session is None:
            if self._rest:
                self._rest = False
                self._clock.sleep(GAP)
            self._session = self._stack.enter_context(opened(read_only))
            self._read_only = read_only
            self._since = self._clock.monotonic()
        return self._session

    def _pass_on(self) -> None:
        """Leave the file open if somebody waits for it, and others did not have to for long."""
        long = self._clock.monotonic() - self._since > LONGEST
        with self._guard:  # who stops waiting now finds that nobody uses the file, and closes it
            if self._session is None or (self._waiting and not long):
                self._one_user.release()
                return
            self._rest = long and self._waiting > 0
        try:
            self._close()
        finally:
            self._one_user.release()

    def _close(self, error: BaseException | None = None) -> None:
        self._session = None
        stack = self._stack.pop_all()
        if error is None:
            stack.close()
        else:
            stack.__exit__(type(error), error, error.__traceback__)
