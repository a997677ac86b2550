"""The queue of webhook events: leased in batches, settled by whoever holds the lease.

An event is handed out until somebody settles it. A lease ends by itself, so a consumer that died
delays its events and loses none; every hand-out counts as an attempt, and after
``MAX_ATTEMPTS`` the event is parked with the reason, out of the way of the others. What fails for
a reason that passes by itself, such as an outage at Intuit, is tried for a day before that. Consumers
may be many: on PostgreSQL they skip each other's rows, on SQLite they wait for each other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from operator import attrgetter

from sqlalchemy import ColumnElement, Connection, and_, case, func, not_, or_, select, update

from ledgerguard_pipeline.control.company_state.counters import CounterStore
from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.schema import webhook_events as events
from ledgerguard_pipeline.control.webhook_queue.attempts import MAX_ATTEMPTS, given_back
from ledgerguard_pipeline.control.webhook_queue.claim import Claim
from ledgerguard_pipeline.control.webhook_queue.latency import LATENCY_COUNTER, latencies
from ledgerguard_pipeline.control.webhook_queue.queued_event import (
    WAITING,
    Backlog,
    EventStatus,
    QueuedEvent,
    abandoned,
    queued_event,
    ready,
)
from ledgerguard_pipeline.control.webhook_queue.served_companies import NOT_CONNECTED, is_served
from ledgerguard_pipeline.values import Environment, RealmId

__all__ = ["Backlog", "EventInbox", "EventStatus", "QueuedEvent"]

LEASE_SECONDS = 120.0
"""Longer than a run takes to start; whoever works on a batch renews it."""

SECOND_LOOK_SECONDS = 15.0
"""Until an object that was not found is looked for again: what Intuit shows may lag behind."""

NO_COMPANY = RealmId("")
"""Stands for the company of what names none."""

_CHUNK = 500
_WORN = f"handed out {MAX_ATTEMPTS} times; every run that had it died"
_UNSETTLED = (*WAITING, EventStatus.PARKED)
_REASON_LENGTH = 500


class EventInbox:
    """The events of one environment."""

    def __init__(
        self, database: Database, environment: Environment, counters: CounterStore
    ) -> None:
        self._database = database
        self._counters = counters
        self._mine = events.c.environment == environment.value
        self._served = is_served(environment)
        self._claim = Claim(database, self._mine, MAX_ATTEMPTS, _WORN)

    def due_realms(self) -> list[str]:
        """Companies with something to do now, longest waiting first."""
        with self._database.read() as connection:
            now = self._database.now(connection)
            found = connection.execute(
                select(events.c.realm_id)
                .where(self._mine, or_(ready(now), abandoned(now)))
                .group_by(events.c.realm_id)
                .order_by(func.min(events.c.seq))
            )
            return list(found.scalars())

    def lease(
        self,
        owner: str,
        *,
        realms: Collection[str],
        limit: int = 2000,
        ttl_seconds: float = LEASE_SECONDS,
    ) -> list[QueuedEvent]:
        """Hand out the due events of these companies, oldest first; nobody else gets them.

        What was handed out ``MAX_ATTEMPTS`` times and never settled is parked instead. It is one
        statement, and not waited for on disk: an event whose lease a power cut takes back is due
        again, which is what becomes of every lease that nobody settles.
        """
        found = map(queued_event, self._claim.take(owner, realms, limit, ttl_seconds))
        taken = (each for each in found if each.status is EventStatus.LEASED)
        return sorted(taken, key=attrgetter("seq"))

    def held(self, owner: str) -> list[QueuedEvent]:
        """The events this owner still holds, oldest first."""
        statement = select(events).where(self._mine, *_held(owner)).order_by(events.c.seq)
        with self._database.read() as connection:
            return [queued_event(row) for row in connection.execute(statement).mappings()]

    def heartbeat(self, owner: str, ttl_seconds: float = LEASE_SECONDS) -> int:
        """Hold on to what this owner still holds; returns how many events that is."""
        with self._database.write(None, durable=False) as connection:
            until = self._database.now(connection) + timedelta(seconds=ttl_seconds)
            return connection.execute(
                update(events).where(self._mine, *_held(owner)).values(lease_expires_at=until)
            ).rowcount

    def lapsed(self, owner: str) -> bool:
        """True if this owner holds events and has let the lease on one of them end."""
        with self._database.read() as connection:
            now = self._database.now(connection)
            late = and_(self._mine, *_held(owner), events.c.lease_expires_at <= now)
            found: int = connection.execute(
                select(func.count()).select_from(events).where(late)
            ).scalar_one()
            return found > 0

    def done(self, owner: str, seqs: Collection[int]) -> int:
        """Acknowledge events whose objects are durable in Bronze; returns how many were held.

        Events that somebody else holds by now stay theirs; repeating it changes nothing.
        """
        with self._database.write(None) as connection:
            now = self._database.now(connection)
            settled = 0
            for chunk in _chunks(seqs):
                mine = and_(self._mine, events.c.seq.in_(chunk), *_held(owner))
                received = list(
                    connection.execute(
                        select(events.c.received_at).where(mine).with_for_update()
                    ).scalars()
                )
                connection.execute(
                    update(events).where(mine).values(**_settled(EventStatus.DONE, None, now))
                )
                settled += len(received)
                self._counters.add_all(connection, LATENCY_COUNTER, latencies(received, now))
            return settled

    def ignore(self, owner: str, seqs: Collection[int], reason: str) -> None:
        """Settle events that need nothing done."""
        self._settle(seqs, EventStatus.IGNORED, reason, *_held(owner))

    def fail(
        self, owner: str, seqs: Collection[int], reason: str, *, passing: bool = False
    ) -> None:
        """Give events back: they are due again after a pause, or parked if that was the last.

        ``passing`` says that nobody has to act: then there is no last one for a day.
        """
        with self._database.write(None) as connection:
            now = self._database.now(connection)
            change = update(events).values(
                **given_back(now, reason[:_REASON_LENGTH], passing=passing)
            )
            for chunk in _chunks(seqs):
                connection.execute(change.where(self._mine, events.c.seq.in_(chunk), *_held(owner)))

    def postpone(self, owner: str, seqs: Collection[int], reason: str) -> None:
        """Give events back whose objects were not found, to be looked for a second time.

        It is no failure and costs no attempt.
        """
        with self._database.write(None) as connection:
            now = self._database.now(connection)
            for chunk in _chunks(seqs):
                connection.execute(
                    update(events)
                    .where(self._mine, events.c.seq.in_(chunk), *_held(owner))
                    .values(
                        status=EventStatus.PENDING.value,
                        attempts=case((events.c.attempts > 0, events.c.attempts - 1), else_=0),
                        due_at=now + timedelta(seconds=SECOND_LOOK_SECONDS),
                        missed_at=func.coalesce(events.c.missed_at, now),
                        reason=reason[:_REASON_LENGTH],
                        lease_owner=None,
                        lease_expires_at=None,
                    )
                )

    def unreadable(self, realm: str | None = None, seqs: Collection[int] | None = None) -> int:
        """How many parked parts of deliveries name no object, so that nothing can be read."""
        parked = events.c.status == EventStatus.PARKED.value
        return self._count(realm, seqs, parked, events.c.object_id == "")

    def not_served(
        self, status: EventStatus, realm: str | None = None, seqs: Collection[int] | None = None
    ) -> int:
        """How many events of this status are of companies that are not connected."""
        named = events.c.object_id != ""
        return self._count(realm, seqs, events.c.status == status.value, named, not_(self._served))

    def _count(
        self, realm: str | None, seqs: Collection[int] | None, *conditions: ColumnElement[bool]
    ) -> int:
        chosen = [self._mine, *conditions]
        if realm is not None:
            chosen.append(events.c.realm_id == realm)
        if seqs is not None:
            chosen.append(events.c.seq.in_(sorted(seqs)))
        with self._database.read() as connection:
            found: int = connection.execute(
                select(func.count()).select_from(events).where(*chosen)
            ).scalar_one()
            return found

    def ignore_not_served(self) -> int:
        """Settle what waits for companies that are not connected; returns how many events.

        Whoever holds one of them finds that it is no longer theirs.
        """
        waiting = events.c.status.in_([status.value for status in WAITING])
        with self._database.write(None) as connection:
            settled = _settled(EventStatus.IGNORED, NOT_CONNECTED, self._database.now(connection))
            return connection.execute(
                update(events).where(self._mine, waiting, not_(self._served)).values(**settled)
            ).rowcount

    def dismiss(self, seqs: Collection[int], reason: str) -> int:
        """Settle parked events that nobody needs; returns how many there were."""
        parked = events.c.status == EventStatus.PARKED.value
        return self._settle(seqs, EventStatus.IGNORED, reason, parked)

    def park(self, seqs: Collection[int], reason: str) -> int:
        """Take waiting events out of the queue by hand; returns how many there were."""
        waiting = events.c.status.in_([status.value for status in WAITING])
        return self._settle(seqs, EventStatus.PARKED, reason, waiting)

    def redrive(
        self,
        seqs: Collection[int] | None = None,
        *,
        realm: str | None = None,
        statuses: Sequence[EventStatus] = (EventStatus.PARKED,),
    ) -> int:
        """Queue settled events again with all their attempts; returns how many.

        What could not be read as an event names no object and stays parked, and what is of a company
        that is not connected would wait in vain.
        """
        chosen = [
            self._mine,
            self._served,
            events.c.status.in_([status.value for status in statuses]),
            events.c.object_id != "",
        ]
        if realm is not None:
            chosen.append(events.c.realm_id == realm)
        with self._database.write(None) as connection:
            now = self._database.now(connection)
            change = update(events).values(
                status=EventStatus.PENDING.value,
                attempts=0,
                due_at=now,
                settled_at=None,
                missed_at=None,
            )
            if seqs is None:
                return connection.execute(change.where(*chosen)).rowcount
            return sum(
                connection.execute(change.where(*chosen, events.c.seq.in_(chunk))).rowcount
                for chunk in _chunks(seqs)
            )

    def list(
        self,
        *,
        status: EventStatus | None = None,
        realm: str | None = None,
        limit: int = 100,
    ) -> list[QueuedEvent]:
        """Events, newest first."""
        statement = select(events).where(self._mine)
        if status is not None:
            statement = statement.where(events.c.status == status.value)
        if realm is not None:
            statement = statement.where(events.c.realm_id == realm)
        statement = statement.order_by(events.c.seq.desc()).limit(limit)
        with self._database.read() as connection:
            return [queued_event(row) for row in connection.execute(statement).mappings()]

    def seconds_to_rows(self, realm: str, limit: int = 500) -> Sequence[float]:
        """How long the latest events of a company took from their receipt to durable rows."""
        statement = (
            select(events.c.received_at, events.c.settled_at)
            .where(
                self._mine,
                events.c.status == EventStatus.DONE.value,
                events.c.realm_id == realm,
                events.c.settled_at.is_not(None),
            )
            .order_by(events.c.due_at.desc())
            .limit(limit)
        )
        with self._database.read() as connection:
            return [
                max(0.0, (settled - received).total_seconds())
                for received, settled in connection.execute(statement)
            ]

    def backlog(self, realm: str | None = None) -> Backlog:
        """The state of the queue, for one company or for all."""
        mine = self._mine if realm is None else and_(self._mine, events.c.realm_id == realm)
        waiting = events.c.status.in_([status.value for status in WAITING])
        with self._database.read() as connection:
            now = self._database.now(connection)
            counts = connection.execute(
                select(events.c.status, func.count()).where(mine).group_by(events.c.status)
            ).all()
            oldest: datetime | None = connection.execute(
                select(func.min(events.c.received_at)).where(mine, waiting)
            ).scalar_one()
        return Backlog({EventStatus(status): int(n) for status, n in counts}, oldest, now)

    def backlogs(self, realms: Sequence[RealmId] | None = None) -> dict[RealmId, Backlog]:
        """The state of the queue by company, in one statement; companies without events are left out.

        Parts of deliveries that name no company are under ``NO_COMPANY``.
        """
        statement = (
            select(
                events.c.realm_id,
                events.c.status,
                func.count(),
                func.min(events.c.received_at),
            )
            .where(self._mine, events.c.status.in_([status.value for status in _UNSETTLED]))
            .group_by(events.c.realm_id, events.c.status)
        )
        if realms is not None:
            statement = statement.where(events.c.realm_id.in_([*realms, NO_COMPANY]))
        counts: dict[RealmId, dict[EventStatus, int]] = {}
        oldest: dict[RealmId, datetime] = {}
        with self._database.read() as connection:
            now = self._database.now(connection)
            for realm_id, text, count, first in connection.execute(statement):
                realm, status = RealmId(realm_id), EventStatus(text)
                counts.setdefault(realm, {})[status] = int(count)
                if status in WAITING:
                    oldest[realm] = min(first, oldest.get(realm, first))
        return {
            realm: Backlog(by_status, oldest.get(realm), now) for realm, by_status in counts.items()
        }

    def _settle(
        self,
        seqs: Collection[int],
        status: EventStatus,
        reason: str,
        *conditions: ColumnElement[bool],
    ) -> int:
        with self._database.write(None) as connection:
            now = self._database.now(connection)
            return sum(
                _change(connection, self._mine, chunk, conditions, status, reason, now)
                for chunk in _chunks(seqs)
            )


def _change(
    connection: Connection,
    mine: ColumnElement[bool],
    seqs: Sequence[int],
    conditions: Sequence[ColumnElement[bool]],
    status: EventStatus,
    reason: str,
    now: datetime,
) -> int:
    return connection.execute(
        update(events)
        .where(mine, events.c.seq.in_(seqs), *conditions)
        .values(**_settled(status, reason[:_REASON_LENGTH], now))
    ).rowcount


def _settled(status: EventStatus, reason: str | None, now: datetime) -> dict[str, object]:
    return {
        "status": status.value,
        "reason": reason,
        "settled_at": now,
        "lease_owner": None,
        "lease_expires_at": None,
    }


def _held(owner: str) -> tuple[ColumnElement[bool], ...]:
    return (events.c.lease_owner == owner, events.c.status == EventStatus.LEASED.value)


def _chunks(seqs: Collection[int]) -> Iterator[list[int]]:
    """In one order, so that two settlers never wait for each other in a circle."""
    ordered = sorted(seqs)
    for at in range(0, len(ordered), _CHUNK):
        yield ordered[at : at + _CHUNK]
