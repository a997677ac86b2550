"""Actions of which only one may run at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LOOK_SECONDS = 0.5


class OneAtATime:
    """A lock that nobody waits for any longer once the soak ends."""

    def __init__(self, ending: threading.Event) -> None:
        self._ending = ending
        self._lock = threading.Lock()

    @contextmanager
    def entered(self) -> Iterator[bool]:
        """Whether the block may do its action; False once the soak ends."""
        while not self._lock.acquire(timeout=_LOOK_SECONDS):
            if self._ending.is_set():
                yield False
                return
        try:
            yield not self._ending.is_set()
        finally:
            self._lock.release()
