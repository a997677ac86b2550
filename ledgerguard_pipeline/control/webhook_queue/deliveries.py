"""Webhook deliveries: kept as they came, their events queued in the same transaction.

A delivery is acknowledged to Intuit only after this transaction is on disk, so every delivery
answered with 200 is here. The rows are the audit of what was sent, when, and what became of it.
"""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    and_,
    delete,
    exists,
    insert,
    select,
)

from ledgerguard_pipeline.change_events import ChangeEvent, Unreadable
from ledgerguard_pipeline.control.company_state.counters import CounterStore
from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.schema import webhook_deliveries as deliveries
from ledgerguard_pipeline.control.storage.schema import webhook_events as events
from ledgerguard_pipeline.control.webhook_queue.queue import EventStatus
from ledgerguard_pipeline.control.webhook_queue.rereading import Reread, row_text, sorted_out
from ledgerguard_pipeline.control.webhook_queue.served_companies import NOT_CONNECTED, served_realms
from ledgerguard_pipeline.crashpoints import crashpoint
from ledgerguard_pipeline.values import Environment

COUNTER = "webhook_deliveries"
_CHUNK = 500


class DeliveryOutcome(StrEnum):
    """The outcome of a genuine delivery."""

    QUEUED = "queued"
    """At least one event is new; all of it could be read."""
    DUPLICATE = "duplicate"
    """Every event was known already."""
    QUARANTINED = "quarantined"
    """Some part could not be read; the rest is queued."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A genuine delivery: the raw body, the headers worth keeping, and what was read from it."""

    body: bytes
    headers: Mapping[str, str]
    client: str
    shape: str
    events: Sequence[ChangeEvent] = ()
    unreadable: Sequence[Unreadable] = ()


class Parsed(Protocol):
    """What was read from the body of a delivery."""

    events: list[ChangeEvent]
    unreadable: list[Unreadable]


@dataclass(frozen=True, slots=True)
class Receipt:
    """How a delivery was stored. ``fresh`` counts events nobody had announced before."""

    delivery_id: str
    outcome: DeliveryOutcome
    fresh: int


@dataclass(frozen=True, slots=True)
class StoredDelivery:
    """A delivery as the audit lists it."""

    delivery_id: str
    received_at: datetime
    outcome: DeliveryOutcome
    shape: str
    events: int
    fresh_events: int
    unreadable: int
    client: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class DeliveryStore:
    """Deliveries of one environment; ``kept`` names the entity types this installation keeps."""

    def __init__(
        self,
        database: Database,
        environment: Environment,
        counters: CounterStore,
        kept: frozenset[str],
    ) -> None:
        self._database = database
        self._environment = environment
        self._counters = counters
        self._kept = kept

    def accept(self, batch: Sequence[Delivery]) -> list[Receipt]:
        """Store deliveries and queue their new events: all on disk at return, or none.

        An event known by its identity stays one row however often, and however concurrently, it
        is delivered.

        Raises:
            ControlUnavailable: nothing was stored; Intuit delivers again.
        """
        with self._database.write(None) as connection:
            now = self._database.now(connection)
            active = self._active_realms(connection)
            made = [(secrets.token_hex(16), delivery) for delivery in batch]
            rows = {
                str(row["event_key"]): row
                for delivery_id, delivery in made
                for row in self._rows(delivery_id, delivery, active, now)
            }
            fresh = self._queue(connection, rows)
            receipts = [_receipt(delivery_id, each, rows, fresh) for delivery_id, each in made]
            connection.execute(
                insert(deliveries),
                [
                    self._row(each, receipt, now)
                    for (_, each), receipt in zip(made, receipts, strict=True)
                ],
            )
            outcomes = Counter(receipt.outcome.value for receipt in receipts)
            self._counters.add_all(connection, COUNTER, outcomes)
            crashpoint("before_delivery_commit")
        crashpoint("after_delivery_commit")
        return receipts

    def list(
        self, *, outcome: DeliveryOutcome | None = None, limit: int = 100
    ) -> list[StoredDelivery]:
        """The latest deliveries, newest first."""
        statement = select(deliveries).where(deliveries.c.environment == self._environment.value)
        if outcome is not None:
            statement = statement.where(deliveries.c.outcome == outcome.value)
        statement = statement.order_by(
            deliveries.c.received_at.desc(), deliveries.c.delivery_id
        ).limit(limit)
        with self._database.read() as connection:
            return [_stored(row) for row in connection.execute(statement).mappings()]

    def reread(
        self, parse: Callable[[bytes], Parsed], realm: str | None, seqs: Collection[int] | None
    ) -> Reread:
        """Read deliveries again of which parts could not be read; a newer version may know how.

        ``realm`` and ``seqs`` keep to unreadable parts of a company and of these numbers; what
        stands beside them in their deliveries is read along. Events found now are queued; parts
        that cannot be read either stay as they are, those that were dismissed too.
        """
        with self._database.write("inbox:reread") as connection:
            now = self._database.now(connection)
            active = self._active_realms(connection)
            asked = self._parked(realm, seqs)
            numbers = frozenset(connection.execute(select(events.c.seq).where(asked)).scalars())
            found = connection.execute(
                select(deliveries.c.delivery_id, deliveries.c.body).where(
                    deliveries.c.delivery_id.in_(select(events.c.delivery_id).where(asked))
                )
            )
            queued = parts = 0
            for row in found.mappings().all():
                parsed = parse(bytes(row["body"]))
                of_it = and_(self._unreadable(), events.c.delivery_id == row["delivery_id"])
                unread = connection.execute(select(events).where(of_it).order_by(events.c.seq))
                readable, new = sorted_out(unread.mappings().all(), parsed.unreadable)
                delivery = Delivery(b"", {}, "", "", events=parsed.events, unreadable=new)
                rows = {
                    str(each["event_key"]): each
                    for each in self._rows(row["delivery_id"], delivery, active, now)
                }
                fresh = self._queue(connection, rows)
                # Afterwards, for SQLite gives the number of a last row that is gone to the next.
                if readable:
                    connection.execute(delete(events).where(of_it, events.c.seq.in_(readable)))
                queued += sum(rows[key]["status"] == EventStatus.PENDING.value for key in fresh)
                parts += len(numbers.intersection(readable))
            return Reread(queued, parts)

    def purge(self, before: datetime) -> int:
        """Delete settled events and deliveries older than this; waiting and parked ones stay.

        So does what came with a part that may be read again: without its row it would be new.
        """
        settled = (EventStatus.DONE.value, EventStatus.IGNORED.value)
        with self._database.write("inbox:purge") as connection:
            connection.execute(
                delete(events).where(
                    events.c.environment == self._environment.value,
                    events.c.status.in_(settled),
                    events.c.settled_at < before,
                    events.c.delivery_id.not_in(select(events.c.delivery_id).where(self._parked())),
                )
            )
            gone = connection.execute(
                delete(deliveries).where(
                    deliveries.c.environment == self._environment.value,
                    deliveries.c.received_at < before,
                    ~exists().where(events.c.delivery_id == deliveries.c.delivery_id),
                )
            )
            return gone.rowcount

    def _parked(
        self, realm: str | None = None, seqs: Collection[int] | None = None
    ) -> ColumnElement[bool]:
        """Unreadable parts that still wait for somebody."""
        wanted = [self._unreadable(), events.c.status == EventStatus.PARKED.value]
        if realm is not None:
            wanted.append(events.c.realm_id == realm)
        if seqs is not None:
            wanted.append(events.c.seq.in_(sorted(seqs)))
        return and_(*wanted)

    def _unreadable(self) -> ColumnElement[bool]:
        """Parts of deliveries that name no object."""
        return and_(events.c.environment == self._environment.value, events.c.object_id == "")

    def _active_realms(self, connection: Connection) -> frozenset[str]:
        return frozenset(connection.execute(served_realms(self._environment)).scalars())

    def _queue(
        self, connection: Connection, rows: Mapping[str, Mapping[str, object]]
    ) -> frozenset[str]:
        """Insert what is new and return its keys; sorted, so that no two inserts deadlock."""
        statement = self._database.insert_new(events).returning(events.c.event_key)
        fresh: set[str] = set()
        keys = sorted(rows)
        for at in range(0, len(keys), _CHUNK):
            chunk = [rows[key] for key in keys[at : at + _CHUNK]]
            fresh.update(connection.execute(statement, chunk).scalars())
        return frozenset(fresh)

    def _rows(
        self, delivery_id: str, delivery: Delivery, active: frozenset[str], now: datetime
    ) -> Iterator[dict[str, object]]:
        common: dict[str, object] = {
            "environment": self._environment.value,
            "delivery_id": delivery_id,
            "received_at": now,
            "due_at": now,
            "attempts": 0,
        }
        for event in delivery.events:
            reason = self._unwanted(event, active)
            status = EventStatus.PENDING if reason is None else EventStatus.IGNORED
            yield {
                **common,
                "event_key": event.key,
                "event_id": event.event_id,
                "realm_id": event.realm_id,
                "entity": event.entity,
                "object_id": event.object_id,
                "operation": event.operation.value,
                "absorbed_id": event.absorbed_id,
                "occurred_at": event.occurred_at,
                "status": status.value,
                "reason": reason,
                "settled_at": None if reason is None else now,
            }
        for each in delivery.unreadable:
            foreign = each.realm_id != "" and each.realm_id not in active
            status = EventStatus.IGNORED if foreign else EventStatus.PARKED
            yield {
                **common,
                "event_key": each.key,
                "event_id": f"unreadable-{each.key[:32]}",
                "realm_id": each.realm_id,
                "entity": each.entity,
                "object_id": "",
                "operation": "",
                "absorbed_id": None,
                "occurred_at": None,
                "status": status.value,
                "reason": row_text(each),
                "settled_at": now,
            }

    def _unwanted(self, event: ChangeEvent, active: frozenset[str]) -> str | None:
        """Why an event is kept but not acted upon."""
        kind = event.entity_type
        if kind is None:
            return "no entity type of this name can be read by id"
        if kind.name not in self._kept:
            return "LEDGERGUARD_ENTITIES leaves this entity type out"
        if event.realm_id not in active:
            return NOT_CONNECTED
        return None

    def _row(self, delivery: Delivery, receipt: Receipt, now: datetime) -> dict[str, object]:
        return {
            "delivery_id": receipt.delivery_id,
            "environment": self._environment.value,
            "received_at": now,
            "outcome": receipt.outcome.value,
            "shape": delivery.shape,
            "events": len(delivery.events),
            "fresh_events": receipt.fresh,
            "unreadable": len(delivery.unreadable),
            "client": delivery.client[:64],
            "headers": json.dumps(dict(delivery.headers), sort_keys=True),
            "body": delivery.body,
        }


def _receipt(
    delivery_id: str,
    delivery: Delivery,
    rows: Mapping[str, Mapping[str, object]],
    fresh: frozenset[str],
) -> Receipt:
    """Of one identity delivered twice in one batch only the last delivery's row was inserted."""
    keys = {event.key for event in delivery.events}
    new = sum(1 for key in keys & fresh if rows[key]["delivery_id"] == delivery_id)
    if delivery.unreadable:
        outcome = DeliveryOutcome.QUARANTINED
    elif keys and not new:
        outcome = DeliveryOutcome.DUPLICATE
    else:
        outcome = DeliveryOutcome.QUEUED
    return Receipt(delivery_id, outcome, new)


def _stored(row: RowMapping) -> StoredDelivery:
    return StoredDelivery(
        delivery_id=row["delivery_id"],
        received_at=row["received_at"],
        outcome=DeliveryOutcome(row["outcome"]),
        shape=row["shape"],
        events=row["events"],
        fresh_events=row["fresh_events"],
        unreadable=row["unreadable"],
        client=row["client"],
        headers=json.loads(row["headers"]),
        body=bytes(row["body"]),
    )
