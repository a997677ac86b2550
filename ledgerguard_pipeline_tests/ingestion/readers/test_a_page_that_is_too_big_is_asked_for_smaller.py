"""Answers that are too big or too slow are asked for smaller, and the size is remembered."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest

from ledgerguard_pipeline.capabilities import (
    LOOK_AGAIN_AFTER,
    Capabilities,
    Capability,
    OwnMemory,
    Seen,
)
from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.entities import ENTITIES, entity_type, entity_types
from ledgerguard_pipeline.errors import PoisonPage
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.qbo.answers.pages import Page
from ledgerguard_pipeline.qbo.paging.page_size import PageSize
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.sandbox.switches import Switches
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.clocks import FakeClock, HastyClock
from ledgerguard_pipeline_tests.conftest import SandboxFactory, connect
from ledgerguard_pipeline_tests.ingestion.company_books import (
    differing,
    failures,
    realm_of,
    sync,
)
from ledgerguard_pipeline_tests.ingestion.readers.live_table import LiveTable, salvaged

INVOICE = entity_type("Invoice")
SHORT = entity_types(("Term", "PaymentMethod"))
FEW_ROWS = entity_types(
    ("Term", "PaymentMethod", "Customer", "Vendor", "Account", "TaxCode", "Bill", "TimeActivity")
)
"""What a batch asks for together."""


@pytest.fixture(scope="module")
def sandbox(sandbox_factory: SandboxFactory) -> SandboxServer:
    """1,500 invoices, shared: these tests read, they do not edit."""
    return sandbox_factory(invoices=1500, switches=Switches(limits=False))


@pytest.fixture
def company(settings: object, sandbox: SandboxServer) -> Iterator[Installation]:
    del settings
    with Installation.open(load_settings(), clock=HastyClock()) as opened:
        connect(opened, sandbox)
        yield opened
    sandbox.set(page_limit={}, batch_limit=None, poison=[])


def size(installation: Installation, sandbox: SandboxServer) -> int:
    known = installation.control.capabilities.read(realm_of(sandbox))
    return int(known["Invoice", Capability.PAGE_ROWS].value)


@pytest.mark.parametrize("answer", ["too_slow", "too_big", "failure"])
def test_1500_invoices_load_where_pages_above_499_rows_are_refused(
    company: Installation, sandbox: SandboxServer, answer: str
) -> None:
    sandbox.set(page_limit={"*": 499}, page_limit_answer=answer)
    sandbox.pop_log()
    first = sync(company, [INVOICE])
    assert failures(first) == {}
    assert differing(company, sandbox, [INVOICE]) == {}
    assert len(sandbox.pop_log()) <= 20
    assert 400 < size(company, sandbox) <= 499

    again = sync(company, [INVOICE], full=True)
    assert failures(again) == {}
    assert len(sandbox.pop_log()) == 6
    assert [each.unchanged for each in again.results] == [len(sandbox.truth("Invoice").rows)]


@pytest.mark.parametrize("answer", ["unreadable", "invalid", "unsupported"])
def test_a_size_is_given_up_whatever_it_is_refused_with(
    company: Installation, sandbox: SandboxServer, answer: str
) -> None:
    sandbox.set(page_limit={"*": 499}, page_limit_answer=answer)
    first = sync(company, [INVOICE])
    assert failures(first) == {}
    assert [each.quarantined for each in first.results] == [0]
    assert differing(company, sandbox, [INVOICE]) == {}
    assert 400 < size(company, sandbox) <= 499
    sandbox.pop_log()
    assert failures(sync(company, [INVOICE], full=True)) == {}
    assert len(sandbox.pop_log()) == 6


@pytest.mark.parametrize("answer", ["too_slow", "too_big", "failure", "invalid", "unreadable"])
@pytest.mark.parametrize("rows", [1, 2])
def test_a_company_that_hands_out_very_few_rows_at_once_is_read(
    company: Installation, sandbox: SandboxServer, answer: str, rows: int
) -> None:
    sandbox.set(page_limit={"*": rows}, page_limit_answer=answer)
    for full in (False, True):
        assert failures(sync(company, SHORT, full=full)) == {}
        assert differing(company, sandbox, SHORT) == {}


@pytest.mark.parametrize("bad", [None, 1, 5, 12])
def test_a_size_that_is_refused_like_a_bad_record_is_found_in_few_calls(bad: int | None) -> None:
    """Seven rows at most; with and without a record that is refused for itself."""
    table = LiveTable.of(700)
    table.poison = set() if bad is None else {bad - 1}

    def fetch(anchor: datetime | None, start: int, limit: int) -> Page:
        page = table.fetch(anchor, start, limit)
        if page.rows > 7:
            raise PoisonPage("processing failed", fault_code="4002")
        return page

    page = salvaged(fetch)(None, 1, 1000)
    assert page.limit == (1 if bad == 1 else 3 if bad == 5 else 7)
    assert page.rows == page.limit
    assert len(page.rejects) == (1 if bad == 1 else 0)
    assert table.pages <= 40


def test_types_whose_few_rows_were_asked_for_in_a_batch_load_as_well(
    company: Installation, sandbox: SandboxServer
) -> None:
    sandbox.set(page_limit={"*": 150}, page_limit_answer="failure")
    assert failures(sync(company, FEW_ROWS)) == {}
    assert differing(company, sandbox, FEW_ROWS) == {}


@pytest.mark.parametrize("answer", ["too_slow", "too_big", "failure", "unreadable"])
def test_a_type_of_which_not_even_one_row_is_handed_out_fails_in_few_calls(
    company: Installation, sandbox: SandboxServer, answer: str
) -> None:
    sandbox.set(page_limit={"Invoice": 0}, page_limit_answer=answer)
    sandbox.pop_log()
    assert set(failures(sync(company, [INVOICE]))) == {"Invoice"}
    assert len(sandbox.pop_log()) <= 20


def test_one_record_is_not_mistaken_for_the_size(
    company: Installation, sandbox: SandboxServer
) -> None:
    ids = sorted(sandbox.truth("Invoice").rows, key=int)
    sandbox.set(page_limit={"*": 499}, page_limit_answer="failure", poison=[["Invoice", ids[700]]])
    result = sync(company, [INVOICE])
    assert failures(result) == {}
    assert [each.quarantined for each in result.results] == [1]
    assert differing(company, sandbox, [INVOICE]) == {"Invoice": [ids[700]]}


@pytest.mark.parametrize("most", [0, 3])
def test_a_batch_that_times_out_falls_apart_into_single_calls(
    company: Installation, sandbox: SandboxServer, most: int
) -> None:
    sandbox.set(batch_limit=most)
    assert failures(sync(company, FEW_ROWS)) == {}
    assert differing(company, sandbox, FEW_ROWS) == {}
    assert failures(sync(company, FEW_ROWS)) == {}
    result = sync(company, FEW_ROWS, reconcile=True)
    assert failures(result) == {}
    assert all(each.complete in (True, None) for each in result.results)


def test_when_nothing_is_answered_in_time_nothing_is_asked_piece_by_piece(
    company: Installation, sandbox: SandboxServer
) -> None:
    sandbox.inject("error_504_html", probability=1.0)
    sandbox.pop_log()
    assert len(failures(sync(company))) == len(ENTITIES)
    assert len(sandbox.pop_log()) <= 10
    sandbox.clear_faults()


class TestTheSize:
    """What one reader finds out, the next one knows."""

    @staticmethod
    def known(clock: FakeClock, rows: int | None) -> Capabilities:
        memory = OwnMemory(clock)
        realm = RealmId("9341453474484455")
        if rows is not None:
            memory.note(realm, "Invoice", Capability.PAGE_ROWS, str(rows))
        return Capabilities(memory, realm, clock=clock)

    def test_is_the_documented_one_where_nothing_is_known(self) -> None:
        size = PageSize("Invoice", self.known(FakeClock(), None))
        assert (size.rows, size.settled) == (1000, False)
        size.fitted(1000, 1000)
        assert (size.rows, size.settled) == (1000, True)

    def test_is_searched_from_both_sides(self) -> None:
        clock = FakeClock()
        known = self.known(clock, None)
        size = PageSize("Invoice", known)
        asked = []
        while not size.settled:
            asked.append(size.rows)
            if size.rows > 499:
                size.refused(size.rows)
            else:
                size.fitted(size.rows, size.rows)
        assert asked == [1000, 500, 250, 375, 437, 468]
        assert known.value("Invoice", Capability.PAGE_ROWS) == "468"

    def test_holds_for_a_day_and_is_then_tried_twice_as_large_once(self) -> None:
        clock = FakeClock()
        known = self.known(clock, 250)
        assert (PageSize("Invoice", known).rows, PageSize("Invoice", known).settled) == (250, True)
        clock.advance(LOOK_AGAIN_AFTER.total_seconds())
        size = PageSize("Invoice", known)
        assert (size.rows, size.settled) == (500, False)
        assert size.refused(500) == 250
        assert (size.rows, size.settled) == (250, True)
        assert PageSize("Invoice", known).rows == 250
        assert known.seen("Invoice", Capability.PAGE_ROWS) == Seen("250", clock.now())

    def test_grows_back_where_more_works_again(self) -> None:
        clock = FakeClock()
        known = self.known(clock, 250)
        clock.advance(LOOK_AGAIN_AFTER.total_seconds())
        size = PageSize("Invoice", known)
        while not size.settled:
            size.fitted(size.rows, size.rows)
        assert size.rows == 1000
        assert known.seen("Invoice", Capability.PAGE_ROWS) is None

    def test_is_what_it_was_once_a_record_was_found_to_be_the_reason(self) -> None:
        known = self.known(FakeClock(), None)
        size = PageSize("Invoice", known)
        size.fitted(1000, 1000)
        size.refused(1000)
        size.refused(500)
        size.forgive()
        assert (size.rows, size.settled) == (1000, True)
        assert known.seen("Invoice", Capability.PAGE_ROWS) is None
