from __future__ import annotations

import threading
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from ledgerguard_pipeline.change_events import ChangeEvent
from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.control.leases.heartbeat import (
    BEATS_PER_LEASE,
    RUN_LEASE_SECONDS,
    beating,
)
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.errors import ControlUnavailable
from ledgerguard_pipeline.ingestion.events.event_lease import InboxLease, NoLease
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import REALM, event, queue


class CountingLease:
    """Notes each beat; the first one finds the store down."""

    events: Collection[ChangeEvent] = ()

    def __init__(self) -> None:
        self.beats = 0
        self.enough = threading.Event()

    def beat(self) -> None:
        self.beats += 1
        if self.beats == 1:
            raise ControlUnavailable("locked")
        if self.beats >= 3:
            self.enough.set()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def plane(home: Path, clock: FakeClock) -> Iterator[ControlPlane]:
    with ControlPlane.open(load_settings(ledgerguard_home=home), clock=clock) as opened:
        yield opened


def test_it_beats_on_until_the_work_is_done_even_past_a_failing_beat() -> None:
    lease = CountingLease()
    with beating(lease, seconds=0.001):
        assert lease.enough.wait(30)
    assert "event-lease" not in {thread.name for thread in threading.enumerate()}, "no longer"


def test_a_run_takes_over_the_lease_it_was_launched_under(
    plane: ControlPlane, clock: FakeClock
) -> None:
    queue(plane, "a")
    plane.inbox.lease("batch", realms=[REALM])
    lease = InboxLease(plane.inbox, "batch")
    assert [each.event_id for each in lease.events] == ["a"]
    clock.advance(RUN_LEASE_SECONDS / BEATS_PER_LEASE)
    lease.beat()
    clock.advance(RUN_LEASE_SECONDS - 1)
    assert not plane.inbox.lapsed("batch")
    clock.advance(1)
    assert plane.inbox.lapsed("batch"), "a dead run is noticed within its own, shorter lease"
    assert plane.inbox.due_realms() == [REALM]


def test_events_from_nowhere_need_no_settling() -> None:
    lease = NoLease([event("a")])
    lease.beat()
    lease.done(lease.events)
    lease.failed(lease.events, ControlUnavailable("why"))
    assert [each.event_id for each in lease.events] == ["a"]
