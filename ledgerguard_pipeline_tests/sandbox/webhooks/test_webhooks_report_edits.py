"""An edit of the books becomes signed events, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledgerguard_pipeline.sandbox.seed.build import build_company
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.sandbox.caller import (
    NOW,
    OTHER_REALM,
    REALM,
    Caller,
    calling,
    tiny_company,
)
from ledgerguard_pipeline_tests.sandbox.webhooks.receiver import TOKEN, Posted, Receiver

NOT_ANNOUNCED = (
    "CompanyInfo",
    "Attachable",
    "TaxCode",
    "TaxRate",
    "ExchangeRate",
    "RecurringTransaction",
    "ReimburseCharge",
    "InventoryAdjustment",
    "CreditCardPayment",
    "CustomerType",
)
"""qbo-api.md 8.3: entities without webhooks."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as ready:
        yield ready


@pytest.fixture
def sandbox(receiver: Receiver) -> Iterator[SandboxServer]:
    """Two companies, the first connected; webhooks are gathered until they are flushed."""
    with calling(build_company(REALM, invoices=30, now=NOW), tiny_company(OTHER_REALM)) as caller:
        caller.server.send_webhooks(receiver.url, TOKEN, held=True)
        yield caller.server


def _reported(sandbox: SandboxServer, receiver: Receiver) -> list[Posted]:
    """What arrives by flushing now."""
    before = len(receiver.posted)
    sandbox.flush_webhooks()
    return receiver.posted[before:]


def _customers(sandbox: SandboxServer) -> list[str]:
    return sorted(sandbox.truth("Customer").rows, key=int)


def test_an_edit_arrives_signed_over_its_raw_bytes_with_intuits_headers(
    sandbox: SandboxServer, receiver: Receiver
) -> None:
    sandbox.edit("update", "Invoice", note="naïve «edit» ✎")
    (posted,) = _reported(sandbox, receiver)
    assert posted.genuine
    assert posted.path == "/api/v1/webhooks/qbo"
    assert posted.headers["user-agent"] == "intuit_notification_server/0.1"
    assert posted.headers["content-type"] == "application/json"
    assert {
        "intuit-t-id",
        "intuit-created-time",
        "intuit-notification-schema-version",
    } <= posted.headers.keys()


@pytest.mark.parametrize(
    "kind,entity,name,verb",
    [
        ("create", "Invoice", "invoice", "created"),
        ("update", "Invoice", "invoice", "updated"),
        ("delete", "Invoice", "invoice", "deleted"),
        ("void", "Invoice", "invoice", "void"),
        ("email", "Estimate", "estimate", "emailed"),
        ("deactivate", "Vendor", "vendor", "updated"),
        ("update", "TimeActivity", "timeactivity", "updated"),
        ("update", "CompanyCurrency", "currency", "updated"),
    ],
)
def test_each_kind_of_edit_is_a_cloud_event(
    sandbox: SandboxServer, receiver: Receiver, kind: str, entity: str, name: str, verb: str
) -> None:
    rows = sandbox.truth(entity).rows
    id = None if kind == "create" else next(id for id, row in rows.items() if row.active)
    done = sandbox.edit(kind, entity, id)
    (posted,) = _reported(sandbox, receiver)
    wanted = [each for each in posted.json if each["type"] == f"qbo.{name}.{verb}.v1"]
    (event,) = [each for each in wanted if each["intuitentityid"] == done["id"]]
    assert event["intuitaccountid"] == REALM
    assert event["specversion"] == "1.0"
    assert event["time"].endswith("Z")
    assert event["source"].startswith("intuit.")


def test_the_id_of_an_employee_is_padded_with_zeros(
    sandbox: SandboxServer, receiver: Receiver
) -> None:
    done = sandbox.edit("update", "Employee")
    (posted,) = _reported(sandbox, receiver)
    (event,) = [each for each in posted.json if each["type"] == "qbo.employee.updated.v1"]
    assert event["intuitentityid"] == str(done["id"]).zfill(18)


def test_a_merge_names_the_survivor_and_the_deleted_id(
    sandbox: SandboxServer, receiver: Receiver
) -> None:
    survivor, loser = _customers(sandbox)[-2:]
    sandbox.edit("merge", "Customer", survivor, loser=loser)
    (posted,) = _reported(sandbox, receiver)
    (event,) = [each for each in posted.json if each["type"] == "qbo.customer.merged.v1"]
    assert event["intuitentityid"] == survivor
    assert event["data"] == {"deletedid": loser}
    assert loser not in [
        each["intuitentityid"] for each in posted.json if "customer" in each["type"]
    ]


def test_the_legacy_shape_groups_by_company_and_keeps_the_order(
    sandbox: SandboxServer, receiver: Receiver
) -> None:
    sandbox.set_webhooks(shape="legacy", connected_only=False)
    survivor, loser = _customers(sandbox)[-2:]
    sandbox.edit("merge", "Customer", survivor, loser=loser)
    sandbox.edit("update", "Customer", realm_id=OTHER_REALM)
    sandbox.edit("update", "Preferences")
    (posted,) = _reported(sandbox, receiver)
    assert posted.genuine
    first, second = posted.json["eventNotifications"]
    assert (first["realmId"], second["realmId"]) == (REALM, OTHER_REALM)
    entities = first["dataChangeEvent"]["entities"]
    (merge,) = [each for each in entities if each["operation"] == "Merge"]
    assert (merge["name"], merge["id"], merge["deletedId"]) == ("Customer", survivor, loser)
    assert (entities[-1]["name"], entities[-1]["operation"]) == ("Preferences", "Update")
    assert [each["name"] for each in second["dataChangeEvent"]["entities"]] == ["Customer"]
    assert all("deletedId" not in each for each in entities if each["operation"] != "Merge")


def test_one_cloud_events_body_carries_several_companies(
    sandbox: SandboxServer, receiver: Receiver
) -> None:
    sandbox.set_webhooks(connected_only=False)
    for realm in (REALM, OTHER_REALM, REALM):
        sandbox.edit("update", "Customer", realm_id=realm)
    (posted,) = _reported(sandbox, receiver)
    assert [each["intuitaccountid"] for each in posted.json] == [REALM, OTHER_REALM, REALM]


def test_types_without_webhooks_and_balances_that_move_tell_nothing(
    sandbox: SandboxServer, receiver: Receiver
) -> None:
    for entity in NOT_ANNOUNCED:
        sandbox.edit("update", entity)
    for entity in ("Account", "Customer", "Vendor"):
        sandbox.edit("touch_balance", entity)
    assert _reported(sandbox, receiver) == []
    assert sandbox.webhooks().events == 0


def test_a_balance_moved_by_a_new_document_tells_of_the_document_only(
    sandbox: SandboxServer, receiver: Receiver
) -> None:
    done = sandbox.edit("create", "Invoice")
    changes = done["changes"]
    assert isinstance(changes, list)
    assert "Touch" in {change["op"] for change in changes}
    (posted,) = _reported(sandbox, receiver)
    assert {each["type"] for each in posted.json} == {"qbo.invoice.created.v1"}


def test_a_burst_tells_of_each_of_its_changes_once_and_in_order(
    sandbox: SandboxServer, receiver: Receiver
) -> None:
    sandbox.set_webhooks(most_events=10_000)
    changes = sandbox.edit("burst", "*", n=40)["changes"]
    assert isinstance(changes, list)
    (posted,) = _reported(sandbox, receiver)
    wanted = [
        change["id"]
        for change in changes
        if change["op"] != "Touch" and change["entity"] not in NOT_ANNOUNCED
    ]
    assert [each["intuitentityid"] for each in posted.json] == wanted


def test_only_companies_with_a_live_grant_have_events(
    sandbox: SandboxServer, receiver: Receiver
) -> None:
    sandbox.edit("update", "Customer", realm_id=OTHER_REALM)
    assert _reported(sandbox, receiver) == []
    with Caller(sandbox, OTHER_REALM):
        sandbox.edit("update", "Customer", realm_id=OTHER_REALM)
    assert len(_reported(sandbox, receiver)) == 1
    sandbox.disconnect(OTHER_REALM)
    sandbox.edit("update", "Customer", realm_id=OTHER_REALM)
    assert _reported(sandbox, receiver) == []


def test_an_inactive_list_member_can_be_reported_as_deleted(
    sandbox: SandboxServer, receiver: Receiver
) -> None:
    sandbox.set_webhooks(inactive_as="Delete")
    for entity in ("Vendor", "Term"):
        rows = sandbox.truth(entity).rows
        id = next(id for id, row in rows.items() if row.active)
        sandbox.edit("deactivate", entity, id)
        sandbox.edit("update", entity, id)
    (posted,) = _reported(sandbox, receiver)
    assert [each["type"] for each in posted.json] == [
        "qbo.vendor.deleted.v1",
        "qbo.vendor.updated.v1",
        "qbo.term.updated.v1",
        "qbo.term.updated.v1",
    ]


def test_samples_vary_as_intuits_do(sandbox: SandboxServer, receiver: Receiver) -> None:
    for _ in range(40):
        sandbox.edit("update", "Term")
    (posted,) = _reported(sandbox, receiver)
    assert {len(each["time"]) for each in posted.json} == {20, 24, 30}
    assert {"data" in each for each in posted.json} == {True, False}
    assert {len(each["id"]) > 36 for each in posted.json} == {True, False}
    assert len(set(posted.event_ids())) == 40


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/hook",
        "http://192.0.2.1:80/hook",
        "https://127.0.0.1/hook",
        "http://user:pass@127.0.0.1/hook",
        "http://127.0.0.1.example.com/hook",
        "file:///etc/passwd",
        "http://127.0.0.1:99999/hook",
        "http://127.0.0.1/a b\r\nX: y",
        "nonsense",
        "",
    ],
)
def test_only_a_receiver_on_this_machine_is_accepted(
    sandbox: SandboxServer, receiver: Receiver, url: str
) -> None:
    with pytest.raises(ValueError, match="no receiver on this machine"):
        sandbox.send_webhooks(url, TOKEN)
    assert sandbox.webhook_switches()["url"] == receiver.url


@pytest.mark.parametrize(
    "patch",
    [{"loss": 1.5}, {"shape": "xml"}, {"nonsense": 1}, {"token": ""}, {"delay_seconds": -1}],
)
def test_a_wrong_switch_is_refused_and_changes_nothing(
    sandbox: SandboxServer, patch: dict[str, object]
) -> None:
    before = sandbox.webhook_switches()
    with pytest.raises(ValueError, match="refuses webhooks"):
        sandbox.set_webhooks(held=False, **patch)
    assert sandbox.webhook_switches() == before


def test_the_token_is_never_shown(sandbox: SandboxServer, receiver: Receiver) -> None:
    sandbox.edit("update", "Term")
    sandbox.flush_webhooks()
    shown = f"{sandbox.webhook_switches()}{sandbox.deliveries()}{sandbox.webhooks()}"
    assert TOKEN not in shown
    assert sandbox.webhook_switches()["token"] is True
