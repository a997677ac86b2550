"""An event said that an object changed and no answer shows it: it is looked for again, later."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from ledgerguard_pipeline.change_events import ChangeEvent
from ledgerguard_pipeline.control.storage.schema import webhook_events
from ledgerguard_pipeline.control.webhook_queue.deliveries import Delivery
from ledgerguard_pipeline.control.webhook_queue.queue import SECOND_LOOK_SECONDS, EventStatus
from ledgerguard_pipeline.control.webhook_queue.queued_event import QueuedEvent
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.ingestion.events.event_lease import InboxLease
from ledgerguard_pipeline.ingestion.results import SyncResult
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.ingestion.company_books import (
    differing,
    failures,
    realm_of,
    states,
    sync,
)
from ledgerguard_pipeline_tests.ingestion.events.test_events_become_rows import event

INVOICE, CUSTOMER = entity_type("Invoice"), entity_type("Customer")


@pytest.fixture
def loaded(connected: Installation) -> Installation:
    assert failures(sync(connected, [INVOICE, CUSTOMER])) == {}
    return connected


def deliver(installation: Installation, *events: ChangeEvent) -> None:
    installation.control.deliveries.accept(
        [Delivery(b"[]", {}, "127.0.0.1", "cloudevents", events)]
    )


def work(installation: Installation, sandbox: SandboxServer, batch: str) -> SyncResult:
    """Act upon whatever is due, as the sensor and its run do."""
    installation.control.inbox.lease(batch, realms=[sandbox.realm_id])
    lease = InboxLease(installation.control.inbox, batch)
    with installation.service(realm_of(sandbox)).open_events(lease) as running:
        return running.run()


def waiting(installation: Installation) -> list[QueuedEvent]:
    return installation.control.inbox.list(status=EventStatus.PENDING)


def time_passes(installation: Installation) -> None:
    """Until postponed events are due again."""
    with installation.control.database.write("test") as connection:
        connection.execute(update(webhook_events).values(due_at=installation.control.now()))


@pytest.mark.parametrize("number", [1, 3])
def test_an_object_that_is_shown_late_is_never_deleted(
    loaded: Installation, sandbox: SandboxServer, number: int
) -> None:
    ids = [str(sandbox.edit("update", "Invoice")["id"]) for _ in range(number)]
    ids = sorted(set(ids))
    sandbox.set(unseen=[["Invoice", id] for id in ids])
    deliver(loaded, *(event(sandbox, "Update", "Invoice", id) for id in ids))
    first = work(loaded, sandbox, "batch-1")
    assert failures(first) == {}
    assert first.results[0].deleted == 0
    assert f"{len(ids)} of them not found yet" in str(first.results[0].note)
    held = waiting(loaded)
    assert len(held) == len(ids)
    for each in held:
        assert (each.attempts, each.missed_at is not None) == (0, True), "it was no failure"
        assert (each.due_at - each.missed_at).total_seconds() == SECOND_LOOK_SECONDS  # type: ignore[operator]  # checked
    assert work(loaded, sandbox, "batch-2").results == (), "it is not due yet"

    sandbox.set(unseen=[])
    time_passes(loaded)
    assert work(loaded, sandbox, "batch-3").results[0].written == len(ids)
    assert loaded.control.inbox.backlog().by_status == {EventStatus.DONE: len(ids)}
    assert differing(loaded, sandbox, [INVOICE]) == {}


@pytest.mark.parametrize("number", [1, 3])
def test_what_the_second_look_does_not_find_either_is_gone(
    loaded: Installation, sandbox: SandboxServer, number: int
) -> None:
    ids = [str(sandbox.edit("create", "Invoice")["id"]) for _ in range(number)]
    for id in ids:
        sandbox.edit("delete", "Invoice", id)
    deliver(loaded, *(event(sandbox, "Create", "Invoice", id) for id in ids))
    work(loaded, sandbox, "batch-1")
    assert not set(ids) & set(states(loaded, INVOICE, realm_of(sandbox)))
    time_passes(loaded)
    assert work(loaded, sandbox, "batch-2").results[0].deleted == number
    found = states(loaded, INVOICE, realm_of(sandbox))
    assert {found[id] for id in ids} == {"deleted"}
    assert loaded.control.inbox.backlog().by_status == {EventStatus.DONE: number}


def test_neighbours_of_what_is_not_found_are_done_at_once(
    loaded: Installation, sandbox: SandboxServer
) -> None:
    one, other = sorted(sandbox.truth("Invoice").bodies())[:2]
    sandbox.edit("update", "Invoice", other)
    sandbox.set(unseen=[["Invoice", one]])
    deliver(loaded, *(event(sandbox, "Update", "Invoice", id) for id in (one, other)))
    result = work(loaded, sandbox, "batch-1")
    assert (result.results[0].written, result.results[0].deleted) == (1, 0)
    assert loaded.control.inbox.backlog().by_status == {
        EventStatus.DONE: 1,
        EventStatus.PENDING: 1,
    }


def test_an_announced_deletion_needs_no_second_look(
    loaded: Installation, sandbox: SandboxServer
) -> None:
    gone = str(sandbox.edit("delete", "Invoice")["id"])
    deliver(
        loaded,
        event(sandbox, "Update", "Invoice", gone),
        event(sandbox, "Delete", "Invoice", gone),
    )
    result = work(loaded, sandbox, "batch-1")
    assert (result.results[0].deleted, result.api_calls) == (1, 1)
    assert loaded.control.inbox.backlog().by_status == {EventStatus.DONE: 2}
