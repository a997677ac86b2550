from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from ledgerguard_pipeline.change_events import Unreadable
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.webhook_queue.deliveries import DeliveryOutcome
from ledgerguard_pipeline.control.webhook_queue.queue import EventStatus
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

GARBLED = Unreadable(key="f" * 64, reason="it is no JSON", excerpt="nonsense")


def test_the_raw_body_and_the_headers_are_kept(plane: ControlPlane, clock: FakeClock) -> None:
    connect(plane)
    body = b'\xff\x00[{"id": 1}] '
    (receipt,) = plane.deliveries.accept([delivery([event()], body=body)])
    (kept,) = plane.deliveries.list()
    assert kept.delivery_id == receipt.delivery_id
    assert kept.body == body
    assert kept.headers == {"intuit-t-id": "t-1"}
    assert kept.received_at == clock.now()
    assert (kept.outcome, kept.events, kept.fresh_events) == (DeliveryOutcome.QUEUED, 1, 1)
    assert "body" not in repr(kept), "bodies are long"


def test_an_event_is_queued_with_all_it_says(plane: ControlPlane) -> None:
    connect(plane)
    said = event("merge-1", entity="Customer", object_id="4", absorbed="27")
    plane.deliveries.accept([delivery([said])])
    (queued,) = plane.inbox.list()
    assert queued.event == said
    assert queued.status is EventStatus.PENDING
    assert queued.attempts == 0


def test_a_repeated_delivery_adds_no_event(plane: ControlPlane) -> None:
    connect(plane)
    outcomes = [plane.deliveries.accept([delivery([event("a"), event("b")])])[0] for _ in range(3)]
    assert [each.outcome for each in outcomes] == [
        DeliveryOutcome.QUEUED,
        DeliveryOutcome.DUPLICATE,
        DeliveryOutcome.DUPLICATE,
    ]
    assert len(plane.inbox.list()) == 2
    assert len(plane.deliveries.list()) == 3


def test_an_event_done_long_ago_is_not_done_again_when_replayed(plane: ControlPlane) -> None:
    queue(plane, "a")
    (taken,) = plane.inbox.lease("run", realms=[REALM])
    plane.inbox.done("run", [taken.seq])
    (receipt,) = plane.deliveries.accept([delivery([event("a")])])
    assert receipt.outcome is DeliveryOutcome.DUPLICATE
    assert plane.inbox.due_realms() == []


def test_the_same_event_in_one_batch_is_one_row(plane: ControlPlane) -> None:
    connect(plane)
    receipts = plane.deliveries.accept([delivery([event("a"), event("a")]) for _ in range(4)])
    assert sum(receipt.fresh for receipt in receipts) == 1
    assert len(plane.inbox.list()) == 1
    assert len(plane.deliveries.list()) == 4


def test_the_same_delivery_fifty_times_at_once_is_one_event(plane: ControlPlane) -> None:
    connect(plane)
    with ThreadPoolExecutor(8) as pool:
        receipts = list(
            pool.map(lambda _: plane.deliveries.accept([delivery([event("a")])])[0], range(50))
        )
    assert sum(receipt.fresh for receipt in receipts) == 1
    assert len(plane.inbox.list()) == 1
    assert plane.counters.read("webhook_deliveries") == {"queued": 1.0, "duplicate": 49.0}


def test_overlapping_deliveries_at_once_do_not_block_each_other(plane: ControlPlane) -> None:
    connect(plane)
    names = [f"e{each}" for each in range(20)]
    forth, back = [event(name) for name in names], [event(name) for name in reversed(names)]
    with ThreadPoolExecutor(8) as pool:
        done = list(
            pool.map(
                lambda each: plane.deliveries.accept([delivery(back if each % 2 else forth)]),
                range(16),
            )
        )
    assert sum(receipt.fresh for (receipt,) in done) == 20
    assert len(plane.inbox.list()) == 20


def test_what_cannot_be_read_is_parked_with_its_reason(plane: ControlPlane) -> None:
    connect(plane)
    (receipt,) = plane.deliveries.accept([delivery([event("a")], [GARBLED])])
    assert receipt.outcome is DeliveryOutcome.QUARANTINED
    (parked,) = plane.inbox.list(status=EventStatus.PARKED)
    assert parked.reason == "it is no JSON: nonsense"
    assert plane.inbox.due_realms() == [REALM]
    assert plane.inbox.redrive() == 0, "it names no object that could be read"


@pytest.mark.parametrize(
    "said,reason",
    [
        (event(realm="310687"), "no such company"),
        (event(entity="hologram"), "no entity type of this name"),
        (event(entity="ExchangeRate"), "no entity type of this name"),
    ],
)
def test_what_is_not_for_us_is_kept_and_not_queued(
    plane: ControlPlane, said: object, reason: str
) -> None:
    connect(plane)
    plane.deliveries.accept([delivery([said])])  # type: ignore[list-item]  # an event
    (ignored,) = plane.inbox.list()
    assert ignored.status is EventStatus.IGNORED
    assert reason in (ignored.reason or "")
    assert plane.inbox.backlog().depth == 0


def test_entity_types_the_installation_leaves_out_are_ignored(open_plane: OpenPlane) -> None:
    plane = open_plane(ledgerguard_entities=("Invoice",))
    connect(plane)
    plane.deliveries.accept([delivery([event("a"), event("b", entity="Customer")])])
    statuses = {each.event.entity: each.status for each in plane.inbox.list()}
    assert statuses == {"Invoice": EventStatus.PENDING, "Customer": EventStatus.IGNORED}


def test_events_of_a_disconnected_company_are_kept_but_not_queued(plane: ControlPlane) -> None:
    connect(plane)
    connect(plane, OTHER_REALM)
    plane.companies.set_status(REALM, ConnectionStatus.DISCONNECTED)
    plane.companies.set_status(OTHER_REALM, ConnectionStatus.NEEDS_REAUTH)
    plane.deliveries.accept([delivery([event("a"), event("b", realm=OTHER_REALM)])])
    statuses = {each.event.realm_id: each.status for each in plane.inbox.list()}
    assert statuses == {REALM: EventStatus.IGNORED, OTHER_REALM: EventStatus.PENDING}


def test_a_delivery_without_events_is_kept_too(plane: ControlPlane) -> None:
    (receipt,) = plane.deliveries.accept([delivery()])
    assert receipt.outcome is DeliveryOutcome.QUEUED
    assert len(plane.deliveries.list()) == 1


def test_thousands_of_events_in_one_delivery_are_all_queued(plane: ControlPlane) -> None:
    connect(plane)
    many = [event(f"e{each:05}") for each in range(1200)]
    (receipt,) = plane.deliveries.accept([delivery(many)])
    assert receipt.fresh == 1200
    assert plane.inbox.backlog().depth == 1200


def test_old_settled_events_are_forgotten_and_waiting_ones_are_not(
    plane: ControlPlane, clock: FakeClock
) -> None:
    queue(plane, "a")
    queue(plane, "b")
    plane.deliveries.accept([delivery([], [GARBLED])])
    first = plane.inbox.lease("run", realms=[REALM], limit=1)
    plane.inbox.done("run", [each.seq for each in first])
    clock.advance(3600)
    assert plane.deliveries.purge(clock.now() - timedelta(hours=2)) == 0
    assert plane.deliveries.purge(clock.now()) == 1
    assert [each.event.event_id[:2] for each in plane.inbox.list()] == ["un", "b"]
    assert len(plane.deliveries.list()) == 2


def test_a_failure_on_the_way_stores_nothing_at_all(
    plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(plane)

    def full(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(plane.counters, "add_all", full)
    with pytest.raises(OSError, match="disk full"):
        plane.deliveries.accept([delivery([event("a")])])
    assert plane.inbox.list() == []
    assert plane.deliveries.list() == []


def test_the_audit_lists_by_outcome(plane: ControlPlane) -> None:
    connect(plane)
    plane.deliveries.accept([delivery([event("a")]), delivery([], [GARBLED])])
    (quarantined,) = plane.deliveries.list(outcome=DeliveryOutcome.QUARANTINED)
    assert quarantined.unreadable == 1
    assert len(plane.deliveries.list(limit=1)) == 1
