"""What named a customer, an item or an account that went up in another one names the survivor."""

from __future__ import annotations

import json
from random import Random

import pytest

from ledgerguard_pipeline.entities import entity_type, entity_types
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.edits.editor import Editor
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.webhooks.handler import WebhookHandler
from ledgerguard_pipeline_tests.ingestion.company_books import (
    differing,
    failures,
    realm_of,
    states,
    sync,
)
from ledgerguard_pipeline_tests.webhooks.deliveries import Change, cloud_events

MERGED = ("Customer", "Vendor", "Employee", "Item", "Account", "Class", "Department")
CUSTOMER, ORDER = entity_type("Customer"), entity_type("PurchaseOrder")
FORMS = entity_types(["Invoice", "SalesReceipt", "Estimate", "CreditMemo", "Payment"])

touching = pytest.mark.parametrize("touching", [True, False])


def merge(sandbox: SandboxServer, entity: str) -> tuple[str, str]:
    """Merge two members that documents name; the survivor and the loser."""
    ids = list(sandbox.truth(entity).rows)
    for survivor in ids:
        for loser in ids:
            try:
                sandbox.edit("merge", entity, survivor, loser=loser)
            except ValueError:
                continue
            return survivor, loser
    raise AssertionError(f"no two {entity} objects can be merged")


@touching
def test_a_sync_brings_the_survivors_name_into_every_document(
    touching: bool, connected: Installation, sandbox: SandboxServer
) -> None:
    sandbox.set(merge_touches=touching)
    assert failures(sync(connected)) == {}
    losers = {entity: merge(sandbox, entity)[1] for entity in MERGED}
    assert failures(sync(connected)) == {}
    assert differing(connected, sandbox) == {}
    for name, loser in losers.items():
        assert states(connected, entity_type(name), realm_of(sandbox))[loser] == "merged"
    assert sync(connected).api_calls == 1, "nothing is read a second time"


@touching
def test_so_does_an_event(touching: bool, connected: Installation, sandbox: SandboxServer) -> None:
    sandbox.set(merge_touches=touching)
    assert failures(sync(connected)) == {}
    survivor, loser = merge(sandbox, "Customer")
    realm = realm_of(sandbox)
    body = cloud_events([Change("Customer", survivor, "Merge", realm=realm, absorbed=loser)])
    said = WebhookHandler("token").process_webhook(body, connected.client(realm), connected.bronze)
    assert said["status"] == "success"
    assert states(connected, CUSTOMER, realm)[loser] == "merged"
    assert differing(connected, sandbox, [CUSTOMER, *FORMS]) == {}


def test_orders_that_go_to_a_customer_name_the_survivor_too(
    connected: Installation, sandbox: SandboxServer
) -> None:
    """The reference is called ShipTo, and a name may have braces."""
    sandbox.set(merge_touches=False)
    survivor, loser = (str(sandbox.edit("create", "Customer")["id"]) for _ in range(2))
    company = sandbox.world.companies[sandbox.realm_id]
    (order, *_) = company.tables["PurchaseOrder"].rows
    with company.lock:
        editor = Editor(company, 0, Random(1))
        ship_to = {"ShipTo": {"name": "Yard {2}", "value": loser}}
        editor.save("PurchaseOrder", order, editor.read("PurchaseOrder", order) | ship_to)
        editor.settle()
    assert failures(sync(connected)) == {}
    sandbox.edit("merge", "Customer", survivor, loser=loser)
    assert failures(sync(connected)) == {}
    shown = json.loads(sandbox.truth("PurchaseOrder").bodies()[order])
    assert shown["ShipTo"]["value"] == survivor
    assert differing(connected, sandbox, [CUSTOMER, ORDER]) == {}


def test_an_end_that_a_walk_finds_is_followed_too(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sandbox.set(merge_touches=False)
    assert failures(sync(connected)) == {}
    merge(sandbox, "Customer")
    assert failures(sync(connected, [CUSTOMER], full=True)) == {}
    assert differing(connected, sandbox, [CUSTOMER, *FORMS]) == {}


def test_the_end_is_not_stored_before_the_documents_are(
    connected: Installation, sandbox: SandboxServer
) -> None:
    """Else nothing would ask for them again."""
    sandbox.set(merge_touches=False)
    assert failures(sync(connected)) == {}
    survivor, loser = merge(sandbox, "Customer")
    realm = realm_of(sandbox)
    body = cloud_events([Change("Customer", survivor, "Merge", realm=realm, absorbed=loser)])
    handler, client = WebhookHandler("token"), connected.client(realm)
    sandbox.inject("error_503_html", next=1000, endpoint="batch")
    assert handler.process_webhook(body, client, connected.bronze)["status"] == "error"
    assert states(connected, CUSTOMER, realm)[loser] == "active"
    sandbox.clear_faults()
    assert handler.process_webhook(body, client, connected.bronze)["status"] == "success"
    assert states(connected, CUSTOMER, realm)[loser] == "merged"
    assert differing(connected, sandbox, [CUSTOMER, *FORMS]) == {}


def test_a_document_that_cannot_be_read_stops_no_other(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sandbox.set(merge_touches=False)
    assert failures(sync(connected)) == {}
    merge(sandbox, "Customer")
    (poisoned, *_) = sorted(differing(connected, sandbox, FORMS)["SalesReceipt"])
    sandbox.set(poison=[["SalesReceipt", poisoned]])
    assert failures(sync(connected, [CUSTOMER])) == {}
    assert differing(connected, sandbox, [CUSTOMER, *FORMS]) == {"SalesReceipt": [poisoned]}
