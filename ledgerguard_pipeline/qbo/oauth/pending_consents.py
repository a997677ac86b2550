"""Pending consents of a client used on its own: the ``state`` of RFC 6749, section 10.12.

A state is random, works once, expires, is kept as a hash only and compared in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading

from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.errors import ConsentError

_MAX_PENDING = 1000


class PendingConsents:
    """States that were handed out and not yet come back."""

    def __init__(self, clock: Clock, *, ttl_seconds: float = 600.0) -> None:
        self._clock = clock
        self._ttl = ttl_seconds
        self._lock = threading.Lock()
        self._pending: dict[bytes, float] = {}

    def issue(self) -> str:
        """A new state, good for one callback within ten minutes."""
        state = secrets.token_urlsafe(32)
        with self._lock:
            self._drop_expired()
            while len(self._pending) >= _MAX_PENDING:
                self._pending.pop(next(iter(self._pending)))
            self._pending[_digest(state)] = self._clock.monotonic() + self._ttl
        return state

    def consume(self, state: str | None) -> None:
        """Accept a state once.

        Raises:
            ConsentError: it was never issued, has expired, or came back before.
        """
        # Whatever is no text was not issued here either.
        presented = _digest(state if isinstance(state, str) else "")
        with self._lock:
            self._drop_expired()
            found = [known for known in self._pending if hmac.compare_digest(known, presented)]
            for known in found:
                del self._pending[known]
        if not found:
            raise ConsentError(
                "The consent's state is unknown, expired or already used; nothing was stored. "
                "Start again from a new authorization URL."
            )

    def _drop_expired(self) -> None:
        now = self._clock.monotonic()
        for known in [known for known, until in self._pending.items() if until <= now]:
            del self._pending[known]


def _digest(state: str) -> bytes:
    return hashlib.sha256(state.encode("utf-8", "surrogatepass")).digest()
