"""One version is one row, whichever kind of read found it: rows are stored as a query shows them.

Intuit answers other members for the same version by a read of its id than by query; which form
change data capture has is not known, so it is tried in every form, and as a mere stub.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

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
from ledgerguard_pipeline_tests.ingestion.events.test_events_become_rows import act, event

FORMS = entity_types(["Invoice", "Item", "Vendor", "Customer", "CompanyInfo", "Attachable"])
INVOICE, BILL, CUSTOMER = (entity_type(name) for name in ("Invoice", "Bill", "Customer"))


@pytest.fixture
def loaded(connected: Installation, sandbox: SandboxServer) -> Installation:
    assert failures(sync(connected, FORMS)) == {}
    sandbox.pop_log()
    return connected


def rows(installation: Installation, table: str, id: str) -> int:
    return len(installation.bronze.sql(f"SELECT 1 FROM bronze.{table} WHERE id = '{id}'")[1])


@pytest.mark.parametrize("form", ["query", "read", "own"])
def test_get_query_change_data_capture_and_walk_of_one_object_are_one_row_a_version(
    loaded: Installation, sandbox: SandboxServer, form: str
) -> None:
    sandbox.set(cdc_form=form)
    for entity in FORMS[:5]:
        id = min(stored(loaded, entity, realm_of(sandbox)))
        sandbox.edit("update", entity.name, None if entity.name == "CompanyInfo" else id)
        for ways in ("event", "changes", "walk", "event"):
            if ways == "event":
                act(
                    loaded, sandbox, event(sandbox, "Update", entity.name, id, at=datetime.now(UTC))
                )
            else:
                assert failures(sync(loaded, [entity], full=ways == "walk")) == {}
            assert rows(loaded, entity.table, id) == 2, f"{entity.name} after {ways}"
        assert differing(loaded, sandbox, [entity]) == {}


@pytest.mark.parametrize("form", ["query", "read", "own"])
def test_changes_are_stored_as_a_query_shows_them(
    loaded: Installation, sandbox: SandboxServer, form: str
) -> None:
    sandbox.set(cdc_form=form)
    made = {entity.name: sandbox.edit("create", entity.name)["id"] for entity in FORMS[:4]}
    assert failures(sync(loaded, FORMS)) == {}
    assert differing(loaded, sandbox, FORMS) == {}
    assert failures(sync(loaded, FORMS, full=True)) == {}
    for name, id in made.items():
        assert rows(loaded, entity_type(name).table, str(id)) == 1


def test_what_is_held_in_this_version_is_not_read_again(
    loaded: Installation, sandbox: SandboxServer
) -> None:
    sandbox.edit("update", "Invoice")
    sync(loaded, FORMS)
    assert [call.endpoint for call in sandbox.pop_log()] == ["cdc", "query"]
    sync(loaded, FORMS)
    assert [call.endpoint for call in sandbox.pop_log()] == ["cdc"], "the overlap shows it again"


def test_a_second_change_in_the_second_of_the_first_is_read(
    loaded: Installation, sandbox: SandboxServer
) -> None:
    """A balance that moves twice within a second has one LastUpdatedTime and one SyncToken."""
    sandbox.set(clock_offset_seconds=60)
    at, like = int(time.time()) + 60, min(stored(loaded, INVOICE, realm_of(sandbox)))
    sandbox.edit("create", "Invoice", like=like, at=at)
    assert failures(sync(loaded, [CUSTOMER])) == {}
    assert differing(loaded, sandbox, [CUSTOMER]) == {}
    sandbox.edit("create", "Invoice", like=like, at=at)
    assert list(differing(loaded, sandbox, [CUSTOMER])) == ["Customer"]
    assert failures(sync(loaded, [CUSTOMER])) == {}
    assert differing(loaded, sandbox, [CUSTOMER]) == {}


@pytest.mark.parametrize("shape", ["status", "sparse", "short"])
@pytest.mark.parametrize("where", ["cdc", "cdc, query", "cdc, by_id, query"])
def test_a_row_that_is_not_whole_never_replaces_a_whole_one(
    loaded: Installation, sandbox: SandboxServer, shape: str, where: str
) -> None:
    id = min(stored(loaded, INVOICE, realm_of(sandbox)))
    stub = {"endpoints": where.split(", "), "shape": shape}
    sandbox.edit("update", "Invoice", id)
    sandbox.set(stubs={f"Invoice/{id}": stub}, read_form="query")
    for full in (False, True):
        result = sync(loaded, [INVOICE], full=full)
        assert failures(result) == {}
        assert sum(each.quarantined for each in result.results) == 0
        assert differing(loaded, sandbox, [INVOICE]) == {}
        assert rows(loaded, "invoice", id) == 2


@pytest.mark.parametrize("answer", ["too_slow", "too_big", "failure"])
def test_changes_and_events_load_where_pages_above_499_rows_are_refused(
    loaded: Installation, sandbox: SandboxServer, answer: str
) -> None:
    sandbox.set(page_limit={"*": 499}, page_limit_answer=answer)
    sandbox.edit("update", "Invoice")
    sandbox.edit("update", "Vendor")
    sandbox.pop_log()
    assert failures(sync(loaded, FORMS)) == {}
    assert len(sandbox.pop_log()) <= 3
    assert differing(loaded, sandbox, FORMS) == {}
    id = str(sandbox.edit("create", "Invoice")["id"])
    act(loaded, sandbox, event(sandbox, "Create", "Invoice", id))
    assert differing(loaded, sandbox, [INVOICE]) == {}


@pytest.mark.parametrize("shape", ["status", "sparse"])
def test_an_object_that_is_shown_in_part_everywhere_keeps_its_whole_row_and_is_reported(
    loaded: Installation, sandbox: SandboxServer, shape: str
) -> None:
    id = min(stored(loaded, INVOICE, realm_of(sandbox)))
    sandbox.edit("update", "Invoice", id)
    everywhere = {"endpoints": ["cdc", "query", "by_id", "read"], "shape": shape}
    sandbox.set(stubs={f"Invoice/{id}": everywhere})
    for full in (False, True):
        (result,) = sync(loaded, [INVOICE], full=full).results
        assert (result.status, result.quarantined) == ("ok", 1)
        assert rows(loaded, "invoice", id) == 1
    assert loaded.bronze.quarantined(realm_of(sandbox)) == {"Invoice": 1}
    sandbox.set(stubs={})
    sync(loaded, [INVOICE], full=True)
    assert differing(loaded, sandbox, [INVOICE]) == {}
    assert loaded.bronze.quarantined(realm_of(sandbox)) == {}


def test_an_event_about_an_object_that_a_query_shows_in_part_brings_it_whole(
    loaded: Installation, sandbox: SandboxServer
) -> None:
    id = min(stored(loaded, INVOICE, realm_of(sandbox)))
    sandbox.edit("update", "Invoice", id)
    sandbox.set(
        stubs={f"Invoice/{id}": {"endpoints": ["query", "by_id"], "shape": "status"}},
        read_form="query",
    )
    act(loaded, sandbox, event(sandbox, "Update", "Invoice", id))
    assert states(loaded, INVOICE, realm_of(sandbox))[id] == "active"
    assert differing(loaded, sandbox, [INVOICE]) == {}


def test_three_idle_full_walks_of_attachables_leave_one_row_each(
    loaded: Installation, sandbox: SandboxServer
) -> None:
    attachable = entity_type("Attachable")
    held = len(sandbox.truth("Attachable").rows)
    for _ in range(3):
        (result,) = sync(loaded, [attachable], full=True).results
        assert (result.written, result.unchanged) == (0, held)
    (count, links) = loaded.bronze.sql(
        "SELECT count(*), count(*) FILTER (payload LIKE '%Signature=%') FROM bronze.attachable"
    )[1][0]
    assert (count, links) == (held, 0)
    assert differing(loaded, sandbox, [attachable]) == {}


def test_an_object_that_lacks_a_member_everywhere_is_read_alone_once_only(
    loaded: Installation, sandbox: SandboxServer
) -> None:
    id = str(sandbox.edit("create", "Invoice")["id"])
    everywhere = {"endpoints": ["cdc", "query", "by_id", "read"], "shape": "short"}
    sandbox.set(stubs={f"Invoice/{id}": everywhere}, read_form="query")
    assert failures(sync(loaded, [INVOICE], full=True)) == {}
    assert rows(loaded, "invoice", id) == 1, "it says the same however it is asked for"
    assert [call.endpoint for call in sandbox.pop_log()][-2:] == ["query", "read"]
    for _ in range(2):
        assert failures(sync(loaded, [INVOICE], full=True)) == {}
        assert [call.endpoint for call in sandbox.pop_log()] == ["batch", "batch"]
    assert rows(loaded, "invoice", id) == 1


def test_what_is_in_quarantine_is_read_again_by_a_comparison(
    loaded: Installation, sandbox: SandboxServer
) -> None:
    """Once Intuit serves the version that it showed in part, no change announces that."""
    id = min(stored(loaded, INVOICE, realm_of(sandbox)))
    sandbox.edit("update", "Invoice", id)
    everywhere = {"endpoints": ["cdc", "query", "by_id", "read"], "shape": "status"}
    sandbox.set(stubs={f"Invoice/{id}": everywhere})
    sync(loaded, [INVOICE])
    sync(loaded, [INVOICE], reconcile=True)
    assert loaded.bronze.quarantined(realm_of(sandbox)) == {"Invoice": 1}, "it is still in part"

    sandbox.set(stubs={})
    assert failures(sync(loaded, [INVOICE], reconcile=True)) == {}

    assert differing(loaded, sandbox, [INVOICE]) == {}
    assert loaded.bronze.quarantined(realm_of(sandbox)) == {}
    (state,) = (
        each
        for each in loaded.control.sync_states.read([realm_of(sandbox)])[realm_of(sandbox)].values()
        if each.entity == "Invoice"
    )
    assert state.quarantined == 0
