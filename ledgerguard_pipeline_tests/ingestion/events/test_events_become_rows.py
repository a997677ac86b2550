"""Webhook events against the sandbox: what is announced is read, stored and acknowledged."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from ledgerguard_pipeline.change_events import ChangeEvent, Operation
from ledgerguard_pipeline.control.webhook_queue.deliveries import Delivery
from ledgerguard_pipeline.control.webhook_queue.queue import EventStatus
from ledgerguard_pipeline.entities import ENTITIES, entity_type, entity_types
from ledgerguard_pipeline.errors import LedgerGuardError
from ledgerguard_pipeline.ingestion.events.event_lease import InboxLease, NoLease
from ledgerguard_pipeline.ingestion.results import SyncResult
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import Mode
from ledgerguard_pipeline_tests.ingestion.company_books import (
    differing,
    failures,
    realm_of,
    states,
    stored,
    sync,
)

INVOICE, CUSTOMER = entity_type("Invoice"), entity_type("Customer")
SOME = entity_types(["Invoice", "Customer", "Payment", "Estimate", "TimeActivity", "Vendor"])
LONG_AGO = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def loaded(connected: Installation, sandbox: SandboxServer) -> Installation:
    """An installation that holds what these tests edit."""
    assert failures(sync(connected, SOME)) == {}
    sandbox.pop_log()
    return connected


@pytest.fixture
def whole(connected: Installation, sandbox: SandboxServer) -> Installation:
    """An installation that holds the whole company."""
    assert failures(sync(connected)) == {}
    sandbox.pop_log()
    return connected


def event(
    sandbox: SandboxServer,
    operation: str,
    entity: str,
    id: object,
    *,
    absorbed: object = None,
    at: datetime | None = LONG_AGO,
    name: str = "",
) -> ChangeEvent:
    text = f"{operation}/{entity}/{id}/{absorbed}/{at}/{name}"
    return ChangeEvent(
        key=hashlib.sha256(text.encode()).hexdigest(),
        event_id=f"event-{hashlib.sha256(text.encode()).hexdigest()[:12]}",
        realm_id=sandbox.realm_id,
        entity=entity,
        object_id=str(id),
        operation=Operation(operation),
        occurred_at=at,
        absorbed_id=None if absorbed is None else str(absorbed),
    )


def act(installation: Installation, sandbox: SandboxServer, *events: ChangeEvent) -> SyncResult:
    """Act upon events that come from no queue."""
    service = installation.service(realm_of(sandbox))
    with service.open_events(NoLease(events), run_id="run-1") as running:
        return running.run()


def versions(installation: Installation, table: str, id: str) -> Sequence[tuple[object, ...]]:
    return installation.bronze.sql(
        f"SELECT state, source, event_id, merged_into, run_id, payload FROM bronze.{table} "
        f"WHERE id = '{id}' ORDER BY loaded_at"
    )[1]


@pytest.mark.parametrize(
    "kind,operation,entity,state",
    [
        ("create", "Create", "Invoice", "active"),
        ("update", "Update", "Customer", "active"),
        ("delete", "Delete", "Payment", "deleted"),
        ("void", "Void", "Invoice", "voided"),
        ("update", "Emailed", "Estimate", "active"),
        ("deactivate", "Delete", "Customer", "inactive"),
        ("create", "Create", "TimeActivity", "active"),
        ("delete", "Delete", "TimeActivity", "deleted"),
        ("update", "Other", "Invoice", "active"),
    ],
)
def test_each_operation_brings_the_object_as_it_is_now(
    loaded: Installation,
    sandbox: SandboxServer,
    kind: str,
    operation: str,
    entity: str,
    state: str,
) -> None:
    id = str(sandbox.edit(kind, entity)["id"])
    announced = event(sandbox, operation, entity, id)
    result = act(loaded, sandbox, announced)
    assert failures(result) == {}
    assert [(each.entity, each.mode) for each in result.results] == [(entity, Mode.WEBHOOK)]
    assert result.api_calls == 1
    kept = versions(loaded, entity_type(entity).table, id)[-1]
    assert kept[:3] == (state, "webhook", announced.event_id)
    assert kept[4] == "run-1"
    truth = sandbox.truth(entity).bodies().get(id)
    assert kept[5] == (None if truth is None else truth.decode())


def test_a_merge_tells_where_the_loser_went(loaded: Installation, sandbox: SandboxServer) -> None:
    survivor, loser = sorted(stored(loaded, CUSTOMER, realm_of(sandbox)))[:2]
    sandbox.edit("merge", "Customer", survivor, loser=loser)
    result = act(loaded, sandbox, event(sandbox, "Merge", "Customer", survivor, absorbed=loser))
    assert failures(result) == {}
    assert result.api_calls == 2, "one of them for the documents that named the loser"
    found = states(loaded, CUSTOMER, realm_of(sandbox))
    assert (found[survivor], found[loser]) == ("active", "merged")
    assert versions(loaded, "customer", loser)[-1][3] == survivor
    assert differing(loaded, sandbox, [CUSTOMER]) == {}


@pytest.mark.parametrize("number", [1, 2])
def test_without_a_queue_what_is_not_found_is_left_to_the_next_sync(
    loaded: Installation, sandbox: SandboxServer, number: int
) -> None:
    held = sorted(stored(loaded, INVOICE, realm_of(sandbox)))[: 2 * number]
    gone, late = held[:number], held[number:]
    for each in gone:
        sandbox.edit("delete", "Invoice", each)
    sandbox.set(unseen=[["Invoice", each] for each in late])
    for operation in ("Create", "Update", "Void", "Emailed"):
        events = [event(sandbox, operation, "Invoice", each) for each in (*gone, *late)]
        result = act(loaded, sandbox, *events)
        assert (result.results[0].deleted, failures(result)) == (0, {})
        assert f"{2 * number} of them not found yet" in str(result.results[0].note)

    sandbox.set(unseen=[])
    assert failures(sync(loaded, [INVOICE])) == {}
    found = states(loaded, INVOICE, realm_of(sandbox))
    assert {found[each] for each in gone} == {"deleted"}
    assert {found[each] for each in late} == {"active"}


def test_an_object_announced_deleted_but_alive_stays_alive(
    loaded: Installation, sandbox: SandboxServer
) -> None:
    alive = min(stored(loaded, INVOICE, realm_of(sandbox)))
    other = max(stored(loaded, INVOICE, realm_of(sandbox)))
    for events in (
        [event(sandbox, "Delete", "Invoice", alive)],
        [event(sandbox, "Delete", "Invoice", each) for each in (alive, other)],
        [event(sandbox, "Delete", "Invoice", each, at=datetime.now(UTC)) for each in (alive, other)]
        + [event(sandbox, "Update", "Customer", 1, at=datetime.now(UTC))],
    ):
        result = act(loaded, sandbox, *events)
        assert failures(result) == {}
        assert result.results[0].deleted == 0
    assert differing(loaded, sandbox, [INVOICE]) == {}
    assert len(versions(loaded, "invoice", alive)) == 1


def test_old_and_repeated_and_reordered_events_change_nothing(
    loaded: Installation, sandbox: SandboxServer
) -> None:
    gone = str(sandbox.edit("delete", "Payment")["id"])
    changed = str(sandbox.edit("update", "Customer")["id"])
    story = [
        event(sandbox, "Create", "Payment", gone, at=LONG_AGO),
        event(sandbox, "Update", "Payment", gone, at=LONG_AGO + timedelta(days=1)),
        event(sandbox, "Delete", "Payment", gone, at=LONG_AGO + timedelta(days=2)),
        event(sandbox, "Update", "Customer", changed),
    ]
    act(loaded, sandbox, *story)
    before = [len(versions(loaded, table, id)) for table, id in
              (("payment", gone), ("customer", changed))]  # fmt: skip
    for again in (story, story[::-1], story[1:2], story[:1]):
        result = act(loaded, sandbox, *again)
        assert failures(result) == {}
        assert sum(each.written + each.deleted for each in result.results) == 0
    assert before == [
        len(versions(loaded, "payment", gone)),
        len(versions(loaded, "customer", changed)),
    ]
    assert differing(loaded, sandbox, [entity_type("Payment")]) == {}


def test_many_events_about_one_object_are_one_read(
    loaded: Installation, sandbox: SandboxServer
) -> None:
    id = str(sandbox.edit("update", "Invoice")["id"])
    many = [
        event(sandbox, "Update", "Invoice", id, at=LONG_AGO + timedelta(seconds=each))
        for each in range(50)
    ]
    result = act(loaded, sandbox, *reversed(many))
    assert result.api_calls == 1
    assert result.results[0].fetched == 1
    assert versions(loaded, "invoice", id)[-1][2] == many[-1].event_id, "the latest one"


def test_a_thousand_events_of_ten_types_are_a_handful_of_calls(
    whole: Installation, sandbox: SandboxServer
) -> None:
    names = ["Invoice", "Payment", "Customer", "Vendor", "Item", "Account", "Bill", "Purchase",
             "TimeActivity", "JournalEntry"]  # fmt: skip
    events: list[ChangeEvent] = []
    for name in names:
        ids = sorted(sandbox.truth(name).rows)[:100]
        sandbox.edit("update", name, ids[0])
        events += [
            event(sandbox, "Update", name, ids[each % len(ids)], name=str(each))
            for each in range(100)
        ]
    assert len(events) == 1000
    result = act(whole, sandbox, *events)
    assert failures(result) == {}
    assert result.api_calls <= 15
    assert result.metered_calls <= 15
    assert differing(whole, sandbox) == {}


def test_fresh_changes_of_several_types_are_one_call_and_a_proof(
    loaded: Installation, sandbox: SandboxServer
) -> None:
    now = datetime.now(UTC)
    announced = []
    for kind, operation, name in (
        ("update", "Update", "Invoice"),
        ("delete", "Delete", "Payment"),
        ("create", "Create", "Customer"),
        ("deactivate", "Delete", "Vendor"),
    ):
        id = sandbox.edit(kind, name)["id"]
        announced.append(event(sandbox, operation, name, id, at=now))
    sandbox.pop_log()
    result = act(loaded, sandbox, *announced)
    assert failures(result) == {}
    endpoints = sorted(call.endpoint for call in sandbox.pop_log())
    assert endpoints == ["batch", "read"], "the only deletion of its type is proven by a read"
    assert result.metered_calls == 3, "one for each type; what answers 610 is not metered"
    written = {each.entity: (each.written, each.deleted) for each in result.results}
    assert written["Payment"] == (0, 1)
    assert written["Invoice"] == written["Customer"] == written["Vendor"] == (1, 0)
    sources = loaded.bronze.sql(
        "SELECT DISTINCT source FROM bronze.invoice WHERE event_id IS NOT NULL"
    )[1]
    assert sources == [("webhook",)]


def test_an_event_about_an_object_that_did_not_change_writes_nothing(
    loaded: Installation, sandbox: SandboxServer
) -> None:
    """An event says it happened just now, but the object was last changed long before."""
    now = datetime.now(UTC)
    old = [event(sandbox, "Update", name, min(sandbox.truth(name).rows), at=now)
           for name in ("Invoice", "Customer")]  # fmt: skip
    result = act(loaded, sandbox, *old)
    assert failures(result) == {}
    assert [each.fetched for each in result.results] == [1, 1]
    assert sum(each.unchanged for each in result.results) == 2


def test_events_before_the_first_load_are_no_harm(
    connected: Installation, sandbox: SandboxServer
) -> None:
    id = min(sandbox.truth("Invoice").rows)
    assert failures(act(connected, sandbox, event(sandbox, "Update", "Invoice", id))) == {}
    assert connected.bronze.watermarks(realm_of(sandbox)) == {}, "nothing but the object is known"
    assert failures(sync(connected)) == {}
    assert differing(connected, sandbox) == {}


def test_an_unreadable_record_is_quarantined_and_its_neighbours_are_stored(
    loaded: Installation, sandbox: SandboxServer
) -> None:
    poison, good = sorted(sandbox.truth("Invoice").rows)[:2]
    sandbox.edit("update", "Invoice", good)
    sandbox.set(poison=[["Invoice", poison]])
    result = act(
        loaded, sandbox, *(event(sandbox, "Update", "Invoice", each) for each in (poison, good))
    )
    assert failures(result) == {}
    (only,) = result.results
    assert (only.written, only.quarantined) == (1, 1)
    assert states(loaded, INVOICE, realm_of(sandbox))[poison] == "active"


def test_a_refused_type_gives_back_only_its_own_events(
    loaded: Installation, sandbox: SandboxServer
) -> None:
    invoice = sandbox.edit("update", "Invoice")["id"]
    customer = sandbox.edit("update", "Customer")["id"]
    sandbox.inject("forbidden", entity="Invoice", next=1000)
    result = act(
        loaded,
        sandbox,
        event(sandbox, "Update", "Invoice", invoice),
        event(sandbox, "Update", "Customer", customer),
    )
    by_name = {each.entity: each.status for each in result.results}
    assert by_name == {"Customer": "ok", "Invoice": "failed"}


def queue_events(
    installation: Installation, sandbox: SandboxServer, *events: ChangeEvent
) -> InboxLease:
    """Deliver, lease as the sensor does, and take the lease as the run does."""
    installation.control.deliveries.accept(
        [Delivery(b"[]", {}, "127.0.0.1", "cloudevents", events)]
    )
    installation.control.inbox.lease("batch-1", realms=[sandbox.realm_id])
    return InboxLease(installation.control.inbox, "batch-1")


def test_queued_events_are_acknowledged_after_the_commit(
    loaded: Installation, sandbox: SandboxServer
) -> None:
    id = sandbox.edit("update", "Invoice")["id"]
    lease = queue_events(loaded, sandbox, event(sandbox, "Update", "Invoice", id))
    with loaded.service(realm_of(sandbox)).open_events(lease) as running:
        assert running.load(INVOICE).written == 1
        assert running.load(CUSTOMER).note == "no event of this run concerns it any more"
    assert loaded.control.inbox.backlog().by_status == {EventStatus.DONE: 1}
    assert differing(loaded, sandbox, [INVOICE]) == {}


def test_a_failed_read_gives_the_events_back_with_the_reason(
    loaded: Installation, sandbox: SandboxServer
) -> None:
    lease = queue_events(loaded, sandbox, event(sandbox, "Update", "Invoice", 1))
    sandbox.inject("forbidden", next=1000)
    with (
        loaded.service(realm_of(sandbox)).open_events(lease) as running,
        pytest.raises(LedgerGuardError) as caught,
    ):
        running.load(INVOICE)
    (waiting,) = loaded.control.inbox.list()
    assert (waiting.status, waiting.attempts) == (EventStatus.PENDING, 1)
    assert waiting.reason == str(caught.value)
    assert waiting.due_at > waiting.received_at


def test_a_batch_somebody_else_took_over_leaves_nothing_to_do(
    loaded: Installation, sandbox: SandboxServer
) -> None:
    queue_events(loaded, sandbox, event(sandbox, "Update", "Invoice", 1))
    late = InboxLease(loaded.control.inbox, "batch-0")
    with loaded.service(realm_of(sandbox)).open_events(late) as running:
        result = running.run()
    assert (result.results, result.api_calls) == ((), 0)
    assert loaded.control.inbox.backlog().by_status == {EventStatus.LEASED: 1}


def test_events_of_every_type_intuit_sends_can_be_acted_upon(
    whole: Installation, sandbox: SandboxServer
) -> None:
    named = [
        (entity, sorted(sandbox.truth(entity.name).rows))
        for entity in ENTITIES
        if entity.webhook and sandbox.truth(entity.name).rows
    ]
    events = [event(sandbox, "Update", entity.name, ids[0]) for entity, ids in named]
    result = act(whole, sandbox, *events)
    assert failures(result) == {}
    assert {each.entity for each in result.results} == {entity.name for entity, _ in named}
    assert sum(each.written + each.deleted for each in result.results) == 0
    assert differing(whole, sandbox) == {}
