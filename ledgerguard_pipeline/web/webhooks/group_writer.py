"""Storing deliveries together: one fsync for all that arrive while the last one is under way."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.control.webhook_queue.deliveries import Delivery, Receipt
from ledgerguard_pipeline.errors import ControlUnavailable

MOST_TOGETHER = 200
GATHER_SECONDS = 0.005
"""How long the first of several waits for the others: a write costs the same for five as for one,
and under load the processor is what is short."""

MOST_WAITING = 2000
STALLED_SECONDS = 2.5
"""Intuit wants its answer within three seconds; a store this slow counts as down."""

Accept = Callable[[Sequence[Delivery]], Sequence[Receipt]]


class DeliveryWriter:
    """Hands deliveries to the store from one thread; thread-safe."""

    def __init__(self, accept: Accept, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._accept = accept
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Delivery, Future[Receipt]]] = deque()
        self._draining = False
        self._writing_since: float | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="deliveries")

    def submit(self, delivery: Delivery) -> Future[Receipt]:
        """The receipt, once the delivery is on disk.

        Raises:
            ControlUnavailable: the store hangs or is far behind; nothing was taken.
        """
        with self._lock:
            since = self._writing_since
            stalled = since is not None and self._clock.monotonic() - since > STALLED_SECONDS
            if stalled or len(self._waiting) >= MOST_WAITING:
                raise ControlUnavailable(
                    "The control plane does not keep up with webhook deliveries; Intuit will "
                    "send this one again. Check the disk and who else writes to it."
                )
            future: Future[Receipt] = Future()
            self._waiting.append((delivery, future))
            if not self._draining:
                self._draining = True
                self._pool.submit(self._drain)
        return future

    def close(self) -> None:
        """Write what waits, then stop."""
        self._pool.shutdown(wait=True)

    def _drain(self) -> None:
        self._clock.sleep(GATHER_SECONDS)
        while batch := self._next():
            self._write(batch)
            self._clock.sleep(GATHER_SECONDS)
        # Nothing waits, or _next would have returned it; the next submit starts a drain again.

    def _next(self) -> list[tuple[Delivery, Future[Receipt]]]:
        with self._lock:
            batch: list[tuple[Delivery, Future[Receipt]]] = []
            while self._waiting and len(batch) < MOST_TOGETHER:
                delivery, future = self._waiting.popleft()
                # The caller may have given up waiting; from here on it is written in any case.
                if future.set_running_or_notify_cancel():
                    batch.append((delivery, future))
            self._draining = bool(batch)
            self._writing_since = self._clock.monotonic() if batch else None
            return batch

    def _write(self, batch: Sequence[tuple[Delivery, Future[Receipt]]]) -> None:
        try:
            receipts = self._accept([delivery for delivery, _ in batch])
        except ControlUnavailable as error:
            for _, future in batch:
                future.set_exception(error)
        except Exception as error:  # noqa: BLE001 - handed to whoever waits for the receipt
            if len(batch) == 1:
                batch[0][1].set_exception(error)
                return
            # One of them cannot be stored: the others must not pay for it.
            for each in batch:
                self._write([each])
        else:
            for (_, future), receipt in zip(batch, receipts, strict=True):
                future.set_result(receipt)
