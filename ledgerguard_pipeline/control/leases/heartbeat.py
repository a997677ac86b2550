"""Keeping a lease alive while somebody works."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import structlog

from ledgerguard_pipeline.errors import LedgerGuardError

RUN_LEASE_SECONDS = 45.0
"""Shorter than the lease a run is launched under: once it works, it can tell that it lives."""
BEATS_PER_LEASE = 4
_log = structlog.get_logger(__name__)


class Renewable(Protocol):
    """Something that ends by itself unless somebody renews it now and then."""

    def beat(self) -> object:
        """Renew it."""
        ...


@contextmanager
def beating(
    lease: Renewable, *, seconds: float = RUN_LEASE_SECONDS / BEATS_PER_LEASE
) -> Iterator[None]:
    """Hold the lease for as long as the block lasts, from a thread of its own."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(seconds):
            try:
                lease.beat()
            except LedgerGuardError as error:
                # Three more beats fit into the lease; should it end, the work is done again.
                _log.warning("lease_not_renewed", message=str(error))

    thread = threading.Thread(target=beat, name="lease-beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
