"""A webhook event in the queue, and the state of the queue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, String, and_, literal_column

from ledgerguard_pipeline.change_events import ChangeEvent, Operation
from ledgerguard_pipeline.control.storage.schema import webhook_events as events


class EventStatus(StrEnum):
    """The status of an event."""

    PENDING = "pending"
    LEASED = "leased"
    DONE = "done"
    PARKED = "parked"
    """Failed too often, or unreadable: somebody has to look. Never lost, never in the way."""
    IGNORED = "ignored"
    """Nothing to do here: an unknown company, or an entity type that is not kept."""


WAITING = (EventStatus.PENDING, EventStatus.LEASED)


@dataclass(frozen=True, slots=True)
class QueuedEvent:
    """An event and its status; ``seq`` is its position in the order of arrival."""

    seq: int
    event: ChangeEvent
    status: EventStatus
    attempts: int
    received_at: datetime
    due_at: datetime
    lease_owner: str | None
    lease_expires_at: datetime | None
    reason: str | None
    settled_at: datetime | None
    delivery_id: str
    missed_at: datetime | None = None
    """When its object was looked for first and not found, although nobody said it was deleted."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Events by status, and since when the oldest one waits."""

    by_status: dict[EventStatus, int]
    oldest_received_at: datetime | None
    now: datetime

    @property
    def depth(self) -> int:
        """Events that still have to reach Bronze."""
        return sum(self.by_status.get(status, 0) for status in WAITING)

    @property
    def parked(self) -> int:
        """Events somebody has to look at."""
        return self.by_status.get(EventStatus.PARKED, 0)

    @property
    def age_seconds(self) -> float:
        """How long the oldest of them has been waiting; zero if none is."""
        if self.oldest_received_at is None:
            return 0.0
        return max(0.0, (self.now - self.oldest_received_at).total_seconds())


def ready(now: datetime | ColumnElement[Any]) -> ColumnElement[bool]:
    """Pending, and its time has come."""
    return and_(_in(EventStatus.PENDING), events.c.due_at <= now)


def abandoned(now: datetime | ColumnElement[Any]) -> ColumnElement[bool]:
    """Leased by somebody whose time is over."""
    return and_(_in(EventStatus.LEASED), events.c.lease_expires_at <= now)


def _in(status: EventStatus) -> ColumnElement[bool]:
    # Written into the statement: only then its index is known to fit.
    return events.c.status == literal_column(f"'{status.value}'", String)


def queued_event(row: RowMapping) -> QueuedEvent:
    """An event from its row."""
    event = ChangeEvent(
        key=row["event_key"],
        event_id=row["event_id"],
        realm_id=row["realm_id"],
        entity=row["entity"],
        object_id=row["object_id"],
        operation=Operation(row["operation"]) if row["operation"] else Operation.OTHER,
        occurred_at=row["occurred_at"],
        absorbed_id=row["absorbed_id"],
    )
    return QueuedEvent(
        seq=row["seq"],
        event=event,
        status=EventStatus(row["status"]),
        attempts=row["attempts"],
        received_at=row["received_at"],
        due_at=row["due_at"],
        lease_owner=row["lease_owner"],
        lease_expires_at=row["lease_expires_at"],
        reason=row["reason"],
        settled_at=row["settled_at"],
        delivery_id=row["delivery_id"],
        missed_at=row["missed_at"],
    )
