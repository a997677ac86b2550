"""L1 and L4: Bronze holds what Intuit lists, and documents leave open what Intuit's reports show."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from ledgerguard_pipeline.clock import SYSTEM_CLOCK
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.ingestion.report_loads import ReportLoads
from ledgerguard_pipeline.ingestion.request import SyncRequest
from ledgerguard_pipeline.ingestion.service import IngestionService
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.tieout.differences import Difference, DifferenceClass
from ledgerguard_pipeline.tieout.document_levels.levels import DocumentLevels
from ledgerguard_pipeline.tieout.findings import FindingKind, NotCompared
from ledgerguard_pipeline.tieout.postings.rules import POSTING
from ledgerguard_pipeline.values import parse_realm
from ledgerguard_pipeline_tests.tieout.books import (
    TODAY,
    Books,
    open_books,
    open_client,
    open_sandbox,
)
from ledgerguard_pipeline_tests.tieout.documents import (
    LISTS,
    move_amount,
    one,
    plant,
    unexplained,
)

NOTHING = Decimal(0)
_TRANSFER = (
    "SELECT id, amount, txn_date FROM silver.transfer WHERE txn_date < '2026-10-01' "
    "ORDER BY id LIMIT 1"
)
_OPEN_INVOICE = (
    "SELECT id, customer_id FROM silver.invoice WHERE balance > 1 AND exchange_rate IS NULL "
    "ORDER BY length(id), id LIMIT 1"
)


def listed(books: Books) -> list[Difference]:
    """All months are compared, not only those in which something happened."""
    with duckdb.connect(str(books.file)) as connection:
        connection.execute("DELETE FROM silver._listed_months")
    return books.documents.listed()


def test_a_quiet_day_asks_for_no_list_and_what_no_entity_holds_has_its_class(
    documents: Books,
) -> None:
    calls = documents.client.stats.metered_calls
    found = documents.documents.listed()
    assert documents.client.stats.metered_calls == calls
    assert unexplained(found) == []
    assert {each.kind for each in found} == {
        DifferenceClass.PAYROLL,
        DifferenceClass.TAX_PAYMENT,
        DifferenceClass.INVENTORY_VALUE,
    }
    assert documents.documents.open_items(TODAY) == []


def test_a_document_that_reports_do_not_show_is_named_and_no_other(documents: Books) -> None:
    id, amount, day = one(documents, _TRANSFER)
    documents.sandbox.set(reports={"hidden": [["Transfer", id]]})
    (surplus,) = unexplained(listed(documents))
    assert (surplus.key, surplus.ours, surplus.theirs) == (
        f"Transfer/{id}",
        Decimal(amount),
        NOTHING,
    )
    assert str(surplus.period_end) == day
    assert surplus.message.endswith("QuickBooks does not list this document in these days.")
    documents.sandbox.set(reports={})
    # The month that differs is compared again without being asked for.
    assert unexplained(documents.documents.listed()) == []


def test_a_document_that_bronze_lost_is_named(documents: Books) -> None:
    id, amount, _ = one(documents, _TRANSFER)
    plant(documents, f"DELETE FROM bronze.transfer WHERE id = '{id}'", "Transfer")
    (missing,) = unexplained(listed(documents))
    assert (missing.key, missing.ours, missing.theirs) == (
        f"Transfer/{id}",
        NOTHING,
        Decimal(amount),
    )
    assert missing.explanation == "Bronze does not hold this document."
    legs = unexplained(documents.documents.matched()[0])
    assert {each.key.rpartition("/")[0] for each in legs} == {f"Transfer/{id}"}


def test_a_type_of_which_a_sweep_met_nothing_is_compared_with_the_others(tmp_path: Path) -> None:
    types = tuple(entity_type(name) for name in (*LISTS, *POSTING))
    with (
        open_sandbox(varied=False) as sandbox,
        open_books(sandbox, tmp_path / "books.duckdb", silver=True) as books,
    ):
        for id in list(books.company.tables["VendorCredit"].rows):
            sandbox.edit("delete", "VendorCredit", id)
        request = SyncRequest(parse_realm(books.realm), types, quiet=True)
        with IngestionService(books.client, books.store).open_sync(request) as sync:
            sync.run()
        assert "VendorCredit" not in books.store.last_loads(books.realm)
        books.sync.bring_up_to_date(TODAY)
        books.documents.derive()
        assert books.documents.open_items(TODAY) == []


@pytest.mark.parametrize("quiet", [False, True])
def test_a_type_that_quickbooks_refuses_leaves_nothing_open(tmp_path: Path, quiet: bool) -> None:
    """No sync ever reads it to the end, be it the company's own or one of many."""
    with (
        open_sandbox(varied=False) as sandbox,
        open_books(sandbox, tmp_path / "books.duckdb", silver=True) as books,
    ):
        for id in list(books.company.tables["VendorCredit"].rows):
            sandbox.edit("delete", "VendorCredit", id)
        load_without_vendor_credits(books, quiet=quiet)
        books.sync.bring_up_to_date(TODAY)
        books.documents.derive()
        assert books.documents.open_items(TODAY) == []


def test_a_type_that_quickbooks_refuses_and_its_reports_show_is_said_to_be_refused(
    tmp_path: Path,
) -> None:
    with (
        open_sandbox(varied=False) as sandbox,
        open_books(sandbox, tmp_path / "books.duckdb", silver=True) as books,
    ):
        load_without_vendor_credits(books)
        books.sync.bring_up_to_date(TODAY)
        books.documents.derive()
        for compare in (books.documents.listed, books.documents.matched):
            with pytest.raises(NotCompared, match="QuickBooks refuses VendorCredit") as caught:
                compare()
            assert caught.value.kind is FindingKind.DOCUMENTS_MISSING
            assert "ledgerguard sync" not in caught.value.message, "it would not help"


def load_without_vendor_credits(books: Books, *, quiet: bool = False) -> None:
    """A first load of a company whose edition has none."""
    books.sandbox.set(not_offered=["VendorCredit"])
    types = tuple(entity_type(name) for name in (*LISTS, *POSTING))
    request = SyncRequest(parse_realm(books.realm), types, quiet=quiet)
    with IngestionService(books.client, books.store).open_sync(request) as sync:
        sync.run()
        assert not sync.errors
    assert "VendorCredit" not in books.store.watermarks(books.realm)


def test_a_document_of_a_type_that_bronze_read_and_found_none_of_is_a_difference(
    documents: Books,
) -> None:
    plant(
        documents,
        "DELETE FROM bronze.transfer; DELETE FROM silver.transfer; "
        "DELETE FROM bronze._loads WHERE entity = 'Transfer'",
        "Transfer",
    )
    for found in (listed(documents), documents.documents.matched(repair=False)[0]):
        assert {each.key.partition("/")[0] for each in unexplained(found)} == {"Transfer"}
        assert {each.explanation for each in unexplained(found)} == {
            "Bronze does not hold this document."
        }


def test_a_type_whose_first_load_was_interrupted_is_not_compared(documents: Books) -> None:
    with duckdb.connect(str(documents.file)) as connection:
        connection.execute("DELETE FROM bronze._watermarks WHERE entity = 'Bill'")
    with pytest.raises(NotCompared, match="Bronze never loaded Bill completely") as caught:
        documents.documents.open_items(TODAY)
    assert caught.value.kind is FindingKind.DOCUMENTS_MISSING


def test_an_amount_a_date_and_a_second_copy_are_named(documents: Books) -> None:
    id, amount, day = one(documents, _TRANSFER)
    other = one(
        documents, f"SELECT id FROM silver.transfer WHERE id <> '{id}' ORDER BY id LIMIT 1"
    )[0]
    plant(
        documents,
        f"UPDATE bronze.transfer SET payload = replace(payload, '{day}', '2026-09-30') "
        f"WHERE id = '{id}'; INSERT INTO bronze.transfer BY NAME SELECT * REPLACE ('99999' AS id) "
        f"FROM bronze.transfer WHERE id = '{other}'",
        "Transfer",
    )
    bill = one(documents, "SELECT id FROM silver.bill ORDER BY id LIMIT 1")[0]
    move_amount(documents, "bill", bill, "TotalAmt", Decimal("0.01"))
    found = {each.key: each for each in unexplained(listed(documents))}
    assert found.keys() == {f"Transfer/{id}", "Transfer/99999", f"Bill/{bill}"}
    assert found[f"Transfer/{id}"].difference == 0
    assert found[f"Transfer/{id}"].explanation == (
        f"Dated 2026-09-30 in Bronze and {day} in QuickBooks."
    )
    assert found[f"Bill/{bill}"].difference == Decimal("0.01")
    assert amount


def test_an_invoice_that_reports_do_not_show_leaves_its_customer_open(documents: Books) -> None:
    id, customer = one(documents, _OPEN_INVOICE)
    documents.sandbox.set(reports={"hidden": [["Invoice", id]]})
    assert [each.key for each in unexplained(listed(documents))] == [f"Invoice/{id}"]
    gaps = unexplained(documents.documents.open_items(TODAY))
    assert f"Customer/{customer}" in {each.key for each in gaps}
    (party,) = [each for each in gaps if each.key == f"Customer/{customer}"]
    assert party.message.startswith("Customer ")
    assert f"(id {customer})" in party.message


def test_a_balance_that_is_not_the_reports_is_named_by_its_customer(documents: Books) -> None:
    id, customer = one(documents, _OPEN_INVOICE)
    move_amount(documents, "invoice", id, "Balance", Decimal("0.01"))
    gaps = documents.documents.open_items(TODAY)
    assert {each.key: each.difference for each in gaps} == {
        f"Customer/{customer}": Decimal("0.01"),
        "Customer/": Decimal("0.01"),
    }
    assert {each.kind for each in gaps} == {DifferenceClass.UNEXPLAINED}


class Moving:
    """Loads something into Bronze during the first ``times`` calls."""

    def __init__(self, file: Path, times: int) -> None:
        self._file = file
        self._times = times
        self.calls = 0

    def record(self, *_call: object, **_more: object) -> None:
        self.calls += 1
        if self.calls > self._times:
            return
        with duckdb.connect(str(self._file)) as connection:
            connection.execute(
                "INSERT INTO bronze._loads BY NAME SELECT * REPLACE (uuid()::VARCHAR AS load_id, "
                "(SELECT max(loaded_at) FROM bronze._loads) + INTERVAL 1 SECOND AS loaded_at) "
                "FROM bronze._loads WHERE entity = 'Invoice' LIMIT 1"
            )


def open_items_of_moving_books(books: Books, moving: Moving) -> list[Difference]:
    with open_client(books.sandbox, ledger=moving) as client:
        loads = ReportLoads(client, books.store, books.realm)
        levels = DocumentLevels(
            loads, books.store, books.realm, books.sync, SYSTEM_CLOCK, client.capabilities
        )
        return levels.open_items(TODAY)


def test_books_that_move_under_every_comparison_are_said_to_move_and_nothing_is_concluded(
    documents: Books,
) -> None:
    id, customer = one(documents, _OPEN_INVOICE)
    move_amount(documents, "invoice", id, "Balance", Decimal("0.01"))
    before = documents.tie_out.read(documents.realm)
    always = Moving(documents.file, times=3)
    with pytest.raises(NotCompared) as caught:
        open_items_of_moving_books(documents, always)
    assert (caught.value.kind, caught.value.entity) == (
        FindingKind.BOOKS_MOVED,
        "AgedReceivables",
    )
    assert always.calls == 3
    assert documents.tie_out.read(documents.realm) == before
    # Whoever moved them stops: the third comparison holds, and the other side needs one.
    twice = Moving(documents.file, times=2)
    gaps = open_items_of_moving_books(documents, twice)
    assert {each.key for each in gaps} == {f"Customer/{customer}", "Customer/"}
    assert twice.calls == 4


def test_books_that_agree_are_not_compared_again_however_they_move(documents: Books) -> None:
    always = Moving(documents.file, times=9)
    assert open_items_of_moving_books(documents, always) == []
    assert always.calls == 2


@pytest.mark.parametrize("entity", ["Invoice", "Transfer"])
def test_a_void_that_bronze_missed_is_named_until_it_is_synced(
    entity: str, loaded_documents: tuple[SandboxServer, Path], tmp_path: Path
) -> None:
    copy = tmp_path / "books.duckdb"
    shutil.copyfile(loaded_documents[1], copy)
    # Another sandbox with the same company: its books are edited.
    with open_sandbox() as sandbox, open_books(sandbox, copy, silver=True) as books:
        assert books.documents.derived() == []
        assert unexplained(books.documents.matched()[0]) == []
        id = (
            one(books, _OPEN_INVOICE)[0] if entity == "Invoice" else min(sandbox.truth(entity).rows)
        )
        sandbox.edit("void", entity, id)
        books.sync.bring_up_to_date(TODAY)
        legs = unexplained(books.documents.matched()[0])
        assert {each.key.rpartition("/")[0] for each in legs} == {f"{entity}/{id}"}
        assert {each.theirs for each in legs} == {NOTHING}
        (whole,) = unexplained(books.documents.listed())
        assert (whole.key, whole.theirs) == (f"{entity}/{id}", NOTHING)
        books.sync_entities(entity)
        books.documents.derive()
        assert unexplained(books.documents.matched()[0]) == []
        assert unexplained(books.documents.listed()) == []
