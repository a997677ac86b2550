"""Events and deliveries for tests of the queue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from ledgerguard_pipeline.change_events import ChangeEvent, Operation, Unreadable
from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.webhook_queue.deliveries import Delivery
from ledgerguard_pipeline.values import Environment, RealmId

REALM = RealmId("9341453474484455")
OTHER_REALM = RealmId("9341453474484456")


def event(
    name: str = "e1",
    *,
    realm: str = REALM,
    entity: str = "Invoice",
    object_id: str = "12",
    operation: Operation = Operation.UPDATE,
    absorbed: str | None = None,
) -> ChangeEvent:
    return ChangeEvent(
        key=name.ljust(64, "-")[:64],
        event_id=name,
        realm_id=realm,
        entity=entity,
        object_id=object_id,
        operation=operation,
        occurred_at=datetime(2026, 11, 1, 11, 59, tzinfo=UTC),
        absorbed_id=absorbed,
    )


def delivery(
    events: Sequence[ChangeEvent] = (), unreadable: Sequence[Unreadable] = (), body: bytes = b"[]"
) -> Delivery:
    return Delivery(
        body=body,
        headers={"intuit-t-id": "t-1"},
        client="127.0.0.1",
        shape="cloudevents",
        events=events,
        unreadable=unreadable,
    )


def connect(plane: ControlPlane, realm: RealmId = REALM) -> None:
    plane.companies.put(
        Company(
            realm_id=realm,
            environment=Environment.SANDBOX,
            name="Craig's Design",
            status=ConnectionStatus.CONNECTED,
            connected_at=datetime(2026, 10, 1, tzinfo=UTC),
        )
    )


def queue(plane: ControlPlane, *names: str, realm: RealmId = REALM) -> None:
    """Queue events of these names of a connected company."""
    connect(plane, realm)
    plane.deliveries.accept([delivery([event(name, realm=realm) for name in names])])
