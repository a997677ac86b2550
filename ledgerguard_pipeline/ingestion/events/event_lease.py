"""Whose events a run works on, and the promise that nobody else does meanwhile."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from ledgerguard_pipeline.change_events import ChangeEvent
from ledgerguard_pipeline.control.leases.heartbeat import RUN_LEASE_SECONDS
from ledgerguard_pipeline.control.webhook_queue.queue import EventInbox
from ledgerguard_pipeline.errors import LedgerGuardError, Transient


class EventLease(Protocol):
    """Events to act upon, and where to say what became of them."""

    @property
    def events(self) -> Sequence[ChangeEvent]:
        """The events, in order of arrival."""
        ...

    @property
    def missed(self) -> frozenset[str]:
        """Keys of events whose objects were looked for before and not found."""
        ...

    @property
    def comes_back(self) -> bool:
        """Whether somebody looks a second time, later, for what is not found now."""
        ...

    def done(self, events: Collection[ChangeEvent]) -> None:
        """Their objects are durable in Bronze."""
        ...

    def postpone(self, events: Collection[ChangeEvent], reason: str) -> None:
        """Their objects were not found: look for them a second time, later."""
        ...

    def failed(self, events: Collection[ChangeEvent], cause: LedgerGuardError) -> None:
        """They have to be tried again."""
        ...

    def beat(self) -> None:
        """Somebody still works on them."""
        ...


class InboxLease:
    """The events of the queue that were leased to ``owner`` and still are."""

    comes_back = True

    def __init__(self, inbox: EventInbox, owner: str) -> None:
        self._inbox = inbox
        self._owner = owner
        inbox.heartbeat(owner, RUN_LEASE_SECONDS)
        queued = inbox.held(owner)
        self._seqs = {each.event.key: each.seq for each in queued}
        self.events: Sequence[ChangeEvent] = [each.event for each in queued]
        self.missed = frozenset(each.event.key for each in queued if each.missed_at is not None)

    def done(self, events: Collection[ChangeEvent]) -> None:
        self._inbox.done(self._owner, [self._seqs[event.key] for event in events])

    def postpone(self, events: Collection[ChangeEvent], reason: str) -> None:
        self._inbox.postpone(self._owner, [self._seqs[event.key] for event in events], reason)

    def failed(self, events: Collection[ChangeEvent], cause: LedgerGuardError) -> None:
        self._inbox.fail(
            self._owner,
            [self._seqs[event.key] for event in events],
            str(cause),
            passing=isinstance(cause, Transient),
        )

    def beat(self) -> None:
        self._inbox.heartbeat(self._owner, RUN_LEASE_SECONDS)


class NoLease:
    """Events that come from no queue: nobody else has them, and nobody wants to know.

    Nobody comes back later either, so what is not found is read singly at once, to notice lost
    rights, and else left to the next sync: if it is gone, change data capture reports it, or a
    count lacks it.
    """

    comes_back = False

    def __init__(self, events: Sequence[ChangeEvent]) -> None:
        self.events = events
        self.missed = frozenset(event.key for event in events)

    def done(self, events: Collection[ChangeEvent]) -> None:
        """Nothing to acknowledge."""

    def postpone(self, events: Collection[ChangeEvent], reason: str) -> None:
        """The next sync looks again."""

    def failed(self, events: Collection[ChangeEvent], cause: LedgerGuardError) -> None:
        """The caller sees it in the result."""

    def beat(self) -> None:
        """Nothing to hold on to."""
