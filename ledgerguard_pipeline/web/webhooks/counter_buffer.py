"""Counting what is not stored, without letting a flood of it reach the disk."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog

from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.control.company_state.counters import CounterStore
from ledgerguard_pipeline.errors import LedgerGuardError

FLUSH_SECONDS = 1.0

_log = structlog.get_logger(__name__)


class CounterBuffer:
    """Counts in memory and writes at most once a second, from a thread of its own.

    Nobody who counts ever waits for the store. A process that is killed takes the counts of its
    last second with it.
    """

    def __init__(
        self, counters: Callable[[], CounterStore], *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._counters = counters
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._flushed_at = -math.inf
        self._flushing = False
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="counts")

    def count(self, name: str, label: str) -> None:
        """Count one."""
        with self._lock:
            self._counts[name, label] += 1
            now = self._clock.monotonic()
            if self._flushing or now - self._flushed_at < FLUSH_SECONDS:
                return
            self._flushing, self._flushed_at = True, now
        self._pool.submit(self._flush)

    def flush(self) -> None:
        """Write everything counted so far; waits until it is done."""
        self._pool.submit(self._flush).result()

    def close(self) -> None:
        """Write what is left, then stop."""
        self.flush()
        self._pool.shutdown(wait=True)

    def _flush(self) -> None:
        with self._lock:
            counts, self._counts = self._counts, Counter()
        try:
            while counts:
                (name, label), count = next(iter(counts.items()))
                self._counters().add(name, label, count)
                del counts[name, label]
        except LedgerGuardError as error:
            _log.warning("counts_not_written", message=str(error))
        finally:
            with self._lock:
                # A store that is down leaves them for the next time.
                self._counts.update(counts)
                self._flushing = False
