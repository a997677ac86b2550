"""What names a company, a type and an object is read; what does not is seen by everybody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from ledgerguard_pipeline.alerts.policy import COMMON
from ledgerguard_pipeline.change_events import Operation
from ledgerguard_pipeline.cli.doctor.companies import companies
from ledgerguard_pipeline.cli.doctor.finding import CheckState
from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.webhook_queue.deliveries import Delivery
from ledgerguard_pipeline.control.webhook_queue.queue import EventStatus
from ledgerguard_pipeline.control.webhook_queue.rereading import Reread
from ledgerguard_pipeline.health.company_status import read_statuses
from ledgerguard_pipeline.health.rules import HealthState, ReasonKind
from ledgerguard_pipeline.ingestion.events.event_lease import InboxLease
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline.webhooks import parse as parsing
from ledgerguard_pipeline.webhooks.parse import parse
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import (
    OTHER_REALM,
    REALM,
    connect,
)
from ledgerguard_pipeline_tests.ingestion.company_books import differing, sync
from ledgerguard_pipeline_tests.web.webhooks.receiving import TOKEN, receiving


def cloud(**members: object) -> dict[str, Any]:
    """An event as documented, with some members replaced; None leaves one out."""
    event: dict[str, object] = {
        "specversion": "1.0",
        "id": "88cd52aa-33b6-4351-9aa4-47572edbd068",
        "source": "intuit.dsn=",
        "type": "qbo.invoice.updated.v1",
        "time": "2026-11-20T10:00:00.123456789Z",
        "intuitentityid": "12",
        "intuitaccountid": REALM,
        "data": {},
    } | members
    return {name: value for name, value in event.items() if value is not ...}


def body(*events: object) -> bytes:
    return json.dumps(list(events)).encode()


@pytest.mark.parametrize(
    "strange",
    [
        {"type": "qbo.invoice.updated.v1.1"},
        {"type": "qbo.invoice.updated.v2-beta"},
        {"type": "qbo.invoice.updated"},
        {"type": "QBO.Invoice.Updated.V1"},
        {"type": "com.intuit.qbo.invoice.updated.v1"},
        {"type": "invoice.updated.v1"},
        {"type": "qbo.invoice"},
        {"type": "qbo.invoice.re-opened.v1"},
        {"data": {"deletedid": ""}},
        {"data": {"deletedid": " "}},
        {"data": {"deletedid": None}},
        {"data": {"deletedid": ["27"]}},
        {"data": {"deletedid": {}, "alternative_ids": [{"id": "5"}]}},
        {"data": "gone", "datacontenttype": "text/plain"},
        {"data": ..., "datacontenttype": ...},
        {"id": "88cd52aa-33b6-4351-9aa4-47572edbd068-Invoice-12"},
        {"id": "no uuid at all"},
        {"id": {"guid": "1"}},
        {"id": ...},
        {"time": {"seconds": 1}},
        {"time": "2026-11-20T10:00:00Z"},
        {"source": ["x"]},
        {"intuitentityid": " 12 ", "intuitaccountid": f"{REALM} "},
        {"intuitentityid": 12},
        {"intuitaccountid": int(REALM)},
    ],
    ids=str,
)
def test_whatever_names_its_object_is_read(strange: dict[str, object]) -> None:
    found = parse(body(cloud(**strange)))
    assert found.unreadable == []
    (event,) = found.events
    assert (event.realm_id, event.entity, event.object_id) == (REALM, "Invoice", "12")
    assert event.absorbed_id is None
    assert event.event_id


@pytest.mark.parametrize("word", ["void", "voided", "Void"])
def test_a_void_is_known_by_either_word(word: str) -> None:
    (event,) = parse(body(cloud(type=f"qbo.invoice.{word}.v1"))).events
    assert event.operation is Operation.VOID


def test_a_merge_is_understood_however_its_loser_is_spelt() -> None:
    for data in ({"deletedid": "27"}, {"deletedId": "27"}, {"deletedid": 27}):
        (event,) = parse(body(cloud(type="qbo.customer.merged.v1.1", data=data))).events
        assert (event.operation, event.absorbed_id) == (Operation.MERGE, "27")


def test_the_older_shape_is_as_lenient() -> None:
    entities = [
        {"name": "Invoice", "id": "12", "operation": "Update", "deletedId": ""},
        {"name": "Invoice", "id": 13, "operation": ["Update"], "lastUpdated": 5},
        {"name": "Invoice", "id": "", "operation": "Update"},
    ]
    sent = {"eventNotifications": [
        {"realmId": REALM, "dataChangeEvent": {"entities": entities}},
        {"realmId": OTHER_REALM, "dataChangeEvent": None},
    ]}  # fmt: skip
    found = parse(json.dumps(sent).encode())
    assert [event.object_id for event in found.events] == ["12", "13"]
    assert [(each.realm_id, each.entity) for each in found.unreadable] == [
        (REALM, "Invoice"),
        (OTHER_REALM, ""),
    ]


def test_what_names_no_object_keeps_its_company_and_type() -> None:
    found = parse(body(
        cloud(intuitentityid=""),
        cloud(type="entirely.new"),
        cloud(intuitaccountid="x"),
        cloud(intuitentityid={"a": 1}, type="qbo.bill.updated.v9.9"),
    ))  # fmt: skip
    assert found.events == []
    assert [(each.realm_id, each.entity) for each in found.unreadable] == [
        (REALM, "Invoice"),
        (REALM, ""),
        ("", "Invoice"),
        (REALM, "Bill"),
    ]


@pytest.fixture
def plane(home: object) -> Iterator[ControlPlane]:
    with ControlPlane.open(load_settings()) as opened:
        connect(opened)
        connect(opened, OTHER_REALM)
        yield opened


def accept(plane: ControlPlane, *events: object) -> None:
    raw = body(*events)
    found = parse(raw)
    plane.deliveries.accept(
        [Delivery(raw, {}, "127.0.0.1", found.shape, found.events, found.unreadable)]
    )


def kinds(plane: ControlPlane, realm: RealmId) -> set[ReasonKind]:
    (found,) = read_statuses(plane, load_settings(), realms=[realm])
    assert found.health.state is HealthState.UNHEALTHY, "no tokens here, which hides the rest"
    return {
        kind
        for kind, count in (
            (ReasonKind.PARKED_EVENTS, found.facts.parked_events),
            (ReasonKind.UNREADABLE_EVENTS, found.facts.stray_events),
        )
        if count
    }


def test_an_unreadable_event_belongs_to_its_company(plane: ControlPlane) -> None:
    accept(plane, cloud(intuitentityid="", intuitaccountid=OTHER_REALM))
    assert kinds(plane, OTHER_REALM) == {ReasonKind.PARKED_EVENTS}
    assert kinds(plane, REALM) == set()
    (parked,) = plane.inbox.list(status=EventStatus.PARKED, realm=OTHER_REALM)
    assert parked.event.entity


def test_one_of_an_unknown_company_is_nobodys_trouble(plane: ControlPlane) -> None:
    accept(plane, cloud(intuitentityid="", intuitaccountid="1"))
    assert plane.inbox.backlog().by_status == {EventStatus.IGNORED: 1}


def test_without_a_company_all_of_the_installation_is_degraded_and_reported_once(
    plane: ControlPlane,
) -> None:
    accept(plane, cloud(intuitaccountid=...), "nonsense")
    assert kinds(plane, REALM) == kinds(plane, OTHER_REALM) == {ReasonKind.UNREADABLE_EVENTS}
    assert ReasonKind.UNREADABLE_EVENTS in COMMON
    sent = {each.topic: each for each in companies(load_settings())}
    assert sent["webhook events"].state is CheckState.ADVICE
    assert "2 parts" in sent["webhook events"].text

    numbers = [each.seq for each in plane.inbox.list(status=EventStatus.PARKED)]
    assert plane.inbox.dismiss(numbers, "junk") == 2
    assert kinds(plane, REALM) == set()


def test_what_an_older_version_could_not_read_is_read_again_on_redrive(
    plane: ControlPlane,
) -> None:
    """As 0.1.0 parked it: without company, type and object."""
    raw = body(cloud(type="qbo.invoice.updated.v1.1"), "junk")
    older = parse(body("first", "second")).unreadable
    plane.deliveries.accept([Delivery(raw, {}, "127.0.0.1", "cloudevents", [], older)])
    assert plane.inbox.backlog().parked == 2
    assert plane.inbox.redrive() == 0
    assert plane.deliveries.reread(parse, None, None) == Reread(queued=1, parts=2)
    assert plane.inbox.backlog().by_status == {EventStatus.PENDING: 1, EventStatus.PARKED: 1}
    (queued,) = plane.inbox.list(status=EventStatus.PENDING)
    assert (queued.event.realm_id, queued.event.object_id) == (REALM, "12")
    assert plane.deliveries.reread(parse, None, None).queued == 0, "now nothing is new"
    assert plane.inbox.unreadable() == 1


def test_a_version_that_reads_one_part_knows_the_others_by_the_same_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nameless = cloud(intuitentityid="")
    raw = body(cloud(type="new.in.this.version"), nameless, cloud(id="2"), nameless, "junk")
    newer = parse(raw)
    monkeypatch.setattr(parsing, "_kind", lambda _: None)
    older = parse(raw)
    assert (len(newer.unreadable), len(older.unreadable)) == (4, 5)
    assert [each.key for each in newer.unreadable] == [
        each.key for number, each in enumerate(older.unreadable) if number != 2
    ]
    assert len({each.key for each in older.unreadable}) == 5, "equal parts are two parts"
    other = parse(body(nameless)).unreadable
    assert other[0].key not in {each.key for each in newer.unreadable}, "of another delivery"


@pytest.mark.parametrize(
    "switches",
    [
        {"content_type": "application/cloudevents-batch+json", "type_version": "v1.1"},
        {"content_type": "application/cloudevents+json", "empty_deleted_id": True},
    ],
)
def test_signed_deliveries_of_new_forms_end_in_the_truth(
    connected: Installation, sandbox: SandboxServer, switches: dict[str, object]
) -> None:
    realm = RealmId(sandbox.realm_id)
    types = [entity for entity in connected.settings.kept_entities if entity.name == "Invoice"]
    assert sync(connected, types).ok
    settings = connected.settings.model_copy(
        update={"intuit_webhook_verifier_token": SecretStr(TOKEN)}
    )
    with receiving(settings, connected.control) as receiver:
        url = f"http://127.0.0.1:{receiver.port}/api/v1/webhooks/qbo"
        sandbox.send_webhooks(url, TOKEN, gather_seconds=0.0, **switches)
        sandbox.edit("void", "Invoice")
        sandbox.edit("update", "Invoice")
        sandbox.flush_webhooks()
    assert set(connected.control.inbox.backlog().by_status) == {EventStatus.PENDING}
    connected.control.inbox.lease("batch", realms=[realm])
    with connected.service(realm).open_events(InboxLease(connected.control.inbox, "batch")) as run:
        assert run.run().ok
    assert differing(connected, sandbox, types) == {}


def test_a_hundred_events_of_many_companies_in_a_megabyte_are_taken(plane: ControlPlane) -> None:
    padding = {"alternative_ids": ["x" * 9_900]}
    events = [
        cloud(id=f"e-{index}", intuitaccountid=(REALM, OTHER_REALM)[index % 2],
              intuitentityid=str(index), data=padding)
        for index in range(1, 101)
    ]  # fmt: skip
    raw = body(*events)
    assert len(raw) > 1_000_000
    settings = load_settings(intuit_webhook_verifier_token=SecretStr(TOKEN))
    with receiving(settings, plane) as receiver:
        assert receiver.post(raw, headers={"content-type": "application/cloudevents-batch+json"})
    assert plane.inbox.backlog(REALM).depth == plane.inbox.backlog(OTHER_REALM).depth == 50
