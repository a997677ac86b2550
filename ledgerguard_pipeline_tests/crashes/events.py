"""Killed while a delivery is stored, and while its events become rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ledgerguard_pipeline.change_events import ChangeEvent, Operation
from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.control.webhook_queue.deliveries import Delivery
from ledgerguard_pipeline.control.webhook_queue.queue import LEASE_SECONDS, EventStatus
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.ingestion.events.event_lease import InboxLease
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.conftest import connect as connect_company
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import connect, delivery, event
from ledgerguard_pipeline_tests.crashes.deeds import EVENTS
from ledgerguard_pipeline_tests.crashes.stage import Stage
from ledgerguard_pipeline_tests.ingestion.company_books import differing, failures, realm_of, sync

WANTED = [entity_type("Invoice"), entity_type("Customer")]


def accepting(stage: Stage, point: str) -> None:
    with stage.plane() as control:
        connect(control)
    stage.dies(point, "accept")
    with stage.plane() as control:
        stored = 0 if point == "before_delivery_commit" else len(EVENTS)
        assert len(control.inbox.list()) == stored
        # Nothing was answered, so Intuit delivers again.
        again = delivery([event(name) for name in EVENTS])
        assert control.deliveries.accept([again])[0].fresh == len(EVENTS) - stored
        assert control.inbox.backlog().by_status == {EventStatus.PENDING: len(EVENTS)}


def acting_upon(stage: Stage, point: str) -> None:
    sandbox = stage.sandbox
    sandbox.set(limits=False)  # the clock of the next process is ahead of the sandbox's
    realm = realm_of(sandbox)
    with Installation.open(load_settings()) as installation:
        connect_company(installation, sandbox)
        assert failures(sync(installation, WANTED)) == {}
        changed = str(sandbox.edit("update", "Customer")["id"])
        gone = str(sandbox.edit("delete", "Invoice")["id"])
        events = [
            _announced(realm, Operation.UPDATE, "Customer", changed),
            _announced(realm, Operation.DELETE, "Invoice", gone),
        ]
        installation.control.deliveries.accept([Delivery(b"[]", {}, "", "cloudevents", events)])
        assert len(installation.control.inbox.lease("killed", realms=[realm])) == 2
    stage.dies(point, "act_upon", realm, "killed")
    later = FakeClock(datetime.now(UTC) + timedelta(seconds=LEASE_SECONDS + 5))
    with Installation.open(load_settings(), clock=later) as installation:
        inbox = installation.control.inbox
        assert len(inbox.lease("next", realms=[realm])) == (0 if point == "after_event_ack" else 2)
        service = installation.service(realm)
        with service.open_events(InboxLease(inbox, "next")) as running:
            assert failures(running.run()) == {}
        assert inbox.backlog().by_status == {EventStatus.DONE: 2}
        wrong = differing(installation, sandbox, WANTED)
        assert changed not in wrong.get("Customer", [])
        assert gone not in wrong.get("Invoice", [])
        # A deletion moves the balance of its customer, which no event announced.
        assert failures(sync(installation, WANTED)) == {}
        assert differing(installation, sandbox, WANTED) == {}
        versions = installation.bronze.sql(
            f"SELECT count(*) FROM bronze.customer WHERE id = '{changed}' UNION ALL "
            f"SELECT count(*) FROM bronze.invoice WHERE id = '{gone}'"
        )
        assert versions.rows == [(2,), (2,)], "one more version each, never two"


def _announced(realm: str, operation: Operation, entity: str, id: str) -> ChangeEvent:
    name = f"{operation}-{entity}-{id}"
    return ChangeEvent(
        key=name.ljust(64, "-"),
        event_id=name,
        realm_id=realm,
        entity=entity,
        object_id=id,
        operation=operation,
        occurred_at=datetime(2026, 3, 1, tzinfo=UTC),
    )
