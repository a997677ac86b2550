"""The lease on a company's grant: one process of the whole fleet changes it at a time."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress

import structlog

from ledgerguard_pipeline.clock import Backoff
from ledgerguard_pipeline.control.leases.process_identity import this_process
from ledgerguard_pipeline.control.leases.sql_store import Lease
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.tokens.sql_store import Tokens
from ledgerguard_pipeline.errors import ControlUnavailable, LostRace, TokenEndpointUnavailable
from ledgerguard_pipeline.values import Environment, RealmId

LEASE_SECONDS = 90.0
"""Longer than one call of the token endpoint can last with all its time-outs."""

_PATIENCE_BEYOND = 10.0
_POLLING = Backoff(first=0.04, longest=0.1)

_log = structlog.get_logger(__name__)


def refresh_lease(environment: Environment, realm: RealmId) -> str:
    """The lease under which a company's grant is changed."""
    return f"refresh:{environment.value}:{realm}"


class RefreshLease:
    """One caller's lease: wait for it, keep it before anything is written, end it."""

    def __init__(self, control: ControlPlane, realm: RealmId, lease_seconds: float) -> None:
        self._control = control
        self._realm = realm
        self._seconds = lease_seconds
        self._name = refresh_lease(control.environment, realm)
        self._owner = f"{this_process()}/{secrets.token_hex(8)}"
        self._lease: Lease | None = None

    def wait(self, done: Callable[[], Tokens | None] = lambda: None) -> Tokens | None:
        """Take the lease, or return what ``done`` finds first: tokens somebody else stored.

        Raises:
            TokenEndpointUnavailable: others had the lease for longer than one refresh can last.
        """
        waits = _POLLING.within(self._seconds + _PATIENCE_BEYOND, self._control.clock)
        leases = self._control.leases
        while (lease := leases.acquire(self._name, self._owner, self._seconds)) is None:
            found = done()
            if found is not None:
                return found
            if not waits.wait():
                raise TokenEndpointUnavailable(
                    "Another process has been refreshing this company's token for too long. "
                    "The grant is kept; try again.",
                    realm_id=self._realm,
                )
        self._lease = lease
        return None

    def keep(self) -> None:
        """Be sure that the lease is still ours, or queue up for another one.

        A process that was stopped for longer than its lease wakes up with an answer in hand while
        the next one may be asking Intuit. It must not write now, or that one's newer answer would
        find its place taken; nor may it throw the answer away, which may be the only one that is
        good. So it waits until the other is through and then sees which of the two holds.

        Raises:
            TokenEndpointUnavailable: as ``wait``.
            ControlUnavailable: the store cannot be reached.
        """
        if self._lease is not None:
            try:
                self._lease = self._control.leases.renew(self._lease, self._seconds)
            except LostRace:
                _log.warning("refresh_lease_lost", realm_id=self._realm, fence=self._lease.fence)
                self._lease = None
        if self._lease is None:
            self.wait()

    def end(self) -> None:
        """Let the next one have the lease; one that cannot be notified waits for its end."""
        if self._lease is not None:
            with suppress(ControlUnavailable):
                self._control.leases.release(self._lease)
            self._lease = None
