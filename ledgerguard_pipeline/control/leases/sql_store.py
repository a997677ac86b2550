"""Leases: exclusive rights that end by themselves, with fencing numbers."""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, RowMapping, insert, select, update

from ledgerguard_pipeline.clock import Backoff, Clock
from ledgerguard_pipeline.control.leases.process_identity import has_died, this_process
from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.schema import leases
from ledgerguard_pipeline.errors import ControlUnavailable, LostRace
from ledgerguard_pipeline.values import Environment, RealmId

DEAD_HOLDER_SECONDS = 5.0
"""How long a lease outlives the noticed death of its holder."""

_POLLING = Backoff(first=0.04, longest=0.08)


@dataclass(frozen=True, slots=True)
class Lease:
    """A right held until ``expires_at``; ``fence`` grows with every new holder."""

    name: str
    owner: str
    fence: int
    expires_at: datetime


class WaitingLeases(ABC):
    """Leases as their users see them; a store keeps them."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    @abstractmethod
    def acquire(self, name: str, owner: str, ttl_seconds: float) -> Lease | None:
        """The lease, or None while somebody holds it (``owner`` itself included)."""

    @abstractmethod
    def renew(self, lease: Lease, ttl_seconds: float) -> Lease:
        """Hold on for ``ttl_seconds`` from now.

        Raises:
            LostRace: the lease ended and somebody else has taken it since.
        """

    @abstractmethod
    def release(self, lease: Lease) -> bool:
        """Give the lease back; False if it was somebody else's by now (theirs stays)."""

    @abstractmethod
    def held(self, names: Collection[str]) -> frozenset[str]:
        """Those of the leases that somebody holds now; asked at once."""

    @contextmanager
    def holding(self, name: str, *, ttl_seconds: float, wait_seconds: float) -> Iterator[Lease]:
        """Hold the lease during the block; waits up to ``wait_seconds`` for it.

        Raises:
            ControlUnavailable: somebody else held it all that time.
        """
        owner = f"{this_process()}/{secrets.token_hex(8)}"
        waits = _POLLING.within(wait_seconds, self.clock)
        while (lease := self.acquire(name, owner, ttl_seconds)) is None:
            if not waits.wait():
                raise ControlUnavailable(
                    f"Another process held the lease {name!r} for more than {wait_seconds:g} s. "
                    "Try again; a dead holder's lease ends by itself."
                )
        try:
            yield lease
        finally:
            # The work done under the lease is done; a lease nobody can release ends by itself.
            with suppress(ControlUnavailable):
                self.release(lease)


def sync_lease(environment: Environment, realm: RealmId) -> str:
    """The name of the lease that whoever syncs a company holds."""
    return f"sync:{environment.value}:{realm}"


def lost_lease(name: str) -> LostRace:
    """Raised for a holder that came too late."""
    return LostRace(f"The lease {name!r} ended and has another holder now.")


class LeaseStore(WaitingLeases):
    """Leases of all processes; a dead holder's lease ends by itself, on the store's clock."""

    def __init__(self, database: Database) -> None:
        super().__init__(database.clock)
        self._database = database

    def acquire(self, name: str, owner: str, ttl_seconds: float) -> Lease | None:
        with self._database.write(f"lease:{name}") as connection:
            now = self._database.now(connection)
            until = now + timedelta(seconds=ttl_seconds)
            row = (
                connection.execute(select(leases).where(leases.c.name == name))
                .mappings()
                .one_or_none()
            )
            if row is None:
                connection.execute(
                    insert(leases).values(name=name, owner=owner, fence=1, expires_at=until)
                )
                return Lease(name, owner, 1, until)
            if row["owner"] and row["expires_at"] > now:
                self._shorten_if_dead(connection, row, now)
                return None
            fence = row["fence"] + 1
            connection.execute(
                update(leases)
                .where(leases.c.name == name)
                .values(owner=owner, fence=fence, expires_at=until)
            )
            return Lease(name, owner, fence, until)

    def _shorten_if_dead(self, connection: Connection, row: RowMapping, now: datetime) -> None:
        """A killed holder's last call may still be on its way: its lease ends soon, not at once."""
        soon = now + timedelta(seconds=DEAD_HOLDER_SECONDS)
        if row["expires_at"] > soon and has_died(row["owner"].partition("/")[0]):
            connection.execute(
                update(leases).where(leases.c.name == row["name"]).values(expires_at=soon)
            )

    def renew(self, lease: Lease, ttl_seconds: float) -> Lease:
        with self._database.write(f"lease:{lease.name}") as connection:
            until = self._database.now(connection) + timedelta(seconds=ttl_seconds)
            changed = connection.execute(
                update(leases).where(*_held(lease)).values(expires_at=until)
            )
            if changed.rowcount != 1:
                raise lost_lease(lease.name)
        return Lease(lease.name, lease.owner, lease.fence, until)

    def release(self, lease: Lease) -> bool:
        with self._database.write(f"lease:{lease.name}") as connection:
            changed = connection.execute(update(leases).where(*_held(lease)).values(owner=""))
            return changed.rowcount == 1

    def held(self, names: Collection[str]) -> frozenset[str]:
        with self._database.read() as connection:
            now = self._database.now(connection)
            found = connection.execute(
                select(leases.c.name).where(leases.c.owner != "", leases.c.expires_at > now)
            )
            return frozenset(names) & {row.name for row in found}


def _held(lease: Lease) -> tuple[ColumnElement[bool], ...]:
    return (
        leases.c.name == lease.name,
        leases.c.owner == lease.owner,
        leases.c.fence == lease.fence,
    )
