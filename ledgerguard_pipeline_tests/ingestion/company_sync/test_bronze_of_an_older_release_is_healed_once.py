"""Bronze of release 0.1.0: stubs are read whole, doubled versions set aside, links masked, once."""

from __future__ import annotations

import pytest

from ledgerguard_pipeline.entities import entity_type, entity_types
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.ingestion.company_books import (
    differing,
    failures,
    realm_of,
    states,
    stored,
    sync,
)
from ledgerguard_pipeline_tests.ingestion.company_sync.old_rows import age, double, link, stub

KEPT = entity_types(["Invoice", "Customer", "Item", "Attachable"])
INVOICE, ATTACHABLE = entity_type("Invoice"), entity_type("Attachable")


@pytest.fixture
def old(connected: Installation, sandbox: SandboxServer) -> Installation:
    """A company as 0.1.0 may have left it."""
    assert failures(sync(connected, KEPT)) == {}
    realm = realm_of(sandbox)
    one, two, three = sorted(stored(connected, INVOICE, realm))[:3]
    sandbox.edit("update", "Invoice", one)
    sync(connected, KEPT)
    stub(connected, "invoice", two)
    double(connected, "invoice", three, '"InvoiceLink":"https://example.com"')
    item = min(stored(connected, entity_type("Item"), realm))
    double(connected, "item", item, '"DeferredRevenue":false')
    attached = min(
        id
        for id, body in stored(connected, ATTACHABLE, realm).items()
        if b"TempDownloadUri" in body
    )
    link(connected, "attachable", attached, 3)
    age(connected)
    sandbox.pop_log()
    return connected


def figures(installation: Installation) -> dict[str, tuple[object, ...]]:
    """Rows and objects of each type."""
    return {
        entity.name: installation.bronze.sql(
            f"SELECT count(*), count(DISTINCT id) FROM bronze.{entity.table}"
        )[1][0]
        for entity in KEPT
    }


def test_the_first_sync_heals_and_says_what_it_did(
    old: Installation, sandbox: SandboxServer
) -> None:
    result = sync(old, KEPT)
    assert failures(result) == {}
    assert differing(old, sandbox, KEPT) == {}
    notes = {each.entity: each.note for each in result.results if each.note}
    assert notes == {
        "Invoice": "healed rows of an earlier release: 1 doubled, 1 held in part and read whole",
        "Item": "healed rows of an earlier release: 1 doubled",
        "Attachable": "healed rows of an earlier release: 3 doubled, 4 with signed links, now "
        "masked",
    }
    surplus = {name: int(str(rows)) - int(str(ids)) for name, (rows, ids) in figures(old).items()}
    assert surplus == {"Invoice": 1, "Customer": 0, "Item": 0, "Attachable": 0}, "one edit since"
    assert old.bronze.sql("SELECT why, count(*) FROM bronze._set_aside GROUP BY why ORDER BY why")[
        1
    ] == [("doubled", 5), ("partial", 1)]
    damaged = "payload_sha256 IS DISTINCT FROM sha256(payload) OR payload LIKE '%Signature=%'"
    for table in ("invoice", "item", "attachable", "_set_aside"):
        assert old.bronze.sql(f"SELECT count(*) FROM bronze.{table} WHERE {damaged}")[1] == [(0,)]


def test_healing_is_done_once(old: Installation, sandbox: SandboxServer) -> None:
    sync(old, KEPT)
    sandbox.pop_log()
    with_healing = old.bronze.sql("SELECT * FROM bronze._healing")[1]
    result = sync(old, KEPT)
    assert [call.endpoint for call in sandbox.pop_log()] == ["cdc"]
    assert not any(each.note for each in result.results)
    assert old.bronze.sql("SELECT * FROM bronze._healing")[1] == with_healing


def test_a_stub_of_an_object_that_is_gone_becomes_a_deletion(
    old: Installation, sandbox: SandboxServer
) -> None:
    two = sorted(stored(old, INVOICE, realm_of(sandbox)))[1]
    sandbox.edit("delete", "Invoice", two)
    assert failures(sync(old, KEPT)) == {}
    assert states(old, INVOICE, realm_of(sandbox))[two] == "deleted"
    assert differing(old, sandbox, KEPT) == {}


def test_a_stub_that_a_silent_grant_shows_no_more_is_not_buried(
    old: Installation, sandbox: SandboxServer
) -> None:
    two = sorted(stored(old, INVOICE, realm_of(sandbox)))[1]
    sandbox.set(silence={"entities": ["Invoice"], "read": "empty"})
    sync(old, KEPT)
    assert states(old, INVOICE, realm_of(sandbox))[two] not in {"deleted", "merged"}
    sandbox.set(silence=None)
    assert failures(sync(old, KEPT)) == {}
    assert differing(old, sandbox, KEPT) == {}


def test_what_cannot_be_read_now_is_left_and_healed_by_the_next_sync(
    old: Installation, sandbox: SandboxServer
) -> None:
    two = sorted(stored(old, INVOICE, realm_of(sandbox)))[1]
    sandbox.inject("forbidden", endpoint="query", entity="Invoice", next=50)
    sync(old, KEPT)
    assert "status" in stored(old, INVOICE, realm_of(sandbox))[two].decode()
    sandbox.clear_faults()
    sync(old, KEPT)
    assert differing(old, sandbox, KEPT) == {}


def test_reconcile_heals_as_well_whenever_it_runs(
    old: Installation, sandbox: SandboxServer
) -> None:
    sync(old, KEPT)
    two = sorted(stored(old, INVOICE, realm_of(sandbox)))[1]
    stub(old, "invoice", two)
    assert differing(old, sandbox, KEPT) == {"Invoice": [two]}
    assert failures(sync(old, KEPT, reconcile=True)) == {}
    assert differing(old, sandbox, KEPT) == {}
