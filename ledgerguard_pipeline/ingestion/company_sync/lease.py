"""The lease on syncing a company: whoever syncs one holds it, be it a run, a sweep or a command.

Two syncs of one company at once would lose nothing, since Bronze keeps the newest whatever the
order. They would pay for the same calls twice. A lease ends by itself when its holder died.

Decision 37 in docs/decisions.md.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import structlog

from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Backoff, Clock
from ledgerguard_pipeline.control.leases.heartbeat import beating
from ledgerguard_pipeline.control.leases.process_identity import this_process
from ledgerguard_pipeline.control.leases.sql_store import Lease, sync_lease
from ledgerguard_pipeline.control.protocols import Leases
from ledgerguard_pipeline.errors import CompanyBusy, ControlError
from ledgerguard_pipeline.values import Environment, RealmId

COMPANY_LEASE_SECONDS = 60.0
"""A lease whose holder was killed ends after this at the latest."""

BEAT_SECONDS = COMPANY_LEASE_SECONDS / 4
_POLLING = Backoff(first=0.4, longest=0.6)
_log = structlog.get_logger(__name__)


class CompanyLeases:
    """The leases one process holds, kept alive together while ``kept`` is entered. Thread-safe."""

    def __init__(
        self, leases: Leases, environment: Environment, *, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._leases = leases
        self._environment = environment
        self._clock = clock
        self._owner = f"{this_process()}/{secrets.token_hex(8)}"
        self._lock = threading.Lock()
        self._held: dict[RealmId, Lease] = {}

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Renew what is held for as long as the block lasts."""
        with beating(self, seconds=BEAT_SECONDS):
            yield

    @contextmanager
    def of(self, realm: RealmId, *, wait_seconds: float = 0.0) -> Iterator[None]:
        """Hold the company's lease for the block.

        Raises:
            CompanyBusy: somebody else held it for longer than ``wait_seconds``.
        """
        lease = self._take(realm, wait_seconds)
        with self._lock:
            self._held[realm] = lease
        try:
            yield
        finally:
            with self._lock:
                lease = self._held.pop(realm)
            self._give_back(lease)

    def beat(self) -> None:
        """Renew every lease held; one that was lost meanwhile is let go."""
        with self._lock:
            held = dict(self._held)
        for realm, lease in held.items():
            try:
                renewed = self._leases.renew(lease, COMPANY_LEASE_SECONDS)
            except ControlError as error:
                _log.warning("company_lease_not_renewed", realm=realm, message=error.message)
                continue
            with self._lock:
                if realm in self._held:
                    self._held[realm] = renewed

    def _take(self, realm: RealmId, wait_seconds: float) -> Lease:
        waits = _POLLING.within(wait_seconds, self._clock)
        name = sync_lease(self._environment, realm)
        while (lease := self._leases.acquire(name, self._owner, COMPANY_LEASE_SECONDS)) is None:
            if not waits.wait():
                raise CompanyBusy(
                    "Another run or sweep is syncing this company. Nothing was done; the next "
                    "sync brings what this one would have brought.",
                    realm_id=realm,
                )
        return lease

    def _give_back(self, lease: Lease) -> None:
        try:
            self._leases.release(lease)
        except ControlError as error:
            # The work is done; the lease ends by itself.
            _log.warning("company_lease_not_released", lease=lease.name, message=error.message)


@contextmanager
def undisturbed(
    leases: Leases, environment: Environment, realm: RealmId, clock: Clock, wait_seconds: float
) -> Iterator[None]:
    """Nobody syncs the company during the block, in which its rows are to go.

    Raises:
        CompanyBusy: a sync of it did not end within ``wait_seconds``.
    """
    held = CompanyLeases(leases, environment, clock=clock)
    with held.kept(), ExitStack() as stack:
        try:
            stack.enter_context(held.of(realm, wait_seconds=wait_seconds))
        except CompanyBusy:
            raise CompanyBusy(
                "A sync of this company is still under way and would bring its rows back. Nothing "
                "was forgotten; let it end, then run this again.",
                realm_id=realm,
            ) from None
        yield
