"""Usage of a client so far."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from ledgerguard_pipeline.values import call_failed


@dataclass(frozen=True, slots=True)
class CallTotals:
    """Attempts sent, calls Intuit meters (answered 2xx; a batch counts its items), body
    bytes, and the seconds all calls together waited for their answers. ``failed_calls`` got no
    answer, a server error or no access.
    """

    http_calls: int = 0
    metered_calls: int = 0
    bytes: int = 0
    seconds: float = 0.0
    failed_calls: int = 0

    def __sub__(self, before: CallTotals) -> CallTotals:
        """What was used since ``before``."""
        return CallTotals(
            self.http_calls - before.http_calls,
            self.metered_calls - before.metered_calls,
            self.bytes - before.bytes,
            self.seconds - before.seconds,
            self.failed_calls - before.failed_calls,
        )

    @property
    def response_time_ms(self) -> float:
        """How long an answer took on average; 0 without a call."""
        return self.seconds / self.http_calls * 1000 if self.http_calls else 0.0


class CallStats:
    """Running totals of one client; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._totals = CallTotals()

    def add(self, *, status: int, metered: int, bytes: int, seconds: float) -> None:  # noqa: A002  # the field's own name
        """Count one attempt; ``status`` is HTTP's, 0 where no answer came."""
        with self._lock:
            old = self._totals
            self._totals = CallTotals(
                old.http_calls + 1,
                old.metered_calls + metered,
                old.bytes + bytes,
                old.seconds + seconds,
                old.failed_calls + call_failed(status),
            )

    def snapshot(self) -> CallTotals:
        """The totals at this moment, consistent with each other."""
        with self._lock:
            return self._totals

    @property
    def http_calls(self) -> int:
        return self.snapshot().http_calls

    @property
    def metered_calls(self) -> int:
        return self.snapshot().metered_calls

    @property
    def bytes(self) -> int:
        return self.snapshot().bytes
