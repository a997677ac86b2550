"""Whatever order a company refuses to sort by, its rows are read, and it is asked only once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from ledgerguard_pipeline.capabilities import Capability
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.clocks import HastyClock
from ledgerguard_pipeline_tests.conftest import connect
from ledgerguard_pipeline_tests.first_loads import Loaded
from ledgerguard_pipeline_tests.ingestion.company_books import (
    differing,
    failures,
    realm_of,
    rewind,
    sync,
)

INVOICE, CUSTOMER = entity_type("Invoice"), entity_type("Customer")
FEW = [CUSTOMER, INVOICE]
CREATED, UPDATED = "MetaData.CreateTime", "MetaData.LastUpdatedTime"


@pytest.fixture
def patient(settings: Settings, sandbox: SandboxServer) -> Iterator[Installation]:
    """A connected installation whose waits pass at once."""
    sandbox.set(limits=False)
    with Installation.open(settings, clock=HastyClock()) as opened:
        connect(opened, sandbox)
        yield opened


def many(sandbox: SandboxServer, bursts: int = 3) -> None:
    """Many customers, many of them created in one second; seven bursts are more than a page holds.

    A third of a burst's changes creates a customer.
    """
    sandbox.set(limits=False)
    for _ in range(bursts):
        sandbox.edit("burst", "Customer", n=450)


def known(installation: Installation, sandbox: SandboxServer) -> dict[tuple[str, str], str]:
    """What was remembered of the ways to walk."""
    seen = installation.control.capabilities.read(realm_of(sandbox))
    return {
        (entity, capability.value): each.value
        for (entity, capability), each in seen.items()
        if "custom-fields" not in capability.value
    }


def test_1300_changes_of_one_type_arrive_where_id_cannot_be_sorted_by(
    loaded_company: Loaded,
) -> None:
    connected, sandbox = loaded_company
    many(sandbox)
    sandbox.edit("update", "Invoice")
    sandbox.set(unsortable=[["*", "Id"]])
    for full, reconcile in ((False, False), (True, False), (False, True)):
        result = sync(connected, FEW, full=full, reconcile=reconcile)
        assert failures(result) == {}
        assert differing(connected, sandbox, FEW) == {}
    assert ("Customer", Capability.TIE_ORDER.value) not in known(connected, sandbox)


def test_no_statement_of_an_ordinary_load_sorts_by_two_keys(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sandbox.pop_log()
    sync(connected)
    sync(connected)
    assert not [call for call in sandbox.pop_log() if "ASC," in call.target]


@pytest.mark.parametrize(
    "unsortable, form",
    [
        ([CREATED], "updated"),
        ([CREATED, "Id"], "updated"),
        ([CREATED, UPDATED], "id"),
    ],
)
def test_the_next_order_is_taken_and_remembered(
    connected: Installation, sandbox: SandboxServer, unsortable: list[str], form: str
) -> None:
    many(sandbox, bursts=7)
    sandbox.set(unsortable=[["Customer", name] for name in unsortable])
    sandbox.set(hazard={"entities": ["Customer"], "pages": 6, "update": 5, "insert": 2})
    assert failures(sync(connected, [CUSTOMER, INVOICE])) == {}
    sandbox.set(hazard=None)
    sync(connected, [CUSTOMER, INVOICE])  # brings what was edited after the last page
    assert differing(connected, sandbox, [CUSTOMER, INVOICE]) == {}
    assert known(connected, sandbox)["Customer", "order"] == form

    sandbox.pop_log()
    assert failures(sync(connected, [CUSTOMER], full=True)) == {}
    refused = [call for call in sandbox.pop_log() if call.status == 400]
    assert refused == []


@pytest.mark.parametrize("answer", ["unsupported", "unreadable", "failure", "too_slow"])
def test_an_order_is_given_up_whatever_it_is_refused_with(
    patient: Installation, sandbox: SandboxServer, answer: str
) -> None:
    sandbox.set(unsortable=[["*", CREATED]], unsortable_answer=answer, page_limit={"*": 40})
    assert failures(sync(patient, FEW)) == {}
    assert differing(patient, sandbox, FEW) == {}
    assert known(patient, sandbox)["Customer", "order"] == "updated"

    sandbox.pop_log()
    assert failures(sync(patient, FEW, full=True)) == {}
    assert [call for call in sandbox.pop_log() if call.status >= 400] == []


def test_an_order_that_was_remembered_is_given_up_for_a_better_one(
    patient: Installation, sandbox: SandboxServer
) -> None:
    sandbox.set(unsortable=[["*", CREATED]], page_limit={"*": 40})
    assert failures(sync(patient, FEW)) == {}
    sandbox.set(unsortable=[["*", UPDATED], ["*", "Id"]])
    assert failures(sync(patient, FEW, full=True)) == {}
    assert differing(patient, sandbox, FEW) == {}
    assert ("Customer", "order") not in known(patient, sandbox), "the best one needs no memory"


@pytest.mark.parametrize("answer", ["invalid", "failure"])
def test_a_second_that_fills_pages_is_read_where_two_keys_are_refused(
    patient: Installation, sandbox: SandboxServer, answer: str
) -> None:
    sandbox.set(
        limits=False, two_sort_keys=False, unsortable_answer=answer, page_limit={"Customer": 120}
    )
    sandbox.edit("burst", "Customer", n=400)
    assert failures(sync(patient, [CUSTOMER])) == {}
    assert differing(patient, sandbox, [CUSTOMER]) == {}


def test_without_any_order_only_one_page_is_read(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sandbox.set(unsortable=[["*", name] for name in (CREATED, UPDATED, "Id")])
    assert failures(sync(connected)) == {}
    assert differing(connected, sandbox) == {}
    sandbox.set(page_limit={"Customer": 10})
    failed = failures(sync(connected, [CUSTOMER, INVOICE], full=True))
    assert set(failed) == {"Customer"}
    assert "sorts Customer objects in no order" in str(failed["Customer"])


def test_changes_found_by_query_walk_down_the_same_ladder(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sync(connected, [CUSTOMER])
    sandbox.edit("burst", "Customer", n=300)
    sandbox.set(page_limit={"Customer": 70})
    rewind(connected, timedelta(days=40))  # too far back for change data capture
    sandbox.set(unsortable=[["*", UPDATED], ["*", "Id"]])
    result = sync(connected, [CUSTOMER])
    assert failures(result) == {}
    assert differing(connected, sandbox, [CUSTOMER]) == {}
    assert known(connected, sandbox)["Customer", "change-order"] == "created"
