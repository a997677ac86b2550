"""Waiting for webhook events inside a sensor's tick.

Dagster's daemon looks at sensors every five seconds at most, so a tick that only looks is late by
half of that on average, most of the way from an event to its row. A tick may take longer than a
moment, though, and the daemon gives each sensor a thread: so a tick that finds nothing waits for
what comes until the next one is near.

Decision 42 in docs/decisions.md.
"""

from collections.abc import Callable, Collection

from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.control.webhook_queue.queue import EventInbox

WAIT_SECONDS = 4.0
"""Less than the daemon's five, which skips a round of a sensor that is still at work; a busy
machine takes half a second to begin and to end a tick."""

LOOK_SECONDS = 0.25
GATHER_SECONDS = 2.0
"""How long events that belong together may keep coming before they are handed out."""


Workable = Callable[[], Collection[str]]
"""The companies whose events can be handed out in this tick."""


def due_now(inbox: EventInbox, workable: Workable) -> list[str]:
    """Companies with something to do whose events can be handed out.

    Which these are is asked only where something is due.
    """
    due = inbox.due_realms()
    return [realm for realm in due if realm in workable()]


def await_due(inbox: EventInbox, workable: Workable, *, clock: Clock = SYSTEM_CLOCK) -> list[str]:
    """The same, waited for; empty if nothing came.

    Events that nobody may take now, such as those of a company whose run is under way, end no wait.
    Deliveries that arrive one after the other are let come to an end, so that a burst is one run.
    """
    began = clock.monotonic()
    while not due_now(inbox, workable):
        if clock.monotonic() - began >= WAIT_SECONDS:
            return []
        clock.sleep(LOOK_SECONDS)
    found = clock.monotonic()
    depth = inbox.backlog().depth
    while clock.monotonic() - found < GATHER_SECONDS:
        clock.sleep(LOOK_SECONDS)
        before, depth = depth, inbox.backlog().depth
        if depth <= before:
            break
    return due_now(inbox, workable)
