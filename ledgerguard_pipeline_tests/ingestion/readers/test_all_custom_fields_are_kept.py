"""Every custom field is read, of each kind, and no later read takes one away again."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from ledgerguard_pipeline.capabilities import WHOLE_COMPANY, Capability
from ledgerguard_pipeline.entities import entity_type, entity_types
from ledgerguard_pipeline.health.reasons import ReasonKind
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.qbo.queries.custom_fields import HONOURED, REFUSED, UNPROVEN
from ledgerguard_pipeline.sandbox.answers.custom_fields import CARRIERS
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import Mode
from ledgerguard_pipeline_tests.conftest import connect
from ledgerguard_pipeline_tests.ingestion.company_books import (
    differing,
    failures,
    realm_of,
    stored,
    sync,
)
from ledgerguard_pipeline_tests.ingestion.events.test_events_become_rows import act, event

TYPES = entity_types([*sorted(CARRIERS), "Item", "Account"])
EDITED = entity_types(["Invoice", "Vendor", "Customer", "Account"])
"""Types that are edited, one that has fields as well, and one that has none."""
INVOICE, VENDOR = entity_type("Invoice"), entity_type("Vendor")
KINDS = {"StringType", "NumberType", "DateType"}


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(invoices=12) as server:
        server.set(clock_offset_seconds=-30)  # nothing is read in the second in which it changed
        for entity in sorted(CARRIERS):
            server.edit("custom_fields", entity)
        yield server


def fields(installation: Installation, sandbox: SandboxServer, entity: str) -> int:
    """The most custom fields that any stored object of a type has."""
    rows = stored(installation, entity_type(entity), realm_of(sandbox)).values()
    return max(len(json.loads(row).get("CustomField", ())) for row in rows)


@pytest.mark.parametrize("batch", ["honoured", "ignored", "refused"])
def test_a_first_load_has_every_field_whatever_a_batch_does(
    connected: Installation, sandbox: SandboxServer, batch: str
) -> None:
    sandbox.set(include_on_batch=batch)
    assert failures(sync(connected, TYPES)) == {}
    assert differing(connected, sandbox, TYPES) == {}
    rows = stored(connected, VENDOR, realm_of(sandbox)).values()
    kinds = {each["Type"] for row in rows for each in json.loads(row).get("CustomField", ())}
    assert kinds == KINDS
    assert {name: fields(connected, sandbox, name) for name in CARRIERS} == dict.fromkeys(
        CARRIERS, 7
    )


@pytest.mark.parametrize("batch", ["honoured", "ignored", "refused"])
@pytest.mark.parametrize("cdc", ["honoured", "ignored", "refused"])
def test_no_read_takes_a_field_away_again(
    connected: Installation, sandbox: SandboxServer, batch: str, cdc: str
) -> None:
    sandbox.set(include_on_batch=batch, include_on_cdc=cdc, include_on_read=cdc)
    sync(connected, EDITED)
    changed = [
        (name, str(sandbox.edit("custom_fields", name)["id"])) for name in ("Invoice", "Vendor")
    ]
    assert failures(sync(connected, EDITED)) == {}
    assert differing(connected, sandbox, EDITED) == {}
    act(connected, sandbox, *(event(sandbox, "Update", *each) for each in changed))
    assert failures(sync(connected, EDITED, full=True)) == {}
    assert differing(connected, sandbox, EDITED) == {}
    for name, id in changed:
        table = entity_type(name).table
        _, rows = connected.bronze.sql(
            f"SELECT sync_token FROM bronze.{table} WHERE id = '{id}' AND payload IS NOT NULL"
        )
        tokens = [str(row[0]) for row in rows]
        assert len(tokens) == len(set(tokens)), "one row for each version"


def test_an_idle_sync_is_one_call_and_a_changed_invoice_one_more(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sync(connected, TYPES)
    sandbox.pop_log()
    assert sync(connected, TYPES).api_calls == 1
    assert [call.endpoint for call in sandbox.pop_log()] == ["cdc"]
    sandbox.edit("custom_fields", "Invoice")
    assert sync(connected, TYPES).api_calls == 2
    assert [call.endpoint for call in sandbox.pop_log()] == ["cdc", "query"]
    assert differing(connected, sandbox, TYPES) == {}


def test_a_batch_that_proves_nothing_takes_no_other_batchs_proof_away(
    connected: Installation, sandbox: SandboxServer
) -> None:
    fields = connected.client(realm_of(sandbox)).custom_fields
    for seen, then in ((UNPROVEN, UNPROVEN), (HONOURED, HONOURED), (UNPROVEN, HONOURED)):
        fields.note_batch(seen)
        assert fields.batch == then
    fields.note_batch(REFUSED)
    assert fields.batch == REFUSED


def test_a_company_that_refuses_is_read_plainly_and_in_full_once_it_allows(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sandbox.set(include_on_query="refused", include_on_batch="refused", include_on_read="refused")
    assert failures(sync(connected, TYPES)) == {}
    assert fields(connected, sandbox, "Invoice") == 3
    sandbox.pop_log()
    assert sync(connected, TYPES).api_calls == 1, "it is not asked again all the time"

    sandbox.set(include_on_query="honoured", include_on_batch="honoured")
    realm = realm_of(sandbox)
    # As after a call that was answered with the parameter.
    connected.client(realm).capabilities.drop(WHOLE_COMPANY, Capability.CUSTOM_FIELDS)
    result = sync(connected, TYPES)
    assert failures(result) == {}
    assert differing(connected, sandbox, TYPES) == {}


def test_an_object_that_nobody_edited_keeps_its_fields_when_fewer_are_shown_of_it(
    connected: Installation, sandbox: SandboxServer
) -> None:
    some = entity_types(["Invoice", "Vendor"])
    assert failures(sync(connected, some)) == {}
    sandbox.set(include_on_query="refused", include_on_batch="refused", include_on_read="refused")
    (invoices, vendors) = sync(connected, some, full=True).results
    assert (invoices.written, vendors.written) == (0, 0)
    plain = connected.settings.model_copy(update={"ledgerguard_custom_fields": "first-three"})
    with Installation.open(plain) as installation:
        assert sum(each.written for each in sync(installation, some, full=True).results) == 0
    assert differing(connected, sandbox, some) == {}
    for entity in some:
        assert fields(connected, sandbox, entity.name) == 7
        (count, ids) = connected.bronze.sql(
            f"SELECT count(*), count(DISTINCT id) FROM bronze.{entity.table}"
        )[1][0]
        assert count == ids, "one row for each version"


def test_switching_it_on_reads_these_types_once_more_and_no_others(
    connected: Installation, sandbox: SandboxServer
) -> None:
    plain = connected.settings.model_copy(update={"ledgerguard_custom_fields": "first-three"})
    with Installation.open(plain) as installation:
        assert failures(sync(installation, TYPES)) == {}
        assert fields(installation, sandbox, "Invoice") == 3
        assert fields(installation, sandbox, "Purchase") == 0
    first = sync(connected, TYPES)
    assert failures(first) == {}
    assert {each.entity for each in first.results if each.mode is Mode.FULL} == CARRIERS
    assert differing(connected, sandbox, TYPES) == {}
    assert {each.mode for each in sync(connected, TYPES).results} == {Mode.CDC}
    connect(connected, sandbox)
    assert failures(sync(connected, TYPES)) == {}


@pytest.mark.parametrize("alone", ["honoured", "ignored"])
def test_a_query_that_ignores_the_wish_is_seen_where_a_single_read_shows_more(
    connected: Installation, sandbox: SandboxServer, alone: str
) -> None:
    some = entity_types(["Invoice", "Vendor"])
    sandbox.set(include_on_query="ignored", include_on_batch="ignored", include_on_read=alone)
    assert failures(sync(connected, some)) == {}
    assert fields(connected, sandbox, "Invoice") == 3
    sandbox.edit("update", "Invoice")
    sandbox.pop_log()
    assert failures(sync(connected, some)) == {}
    assert [call.endpoint for call in sandbox.pop_log()] == ["cdc", "query"], "once a day"
    assert kinds(connected, sandbox) == (
        {ReasonKind.CUSTOM_FIELDS_IGNORED} if alone == "honoured" else set()
    )

    sandbox.set(include_on_query="honoured", include_on_batch="honoured")
    sandbox.edit("custom_fields", "Invoice")
    for _ in range(2):
        assert failures(sync(connected, some)) == {}
    assert kinds(connected, sandbox) == set()
    if alone == "honoured":
        assert differing(connected, sandbox, some) == {}


def kinds(installation: Installation, sandbox: SandboxServer) -> set[ReasonKind]:
    """What health says of custom fields."""
    company_status = installation.company_status(realm_of(sandbox))
    assert company_status is not None
    found = {reason.kind for reason in company_status.health.reasons}
    return found & {ReasonKind.CUSTOM_FIELDS_IGNORED}
