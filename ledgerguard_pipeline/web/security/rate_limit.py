"""How often one client address may ask."""

from __future__ import annotations

from collections import OrderedDict

from ledgerguard_pipeline.clock import Clock


class ClientRates:
    """A token bucket per client address: ``burst`` at once, ``per_second`` on average.

    Remembers the ``most`` addresses seen last; forgetting one gives it a full bucket again, so an
    attacker with very many addresses is not stopped here, and memory stays flat.
    """

    def __init__(
        self, *, per_second: float, burst: float, clock: Clock, most: int = 10_000
    ) -> None:
        self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._most = most
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_seconds(self, client: str) -> float:
        """Zero if a request may be made now, otherwise how long to wait for the next one."""
        left, _ = self._level(client)
        return 0.0 if left >= 1.0 else (1.0 - left) / self._per_second

    def spend(self, client: str) -> None:
        """Count one request."""
        left, now = self._level(client)
        self._buckets[client] = (max(0.0, left - 1.0), now)
        self._buckets.move_to_end(client)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)

    def _level(self, client: str) -> tuple[float, float]:
        now = self._clock.monotonic()
        left, then = self._buckets.get(client, (self._burst, now))
        return min(self._burst, left + (now - then) * self._per_second), now
