"""Whose events a run works on, and the promise that nobody else does meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import structlog

from ledgerguard_pipeline.control.inbox import EventInbox
from ledgerguard_pipeline.errors import LedgerGuardError
from ledgerguard_pipeline.events import ChangeEvent

RUN_LEASE_SECONDS = 45.0
"""Shorter than the lease a run is launched under: once it works, it can tell that it lives."""

BEATS_PER_LEASE = 4

_log = structlog.get_logger(__name__)


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

    def done(self, events: Collection[ChangeEvent]) -> None:
        """Their objects are durable in Bronze."""
        ...

    def postpone(self, events: Collection[ChangeEvent], reason: str) -> None:
        """Their objects were not found: look for them a second time, later."""
        ...

    def failed(self, events: Collection[ChangeEvent], reason: str) -> None:
        """They have to be tried again."""
        ...

    def beat(self) -> None:
        """Somebody still works on them."""
        ...


class Renewable(Protocol):
    """Something that ends by itself unless somebody renews it now and then."""

    def beat(self) -> object:
        """Renew it."""
        ...


class InboxLease:
    """The events of the queue that were leased to ``owner`` and still are."""

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

    def failed(self, events: Collection[ChangeEvent], reason: str) -> None:
        self._inbox.fail(self._owner, [self._seqs[event.key] for event in events], reason)

    def beat(self) -> None:
        self._inbox.heartbeat(self._owner, RUN_LEASE_SECONDS)


class NoLease:
    """Events that come from no queue: nobody else has them, and nobody wants to know.

    Nobody comes back later either, so the second look at what is not found is taken at once.
    """

    def __init__(self, events: Sequence[ChangeEvent]) -> None:
        self.events = events
        self.missed = frozenset(event.key for event in events)

    def done(self, events: Collection[ChangeEvent]) -> None:
        """Nothing to acknowledge."""

    def postpone(self, events: Collection[ChangeEvent], reason: str) -> None:
        """Never asked for: every look is the last one."""

    def failed(self, events: Collection[ChangeEvent], reason: str) -> None:
        """The caller sees it in the result."""

    def beat(self) -> None:
        """Nothing to hold on to."""


@contextmanager
def beating(
    lease: Renewable, *, seconds: float = RUN_LEASE_SECONDS / BEATS_PER_LEASE
) -> Iterator[None]:
    """Hold the lease for as long as the block lasts, from a thread of its own."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(seconds):
            try:
                lease.beat()
            except LedgerGuardError as error:
                # Three more beats fit into the lease; should it end, the work is done again.
                _log.warning("lease_not_renewed", message=str(error))

    thread = threading.Thread(target=beat, name="lease-beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
