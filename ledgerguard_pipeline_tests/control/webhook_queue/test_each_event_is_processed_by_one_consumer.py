from __future__ import annotations

import multiprocessing
import threading
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import timedelta

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.webhook_queue.attempts import (
    MAX_ATTEMPTS,
    PATIENCE_HOURS,
    RETRY_SECONDS,
)
from ledgerguard_pipeline.control.webhook_queue.queue import LEASE_SECONDS, EventStatus
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import (
    OTHER_REALM,
    REALM,
    connect,
    delivery,
    event,
    queue,
)
from ledgerguard_pipeline_tests.stores import OpenPlane


def names(events: list[object]) -> list[str]:
    return [each.event.event_id for each in events]  # type: ignore[attr-defined]  # queued events


def test_events_are_leased_in_the_order_they_came(plane: ControlPlane) -> None:
    queue(plane, "c")
    queue(plane, "a")
    queue(plane, "b")
    taken = plane.inbox.lease("run", realms=[REALM], limit=2)
    assert names(list(taken)) == ["c", "a"]
    assert {each.status for each in taken} == {EventStatus.LEASED}
    assert {each.attempts for each in taken} == {1}


def test_a_leased_event_is_nobody_elses(plane: ControlPlane) -> None:
    queue(plane, "a")
    assert len(plane.inbox.lease("one", realms=[REALM])) == 1
    assert plane.inbox.lease("two", realms=[REALM]) == []
    assert plane.inbox.due_realms() == []


def test_only_the_named_companies_are_leased(plane: ControlPlane) -> None:
    queue(plane, "a")
    queue(plane, "b", realm=OTHER_REALM)
    assert plane.inbox.due_realms() == [REALM, OTHER_REALM]
    assert names(list(plane.inbox.lease("run", realms=[OTHER_REALM]))) == ["b"]
    assert plane.inbox.due_realms() == [REALM]


def test_an_acknowledged_event_is_done_for_good(plane: ControlPlane, clock: FakeClock) -> None:
    queue(plane, "a")
    (taken,) = plane.inbox.lease("run", realms=[REALM])
    clock.advance(7)
    assert plane.inbox.done("run", [taken.seq]) == 1
    (done,) = plane.inbox.list()
    assert (done.status, done.settled_at) == (EventStatus.DONE, clock.now())
    clock.advance(10 * LEASE_SECONDS)
    assert plane.inbox.due_realms() == []
    assert plane.counters.read("event_seconds") == {"10.0": 1.0, "sum": 7.0}


def test_the_events_of_a_consumer_that_died_come_back(
    plane: ControlPlane, clock: FakeClock
) -> None:
    queue(plane, "a")
    plane.inbox.lease("dead", realms=[REALM])
    clock.advance(LEASE_SECONDS)
    assert plane.inbox.due_realms() == [REALM]
    (again,) = plane.inbox.lease("next", realms=[REALM])
    assert again.attempts == 2


def test_a_late_consumer_settles_nothing(plane: ControlPlane, clock: FakeClock) -> None:
    queue(plane, "a")
    (taken,) = plane.inbox.lease("late", realms=[REALM])
    clock.advance(LEASE_SECONDS)
    plane.inbox.lease("next", realms=[REALM])
    assert plane.inbox.done("late", [taken.seq]) == 0
    plane.inbox.fail("late", [taken.seq], "too late")
    plane.inbox.ignore("late", [taken.seq], "too late")
    assert plane.inbox.heartbeat("late") == 0
    (still,) = plane.inbox.held("next")
    assert still.reason is None


def test_a_heartbeat_holds_on(plane: ControlPlane, clock: FakeClock) -> None:
    queue(plane, "a")
    plane.inbox.lease("run", realms=[REALM])
    for _ in range(5):
        clock.advance(LEASE_SECONDS * 0.9)
        assert plane.inbox.heartbeat("run") == 1
        assert plane.inbox.lease("other", realms=[REALM]) == []


def test_a_failed_event_is_tried_again_after_a_growing_pause(
    plane: ControlPlane, clock: FakeClock
) -> None:
    queue(plane, "a")
    for pause in RETRY_SECONDS:
        (taken,) = plane.inbox.lease("run", realms=[REALM])
        plane.inbox.fail("run", [taken.seq], "QuickBooks did not answer")
        clock.advance(pause - 1)
        assert plane.inbox.due_realms() == []
        clock.advance(1)
        assert plane.inbox.due_realms() == [REALM]


def test_after_five_attempts_an_event_is_parked_with_the_reason(
    plane: ControlPlane, clock: FakeClock
) -> None:
    queue(plane, "poison", "good")
    for _ in range(MAX_ATTEMPTS):
        for each in plane.inbox.lease("run", realms=[REALM]):
            if each.event.event_id == "good":
                plane.inbox.done("run", [each.seq])
            else:
                plane.inbox.fail("run", [each.seq], "it cannot be served")
        clock.advance(max(RETRY_SECONDS))
    (parked,) = plane.inbox.list(status=EventStatus.PARKED)
    assert (parked.event.event_id, parked.attempts) == ("poison", MAX_ATTEMPTS)
    assert parked.reason == "it cannot be served"
    assert plane.inbox.due_realms() == []
    assert plane.inbox.backlog().depth == 0


def test_what_passes_by_itself_parks_nothing_for_a_day(
    plane: ControlPlane, clock: FakeClock
) -> None:
    queue(plane, "a")
    began = clock.now()
    pauses = []
    while clock.now() - began < timedelta(hours=PATIENCE_HOURS):
        (taken,) = plane.inbox.lease("run", realms=[REALM])
        plane.inbox.fail("run", [taken.seq], "QuickBooks is down", passing=True)
        (waiting,) = plane.inbox.list(status=EventStatus.PENDING)
        pauses.append((waiting.due_at - clock.now()).total_seconds())
        clock.advance(pauses[-1])
    assert pauses[: len(RETRY_SECONDS)] == [15.0, 60.0, 300.0, 300.0]
    assert set(pauses[len(RETRY_SECONDS) :]) == {300.0}, "soon enough after the outage"
    while last := plane.inbox.lease("run", realms=[REALM]):
        plane.inbox.fail("run", [last[0].seq], "QuickBooks is down", passing=True)
        clock.advance(max(RETRY_SECONDS))
    (parked,) = plane.inbox.list(status=EventStatus.PARKED)
    assert parked.reason == "QuickBooks is down"


def test_after_an_outage_one_failure_that_needs_somebody_does_not_park(
    plane: ControlPlane, clock: FakeClock
) -> None:
    queue(plane, "a")
    for _ in range(3 * MAX_ATTEMPTS):
        (taken,) = plane.inbox.lease("run", realms=[REALM])
        plane.inbox.fail("run", [taken.seq], "QuickBooks is down", passing=True)
        clock.advance(max(RETRY_SECONDS))
    (taken,) = plane.inbox.lease("run", realms=[REALM])
    plane.inbox.fail("run", [taken.seq], "it cannot be served")
    assert [each.status for each in plane.inbox.list()] == [EventStatus.PENDING]


def test_an_event_that_kills_every_consumer_is_parked_too(
    plane: ControlPlane, clock: FakeClock
) -> None:
    queue(plane, "killer")
    for _ in range(MAX_ATTEMPTS):
        assert len(plane.inbox.lease("run", realms=[REALM])) == 1
        clock.advance(LEASE_SECONDS)
    assert plane.inbox.lease("run", realms=[REALM]) == []
    (parked,) = plane.inbox.list(status=EventStatus.PARKED)
    assert "handed out 5 times" in (parked.reason or "")


def test_parked_events_are_redriven_with_all_their_attempts(
    plane: ControlPlane, clock: FakeClock
) -> None:
    queue(plane, "a", "b")
    queue(plane, "c", realm=OTHER_REALM)
    everything = [each.seq for each in plane.inbox.list()]
    assert plane.inbox.park(everything, "by hand") == 3
    assert plane.inbox.due_realms() == []
    assert plane.inbox.redrive(realm=OTHER_REALM) == 1
    assert plane.inbox.redrive([everything[-1]]) == 1
    assert plane.inbox.redrive() == 1
    assert {each.attempts for each in plane.inbox.list()} == {0}
    assert plane.inbox.backlog().by_status == {EventStatus.PENDING: 3}


def test_parking_takes_an_event_from_whoever_holds_it(plane: ControlPlane) -> None:
    queue(plane, "a")
    (taken,) = plane.inbox.lease("run", realms=[REALM])
    assert plane.inbox.park([taken.seq], "by hand") == 1
    assert plane.inbox.done("run", [taken.seq]) == 0
    assert plane.inbox.park([taken.seq], "again") == 0


def test_the_backlog_tells_depth_and_age(plane: ControlPlane, clock: FakeClock) -> None:
    assert plane.inbox.backlog().age_seconds == 0
    queue(plane, "a")
    clock.advance(30)
    queue(plane, "b", realm=OTHER_REALM)
    plane.inbox.lease("run", realms=[REALM])
    clock.advance(10)
    whole = plane.inbox.backlog()
    assert (whole.depth, whole.age_seconds) == (2, 40)
    assert whole.by_status == {EventStatus.PENDING: 1, EventStatus.LEASED: 1}
    other = plane.inbox.backlog(OTHER_REALM)
    assert (other.depth, other.age_seconds) == (1, 10)


def test_nothing_waits_for_a_company_that_is_not_connected(plane: ControlPlane) -> None:
    queue(plane, "held", "waiting", "parked")
    queue(plane, "other", realm=OTHER_REALM)
    (held,) = plane.inbox.lease("run", realms=[REALM], limit=1)
    (parked,) = [each.seq for each in plane.inbox.list() if each.event.event_id == "parked"]
    plane.inbox.park([parked], "by hand")
    assert plane.inbox.ignore_not_served() == 0
    plane.companies.set_status(OTHER_REALM, ConnectionStatus.NEEDS_REAUTH)
    plane.companies.set_status(REALM, ConnectionStatus.DISCONNECTED)
    assert plane.inbox.ignore_not_served() == 2
    assert plane.inbox.due_realms() == [OTHER_REALM], "a new consent is waited for"
    assert plane.inbox.done("run", [held.seq]) == 0
    assert plane.inbox.redrive(statuses=list(EventStatus), realm=REALM) == 0
    assert plane.inbox.not_served(EventStatus.PARKED) == 1
    assert plane.inbox.not_served(EventStatus.IGNORED, REALM, [held.seq]) == 1
    plane.companies.set_status(REALM, ConnectionStatus.CONNECTED)
    assert plane.inbox.redrive(statuses=[EventStatus.IGNORED, EventStatus.PARKED]) == 3


def test_ignored_events_stay_visible(plane: ControlPlane) -> None:
    queue(plane, "a")
    (taken,) = plane.inbox.lease("run", realms=[REALM])
    plane.inbox.ignore("run", [taken.seq], "left out")
    (ignored,) = plane.inbox.list(status=EventStatus.IGNORED)
    assert ignored.reason == "left out"
    assert plane.inbox.redrive(statuses=[EventStatus.IGNORED]) == 1


def test_of_many_consumers_each_gets_events_of_its_own(open_plane: OpenPlane) -> None:
    """Twenty producers, twenty consumers; duplicates among what is produced."""
    plane = open_plane()
    connect(plane)
    per_producer, producers, consumers = 10, 20, 20
    total = per_producer * producers // 2
    produced = threading.Barrier(producers)
    finished: Counter[str] = Counter()
    lock = threading.Lock()

    def produce(index: int) -> None:
        produced.wait()
        for each in range(per_producer):
            # Two producers announce the same events.
            plane.deliveries.accept([delivery([event(f"e{index // 2}-{each}")])])

    def consume(index: int) -> None:
        round_ = 0
        while sum(finished.values()) < total:
            round_ += 1
            owner = f"c{index}-{round_}"
            taken = plane.inbox.lease(owner, realms=[REALM], limit=5)
            assert plane.inbox.done(owner, [each.seq for each in taken]) == len(taken)
            with lock:
                finished.update(each.event.event_id for each in taken)

    with ThreadPoolExecutor(producers + consumers) as pool:
        running = [pool.submit(produce, each) for each in range(producers)]
        running += [pool.submit(consume, each) for each in range(consumers)]
        for each in running:
            each.result(timeout=100)

    assert len(finished) == total
    assert set(finished.values()) == {1}
    assert plane.inbox.backlog().by_status == {EventStatus.DONE: total}


def _lease_in_a_process(settings: Settings, index: int) -> list[int]:
    with ControlPlane.open(settings) as plane:
        return [each.seq for each in plane.inbox.lease(f"p{index}", realms=[REALM], limit=30)]


def test_two_processes_never_lease_the_same_event(
    store_settings: Settings, open_plane: OpenPlane
) -> None:
    queue(open_plane(), *(f"e{each:03}" for each in range(50)))
    # Not a Pool: it kills its processes in the end, and now and then waits for one it just started.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn) as pool:
        running = [pool.submit(_lease_in_a_process, store_settings, each) for each in range(2)]
    assert sorted(seq for each in running for seq in each.result()) == sorted(
        each.seq for each in open_plane().inbox.list()
    )
