from __future__ import annotations

import json

import pytest
from pydantic import SecretStr

import ledgerguard_pipeline
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.webhooks.handler import WebhookHandler
from ledgerguard_pipeline.webhooks.signature import sign
from ledgerguard_pipeline_tests.ingestion.company_books import differing, realm_of, states, sync
from ledgerguard_pipeline_tests.webhooks.deliveries import Change, cloud_events, legacy

TOKEN = "made-up-verifier-token"
INVOICE, CUSTOMER = entity_type("Invoice"), entity_type("Customer")


def test_it_is_a_public_name() -> None:
    assert ledgerguard_pipeline.WebhookHandler is WebhookHandler


def test_signatures_are_checked_over_bytes_or_text() -> None:
    handler = WebhookHandler(SecretStr(TOKEN))
    body = "[]é"
    assert handler.verify_webhook_signature(body.encode(), sign(body.encode(), TOKEN))
    assert handler.verify_webhook_signature(body, sign(body.encode(), TOKEN))
    assert not handler.verify_webhook_signature(body, "é")
    assert not handler.verify_webhook_signature("\ud800", sign(b"", TOKEN))
    assert not WebhookHandler(None).verify_webhook_signature(b"", sign(b"", ""))


def test_answers_say_success_or_error() -> None:
    handler = WebhookHandler(TOKEN)
    assert handler.generate_webhook_response(True) == {"status": "success"}
    assert handler.generate_webhook_response(False, "not stored") == {
        "status": "error",
        "message": "not stored",
    }


@pytest.mark.parametrize("shape", [cloud_events, legacy])
def test_a_delivery_is_acted_upon_in_any_form(
    connected: Installation, sandbox: SandboxServer, shape: type
) -> None:
    sync(connected, [INVOICE, CUSTOMER])
    changed = str(sandbox.edit("update", "Customer")["id"])
    gone = str(sandbox.edit("delete", "Invoice")["id"])
    realm = realm_of(sandbox)
    body = shape(
        [
            Change("Customer", changed, realm=realm),
            Change("Invoice", gone, "Delete", realm=realm),
            Change("Invoice", "1", realm="9341453474484499"),
            Change("Hologram", "1", realm=realm),
        ]
    )
    handler, client = WebhookHandler(TOKEN), connected.client(realm)
    said = handler.process_webhook(body, client, connected.bronze)
    assert (said["status"], said["events"], said["processed"], said["ignored"]) == (
        "success",
        4,
        2,
        2,
    )
    assert said["unreadable"] == []
    assert differing(connected, sandbox, [CUSTOMER]) == {}
    assert states(connected, INVOICE, realm)[gone] == "deleted"
    for again in (body, body.decode(), json.loads(body)):
        repeated = handler.process_webhook(again, client, connected.bronze)
        assert repeated["total_entities_written"] == 0


def test_a_failure_asks_for_another_delivery(
    connected: Installation, sandbox: SandboxServer
) -> None:
    realm = realm_of(sandbox)
    sandbox.inject("forbidden", next=1000)
    body = cloud_events([Change(realm=realm)])
    said = WebhookHandler(TOKEN).process_webhook(body, connected.client(realm), connected.bronze)
    assert said["status"] == "error"


def test_junk_is_reported_and_costs_no_call(
    connected: Installation, sandbox: SandboxServer
) -> None:
    realm = realm_of(sandbox)
    sandbox.pop_log()
    said = WebhookHandler(TOKEN).process_webhook(
        b"nonsense", connected.client(realm), connected.bronze
    )
    assert (said["status"], said["processed"]) == ("success", 0)
    assert said["unreadable"]
    assert sandbox.pop_log() == []


def test_data_that_is_no_json_is_refused_by_name() -> None:
    with pytest.raises(BadInputError, match="raw bytes"):
        WebhookHandler(TOKEN).parse([object()])
