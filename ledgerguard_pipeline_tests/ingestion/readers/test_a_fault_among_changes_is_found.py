"""A fault inside an answer of change data capture names no type, and hides no other's changes."""

from __future__ import annotations

import pytest

from ledgerguard_pipeline.entities import entity_types
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.ingestion.company_books import (
    differing,
    failures,
    realm_of,
    stored,
    sync,
)

TYPES = entity_types(["Invoice", "Estimate", "Customer", "Vendor"])
INVOICE = TYPES[0]


@pytest.mark.parametrize("order", ["request", "reversed"])
def test_what_else_changed_beside_a_record_that_cannot_be_shown_is_read(
    connected: Installation, sandbox: SandboxServer, order: str
) -> None:
    assert failures(sync(connected, TYPES)) == {}
    bad, good, *_ = sorted(sandbox.truth("Invoice").rows)
    for id in (bad, good):
        sandbox.edit("update", "Invoice", id, note="changed beside it")
    sandbox.edit("update", "Estimate")
    sandbox.set(cdc_fault="inside", cdc_order=order, poison=[["Invoice", bad]])

    result = sync(connected, TYPES)

    assert failures(result) == {}
    assert differing(connected, sandbox, TYPES) == {"Invoice": [bad]}
    assert b"changed beside it" in stored(connected, INVOICE, realm_of(sandbox))[good]
    (invoices,) = [each for each in result.results if each.entity == "Invoice"]
    assert invoices.quarantined == 1


@pytest.mark.parametrize("order", ["request", "reversed"])
def test_types_without_news_are_not_left_out_of_later_calls(
    connected: Installation, sandbox: SandboxServer, order: str
) -> None:
    assert failures(sync(connected, TYPES)) == {}
    (bad, *_) = sorted(sandbox.truth("Invoice").rows)
    sandbox.edit("update", "Invoice", bad)
    sandbox.set(cdc_fault="inside", cdc_order=order, poison=[["Invoice", bad]])
    assert failures(sync(connected, TYPES)) == {}
    sandbox.set(poison=[])

    sandbox.pop_log()
    assert failures(sync(connected, TYPES)) == {}

    asked = [call.target for call in sandbox.pop_log() if call.endpoint == "cdc"]
    assert set(asked[0].split(",")) == {entity.name for entity in TYPES}
    assert differing(connected, sandbox, TYPES) == {}
