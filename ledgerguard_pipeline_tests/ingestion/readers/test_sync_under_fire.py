"""Faults, poison and edits in the middle of a sync cost calls, never rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from ledgerguard_pipeline.entities import EntityType, entity_type, entity_types
from ledgerguard_pipeline.ingestion.readers import full_load
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.qbo.answers.cdc import Changes
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.first_loads import Loaded
from ledgerguard_pipeline_tests.ingestion.company_books import (
    differing,
    failures,
    realm_of,
    stored,
    sync,
)

INVOICE, CUSTOMER = entity_type("Invoice"), entity_type("Customer")
EDITED = entity_types(["Customer", "Invoice", "Item", "Account"])
"""What edits of customers and invoices change, their balances and stock included."""


@pytest.mark.parametrize(
    "hazard",
    [
        {"update": 3},
        {"delete": 3},
        {"insert": 3},
        {"update": 5, "delete": 30, "insert": 5},
    ],
    ids=["updates", "deletes", "inserts", "all"],
)
def test_edits_between_pages_lose_no_row(
    connected: Installation, sandbox: SandboxServer, hazard: dict[str, int]
) -> None:
    sandbox.edit("burst", "Invoice", n=10)
    sandbox.set(limits=False)
    for _ in range(3):
        sandbox.edit("burst", "Customer", n=900)
    sandbox.set(hazard={"entities": ["Customer", "Invoice"], "pages": 30, **hazard})
    result = sync(connected, EDITED)
    sandbox.set(hazard=None)
    assert failures(result) == {}
    sync(connected, EDITED)
    assert differing(connected, sandbox, EDITED) == {}


def test_what_is_edited_during_a_walk_comes_with_the_same_sync(
    connected: Installation, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[datetime] = []
    ask = QBOClient.changes

    def noted(client: QBOClient, entities: Sequence[EntityType], since: datetime) -> Changes:
        asked.append(since)
        return ask(client, entities, since)

    monkeypatch.setattr(QBOClient, "changes", noted)
    sandbox.set(limits=False)
    for _ in range(3):
        sandbox.edit("burst", "Customer", n=900)
    sandbox.set(hazard={"entities": ["Customer"], "pages": 2, "update": 150})
    began = datetime.now(UTC)

    result = sync(connected, [CUSTOMER])

    assert failures(result) == {}
    assert "Customer" not in differing(connected, sandbox)
    assert asked
    assert max(asked) < began, "the change pass must reach back to before the walk"


def test_a_row_that_vanished_unreported_while_a_walk_lay_broken_is_found_by_the_count(
    connected: Installation, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(full_load, "CHUNK_PAGES", 1)
    sandbox.set(limits=False)
    for _ in range(1700):
        sandbox.edit("create", "Invoice")
    sandbox.inject("forbidden", probability=1.0, endpoint="query", entity="Invoice", skip=2)
    assert set(failures(sync(connected, [INVOICE]))) == {"Invoice"}
    sandbox.clear_faults()
    held = stored(connected, INVOICE, realm_of(sandbox))
    assert 0 < len(held) < len(sandbox.truth("Invoice").rows)
    long_ago = int((datetime.now(UTC) - timedelta(days=90)).timestamp())
    sandbox.edit("delete", "Invoice", min(held), at=long_ago)

    result = sync(connected, [INVOICE])

    assert failures(result) == {}
    assert [each.complete for each in result.results] == [True]
    assert differing(connected, sandbox, [INVOICE]) == {}


def test_a_poison_record_is_quarantined_and_all_others_load(
    connected: Installation, sandbox: SandboxServer
) -> None:
    victim = sorted(sandbox.truth("Invoice").rows)[7]
    sandbox.set(poison=[["Invoice", victim]])
    result = sync(connected)
    assert failures(result) == {}
    assert differing(connected, sandbox) == {"Invoice": [victim]}
    (invoice,) = [each for each in result.results if each.entity == "Invoice"]
    assert (invoice.quarantined, invoice.complete) == (1, True)
    sandbox.set(poison=[])
    sync(connected, [INVOICE], full=True)
    assert differing(connected, sandbox) == {}
    assert connected.bronze.quarantined(realm_of(sandbox)) == {}, "though Intuit served no id"


def test_a_poison_record_among_changes_does_not_hide_the_other_types(
    loaded_company: Loaded,
) -> None:
    connected, sandbox = loaded_company
    poisoned = str(sandbox.edit("update", "Invoice")["id"])
    sandbox.edit("update", "Customer")
    sandbox.set(poison=[["Invoice", poisoned]])
    assert failures(sync(connected)) == {}
    assert set(differing(connected, sandbox)) == {"Invoice"}
    sandbox.set(poison=[])
    sync(connected, [INVOICE], full=True)
    assert differing(connected, sandbox) == {}


@pytest.mark.parametrize(
    "kind", ["error_503_html", "truncated", "reset", "fault_in_200", "html_200"]
)
def test_a_fault_now_and_then_is_ridden_out(
    connected: Installation, sandbox: SandboxServer, kind: str
) -> None:
    sandbox.inject(kind, next=1)
    assert failures(sync(connected, EDITED)) == {}
    assert differing(connected, sandbox, EDITED) == {}


def reasons(installation: Installation) -> tuple[str, ...]:
    """Why the only company is not healthy."""
    company_status = installation.company_status(installation.control.companies.list()[0].realm_id)
    assert company_status is not None
    return company_status.health.texts


def test_one_failing_entity_leaves_the_others_alone_and_heals(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sandbox.inject("application_error", probability=1.0, endpoint="batch_item", entity="Vendor")
    sandbox.inject("forbidden", probability=1.0, endpoint="query", entity="Vendor")
    failed = failures(sync(connected))
    assert set(failed) == {"Vendor"}
    assert "Vendor" not in connected.bronze.watermarks(realm_of(sandbox))
    assert set(differing(connected, sandbox)) == {"Vendor"}
    (noted,) = [text for text in reasons(connected) if "sync failed" in text]
    assert noted.startswith("The last sync failed for Vendor: ")
    assert "That does not go away by itself." in noted
    sandbox.clear_faults()
    assert failures(sync(connected)) == {}
    assert reasons(connected) == ()
    assert differing(connected, sandbox) == {}


def test_a_type_the_edition_lacks_is_no_failure(
    connected: Installation, sandbox: SandboxServer
) -> None:
    for endpoint in ("batch_item", "query"):
        sandbox.inject("feature_missing", probability=1.0, endpoint=endpoint, entity="Class")
    result = sync(connected)
    assert failures(result) == {}
    (only,) = [each for each in result.results if each.entity == "Class"]
    assert only.note == "this company's edition has no such objects"
    assert reasons(connected) == ()


def test_a_token_that_dies_in_the_middle_is_renewed(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sandbox.expire_tokens()
    assert failures(sync(connected)) == {}
    assert differing(connected, sandbox) == {}


def test_a_batch_that_cannot_carry_changes_falls_back_to_a_call_of_its_own(
    loaded_company: Loaded,
) -> None:
    connected, sandbox = loaded_company
    sandbox.edit("update", "Invoice")
    sandbox.pop_log()
    sandbox.inject("application_error", endpoint="batch_item", entity="Invoice")
    assert failures(sync(connected)) == {}
    asked = [call.endpoint for call in sandbox.pop_log()]
    assert asked == ["batch", "cdc", "query"], "the last for the invoice that changed"
    assert differing(connected, sandbox) == {}
