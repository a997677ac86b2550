"""The made-up company is sound: it could be a real one's books."""

from __future__ import annotations

import json
import re
from decimal import Decimal

import pytest

from ledgerguard_pipeline.entities import ENTITIES
from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.books.ground_truth import truth
from ledgerguard_pipeline.sandbox.seed.banking import AWKWARD_AMOUNTS
from ledgerguard_pipeline.sandbox.seed.build import build_company
from ledgerguard_pipeline.sandbox.seed.names import AWKWARD_NAMES
from ledgerguard_pipeline_tests.sandbox.books.proof import NOW, assert_coherent, every, plain, the

DAY = 86_400


@pytest.fixture(scope="module")
def company() -> SandboxCompany:
    """One company for reading only."""
    return build_company(now=NOW)


def test_debits_equal_credits_links_are_mutual_and_every_balance_is_the_sum_of_postings(
    company: SandboxCompany,
) -> None:
    assert company.ledger.trial_balance() == 0
    assert_coherent(company)


@pytest.mark.parametrize("invoices", [0, 1, 4, 5, 6, 99, 1001])
def test_companies_of_any_size_are_coherent_and_hold_exactly_the_invoices_asked_for(
    invoices: int,
) -> None:
    company = build_company(invoices=invoices, now=NOW, seed=invoices)
    assert len(company.tables["Invoice"].rows) == invoices
    assert len(company.tables["Payment"].rows) == invoices // 5
    assert_coherent(company)


def test_every_entity_type_of_the_product_has_rows(company: SandboxCompany) -> None:
    assert {name for name, table in company.tables.items() if table.rows} == {
        entity.name for entity in ENTITIES if not entity.optional
    }
    others = {name: len(table.rows) for name, table in company.tables.items()}
    assert max(others.values()) < 900


def test_every_body_is_valid_json_for_the_standard_reader(company: SandboxCompany) -> None:
    for held in truth(company).values():
        for body in held.rows.values():
            assert isinstance(plain(body), dict)


def test_the_same_seed_and_time_give_the_same_bytes_and_another_seed_does_not() -> None:
    first, again = (truth(build_company(invoices=60, now=NOW, seed=7)) for _ in range(2))
    assert first == again
    other = truth(build_company(invoices=60, now=NOW, seed=8))
    assert other["Invoice"].rows != first["Invoice"].rows
    assert set(other["Invoice"].rows) == set(first["Invoice"].rows)


def test_reading_a_row_twice_gives_the_same_bytes(company: SandboxCompany) -> None:
    assert truth(company) == truth(company)


def test_awkward_amounts_and_names_stand_in_the_bytes_as_they_are(
    company: SandboxCompany,
) -> None:
    entries = b"".join(truth(company)["JournalEntry"].rows.values()).decode()
    for text in AWKWARD_AMOUNTS:
        assert f'"Amount":{text},' in entries
    names = {doc["DisplayName"] for entity, _, doc in every(company) if entity == "Customer"}
    assert set(AWKWARD_NAMES) <= names
    invoices = b"".join(truth(company)["Invoice"].rows.values()).decode()
    for text in ("0.30000000000000004", "1E+2", "100.10", "-0.0"):
        assert f'"UnitPrice":{text},' in invoices


def test_class_ids_have_nineteen_digits_and_exchange_rates_no_id(company: SandboxCompany) -> None:
    assert all(len(id) == 19 for id in company.tables["Class"].rows)
    rates = [doc for entity, _, doc in every(company) if entity == "ExchangeRate"]
    assert rates
    assert not any("Id" in doc or "SyncToken" in doc for doc in rates)
    assert len(company.tables["ExchangeRate"].rows) == len(
        {(doc["SourceCurrencyCode"], doc["TargetCurrencyCode"], doc["AsOfDate"]) for doc in rates}
    )


def test_purchases_carry_the_internal_type_of_their_form(company: SandboxCompany) -> None:
    seen = set()
    for entity, _, doc in every(company):
        if entity == "Purchase":
            (extra,) = doc["PurchaseEx"]["any"]
            seen.add((doc["PaymentType"], doc.get("Credit"), extra["value"]["Value"]))
    assert seen == {
        ("Cash", None, "54"),
        ("CreditCard", False, "54"),
        ("Check", None, "3"),
        ("CreditCard", True, "11"),
        ("CreditCard", False, "1"),
        ("Cash", None, "31"),
    }


@pytest.mark.parametrize("entity", ["Invoice", "Payment", "SalesReceipt", "BillPayment"])
def test_some_documents_are_void_with_zero_amounts_and_a_voided_note(entity: str) -> None:
    company = build_company(invoices=4_000, now=NOW)
    table = company.tables[entity]
    void = [
        doc
        for doc in (the(company, entity, id) for id in table.rows)
        if doc.get("PrivateNote", "").startswith("Voided")
    ]
    assert void
    for doc in void:
        assert Decimal(doc["TotalAmt"]) == 0
        assert int(doc["SyncToken"]) >= 1
        assert not doc.get("LinkedTxn")
        assert all(Decimal(line["Amount"]) == 0 for line in doc["Line"])


def test_inactive_list_members_are_flagged_and_gone_objects_leave_graves(
    company: SandboxCompany,
) -> None:
    for name in ("Customer", "Vendor", "Employee", "Item", "Account", "Class", "Department"):
        table = company.tables[name]
        inactive = [row for row in table.rows.values() if not row.active]
        assert inactive, name
        for row in inactive:
            doc = json.loads(table.body(row))
            assert (doc.get("DisplayName") or doc["Name"]).endswith(" (deleted)")
    for name in ("Customer", "Vendor", "Account", "Item", "Invoice", "Bill"):
        table = company.tables[name]
        assert table.graves, name
        assert not table.graves.keys() & table.rows.keys()


def test_changes_lie_within_and_beyond_thirty_days_but_never_in_the_future(
    company: SandboxCompany,
) -> None:
    for name in ("Invoice", "Payment", "Bill", "Purchase", "JournalEntry", "Estimate"):
        ages = [NOW - row.updated for row in company.tables[name].rows.values()]
        assert min(ages) < 30 * DAY < max(ages), name
    for entity, row, _ in every(company):
        assert row.updated <= NOW, (entity, row.id)


def test_more_than_a_page_of_invoices_may_share_one_second() -> None:
    company = build_company(invoices=12_000, now=NOW)
    seconds: dict[int, int] = {}
    for row in company.tables["Invoice"].rows.values():
        seconds[row.created] = seconds.get(row.created, 0) + 1
    assert max(seconds.values()) > 1_000
    created = [row.created for row in company.tables["Invoice"].rows.values()]
    assert created == sorted(created)


def test_payments_cover_several_invoices_and_move_their_token_and_time(
    company: SandboxCompany,
) -> None:
    covering = [doc for entity, _, doc in every(company) if entity == "Payment" and doc["Line"]]
    assert any(len(doc["Line"]) == 5 for doc in covering)
    for doc in covering:
        for line in doc["Line"]:
            (link,) = line["LinkedTxn"]
            invoice = company.tables["Invoice"].rows[link["TxnId"]]
            assert invoice.sync_token >= 1
            assert invoice.updated >= company.tables["Payment"].rows[doc["Id"]].created


def test_account_balances_move_the_time_and_leave_the_sync_token(company: SandboxCompany) -> None:
    checking = company.tables["Account"].rows[company.chart.checking]
    assert checking.sync_token == 0
    assert checking.updated > checking.created + 400 * DAY


def test_download_addresses_are_the_same_at_every_build() -> None:
    first, again = (truth(build_company(invoices=1, now=NOW))["Attachable"].rows for _ in range(2))
    assert any(b"TempDownloadUri" in body for body in first.values())
    assert first == again


def test_social_security_numbers_are_masked_as_intuit_masks_them(company: SandboxCompany) -> None:
    numbers = [doc["SSN"] for entity, _, doc in every(company) if entity == "Employee"]
    assert numbers
    for number in numbers:
        assert re.fullmatch(r"X{3}-X{2}-X{4}", str(number))
