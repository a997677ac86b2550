"""Intuit's call limits per company: sliding windows, so no burst fits between two minutes."""

from __future__ import annotations

from collections import defaultdict, deque

from ledgerguard_pipeline.sandbox.switches import Switches


class _Window:
    """Times of the calls of the last ``seconds``, and the most there ever were."""

    __slots__ = ("most", "seconds", "times")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.times: deque[float] = deque()
        self.most = 0

    def count(self, at: float) -> int:
        """Calls in the window that ends now."""
        while self.times and self.times[0] <= at - self.seconds:
            self.times.popleft()
        return len(self.times)

    def add(self, at: float) -> None:
        self.times.append(at)
        self.most = max(self.most, self.count(at))


class CallWindows:
    """The three windows of one company; times are of a clock that never goes back."""

    def __init__(self) -> None:
        self.minute = _Window(60.0)
        self.second = _Window(1.0)
        self.batches = _Window(60.0)

    def add(self, at: float, *, batch: bool) -> None:
        self.minute.add(at)
        self.second.add(at)
        if batch:
            self.batches.add(at)

    def most(self) -> dict[str, int]:
        return {
            "per_minute": self.minute.most,
            "per_second": self.second.most,
            "batches_per_minute": self.batches.most,
        }


class Limits:
    """Admits calls or not. A refused call does not count against the windows."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches
        self._realms: defaultdict[str, CallWindows] = defaultdict(CallWindows)
        self._running: defaultdict[str, int] = defaultdict(int)

    def admit(self, realm: str, at: float, *, batch: bool) -> bool:
        """True where a call that has begun may go on; ``at`` in seconds of a monotonic clock."""
        limits = self._switches
        if not limits.limits:
            return True
        windows = self._realms[realm]
        over = (
            windows.minute.count(at) >= limits.requests_per_minute
            or windows.second.count(at) >= limits.requests_per_second
            or (batch and windows.batches.count(at) >= limits.batches_per_minute)
            or (
                limits.concurrent_requests is not None
                and self._running[realm] > limits.concurrent_requests
            )
        )
        if not over:
            windows.add(at, batch=batch)
        return not over

    def begin(self, realm: str) -> None:
        """Count a call as running until ``end``; refused ones run too."""
        self._running[realm] += 1

    def end(self, realm: str) -> None:
        self._running[realm] -= 1

    def reset(self) -> None:
        """Forget the calls made so far."""
        self._realms.clear()
