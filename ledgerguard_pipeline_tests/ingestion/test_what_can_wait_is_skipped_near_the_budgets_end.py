"""At 95 percent of the month's calls: changes, webhooks and first loads go on, the rest waits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from ledgerguard_pipeline.entities import entity_types
from ledgerguard_pipeline.ingestion.results import SyncResult
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.clocks import HastyClock
from ledgerguard_pipeline_tests.ingestion.company_books import differing, sync

TYPES = entity_types(("Customer", "TaxCode", "TimeActivity"))


@pytest.fixture
def thrifty(connected: Installation) -> Iterator[Installation]:
    """The installation once everything was loaded and nearly all of the month's calls are used."""
    sync(connected, TYPES)
    used = connected.control.calls.total_month_to_date()
    tight = connected.settings.model_copy(
        update={"ledgerguard_monthly_call_budget": int(used / 0.96)}
    )
    with Installation.open(tight, clock=HastyClock()) as opened:
        yield opened


def by_status(result: SyncResult) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for each in result.results:
        found.setdefault(each.status, set()).add(each.entity)
    return found


def test_changes_go_on_and_queried_types_wait(
    thrifty: Installation, sandbox: SandboxServer
) -> None:
    sandbox.edit("create", "Customer")
    sandbox.edit("create", "TimeActivity")
    sandbox.pop_log()
    result = sync(thrifty, TYPES)
    assert by_status(result) == {"ok": {"Customer"}, "skipped": {"TaxCode", "TimeActivity"}}
    assert result.ok
    assert differing(thrifty, sandbox, entity_types(("Customer",))) == {}
    # The change, and the changed customer in the form that Bronze keeps.
    assert [call.endpoint for call in sandbox.pop_log()] == ["cdc", "query"]


def test_what_was_skipped_says_why_in_the_document_of_a_sync(thrifty: Installation) -> None:
    (result,) = sync(thrifty, entity_types(("TaxCode",))).results
    entry = result.to_json()
    assert (entry["status"], entry["error"]) == ("skipped", None)
    assert "LEDGERGUARD_MONTHLY_CALL_BUDGET" in str(entry["note"])


def test_counts_are_not_compared(thrifty: Installation, sandbox: SandboxServer) -> None:
    sandbox.pop_log()
    result = sync(thrifty, TYPES, reconcile=True)
    assert by_status(result) == {"skipped": {"Customer", "TaxCode", "TimeActivity"}}
    assert sandbox.pop_log() == []


@pytest.mark.parametrize("option", ["full", "since"])
def test_what_a_person_asks_for_is_read(thrifty: Installation, option: str) -> None:
    types = entity_types(("TaxCode",))
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    result = (
        sync(thrifty, types, full=True)
        if option == "full"
        else sync(thrifty, types, since=long_ago)
    )
    assert by_status(result) == {"ok": {"TaxCode"}}


def test_what_was_never_loaded_is_loaded(thrifty: Installation, sandbox: SandboxServer) -> None:
    new = entity_types(("Vendor", "TaxAgency"))
    assert by_status(sync(thrifty, new)) == {"ok": {"Vendor", "TaxAgency"}}
    assert differing(thrifty, sandbox, new) == {}


def test_a_skipped_type_is_no_failure_in_the_status(
    thrifty: Installation, sandbox: SandboxServer
) -> None:
    sync(thrifty, TYPES)
    found = thrifty.company_status(thrifty.control.companies.list()[0].realm_id)
    assert found is not None
    assert not any(each.error for each in found.entities)
    assert found.calls.budget == thrifty.settings.ledgerguard_monthly_call_budget
