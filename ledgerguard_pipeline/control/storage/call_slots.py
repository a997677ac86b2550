"""The half hours that calls are counted by, for a day: what is recent, and at which rate."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement

from ledgerguard_pipeline.control.storage.schema import call_slots
from ledgerguard_pipeline.values import NO_ACCESS, SERVER_ERROR

SLOT_SECONDS = 1_800
DAY_SLOTS = 86_400 // SLOT_SECONDS
_RECENT_SLOTS = 2


def slot_of(now: datetime) -> int:
    """The half hour of a moment."""
    return int(now.timestamp()) // SLOT_SECONDS


def recent_slots(now: datetime) -> list[int]:
    """The half hours whose calls count as recent."""
    slot = slot_of(now)
    return list(range(slot - _RECENT_SLOTS + 1, slot + 1))


def failing() -> ColumnElement[bool]:
    """Calls that got no answer, a server error or no access."""
    return (
        (call_slots.c.status == 0)
        | (call_slots.c.status >= SERVER_ERROR)
        | call_slots.c.status.in_(NO_ACCESS)
    )
