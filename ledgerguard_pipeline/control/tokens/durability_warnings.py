"""What could make the token store lose tokens, checked now and then and shown by health."""

from __future__ import annotations

import threading
from typing import Protocol

from ledgerguard_pipeline.clock import Clock

_REREAD_SECONDS = 60.0


class Asked(Protocol):
    """A server that can tell what it is not set to."""

    def concerns(self) -> list[str]:
        """A sentence each with the remedy; empty where nothing may be lost."""
        ...


class DurabilityWarnings:
    """The concerns of the server that keeps the tokens; none where it is the control database.

    Thread-safe. Asked once a minute: a server's configuration seldom changes.
    """

    def __init__(self, server: Asked | None, clock: Clock) -> None:
        self._server = server
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at: float | None = None
        self._found: tuple[str, ...] = ()

    def read(self) -> tuple[str, ...]:
        """The sentences, at worst of a minute ago.

        Raises:
            ControlUnavailable: the server does not answer.
        """
        if self._server is None:
            return ()
        with self._lock:
            now = self._clock.monotonic()
            if self._read_at is None or now - self._read_at >= _REREAD_SECONDS:
                self._found = tuple(self._server.concerns())
                self._read_at = now
            return self._found
