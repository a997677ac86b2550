"""How often an event is tried, and what becomes of it after a failure.

What could not be done is tried again after a growing pause, and the event is parked after
``MAX_ATTEMPTS``: then somebody has to look. An outage needs nobody, so what fails for a reason that
passes by itself is not parked for a day.

Decision 97 in docs/decisions.md.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import and_, case, false, not_

from ledgerguard_pipeline.control.storage.schema import webhook_events as events
from ledgerguard_pipeline.control.webhook_queue.queued_event import EventStatus

MAX_ATTEMPTS = 5

RETRY_SECONDS = (15.0, 60.0, 300.0, 900.0)
"""Pause before each further attempt."""

PATIENCE_HOURS = 24.0
"""For so long after its receipt an event is not parked for a reason that passes by itself."""

_PATIENT = 3
"""The attempts such an event goes on with: soon enough again, and a consumer may yet die of it."""


def given_back(now: datetime, reason: str, *, passing: bool) -> dict[str, object]:
    """Columns of an event whose attempt failed; ``passing`` if nobody has to act."""
    worn = events.c.attempts >= MAX_ATTEMPTS
    patient = events.c.received_at > now - timedelta(hours=PATIENCE_HOURS) if passing else false()
    parked = and_(worn, not_(patient))
    anew = and_(events.c.attempts > _PATIENT, patient)
    due = [
        (events.c.attempts == attempt, now + timedelta(seconds=seconds))
        for attempt, seconds in enumerate(RETRY_SECONDS, start=1)
    ]
    return {
        "status": case((parked, EventStatus.PARKED.value), else_=EventStatus.PENDING.value),
        "settled_at": case((parked, now), else_=None),
        "attempts": case((anew, _PATIENT), else_=events.c.attempts),
        "due_at": case(
            (anew, now + timedelta(seconds=RETRY_SECONDS[_PATIENT - 1])), *due, else_=now
        ),
        "reason": reason,
        "lease_owner": None,
        "lease_expires_at": None,
    }
