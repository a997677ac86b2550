"""Documents of a test's own and the legs they have to have; a story of changes in a file and in a lake."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.reports.journal import JournalLeg, JournalTransaction
from ledgerguard_pipeline.silver.follow import SilverFollower
from ledgerguard_pipeline.tieout.findings import FindingKind, NotCompared
from ledgerguard_pipeline.tieout.journal_store import JournalStore, LoadedPart
from ledgerguard_pipeline.tieout.postings.store import PostingStore
from ledgerguard_pipeline.values import Environment, State
from ledgerguard_pipeline_tests.lakes import empty_lake, lake_address
from ledgerguard_pipeline_tests.silver.books import OTHER_REALM, REALM, Books, store_at
from ledgerguard_pipeline_tests.tieout.forms import (
    BUNDLE,
    DAY,
    DISCOUNT,
    EURO,
    LISTS,
    SUBTOTAL,
    Doc,
    entry,
    form,
    paid,
    ref,
    sold,
    spent,
    tax,
)

Legs = set[tuple[str | None, Decimal]]

DOCUMENTS: dict[str, tuple[str, Doc, set[tuple[str | None, str]]]] = {
    "discounts and sub-totals": (
        "Invoice",
        form("90", sold("100"), SUBTOTAL, DISCOUNT, CustomerRef=ref("5")),
        {("10", "90"), ("40", "-100"), ("31", "10")},
    ),
    "bundles": (
        "SalesReceipt",
        form("30", BUNDLE),
        {("30", "30"), ("40", "-10"), ("42", "-20")},
    ),
    "a tax whose account is not known yet": (
        "Invoice",
        form("108", sold("100"), TxnTaxDetail=tax("8")),
        {("10", "108"), ("40", "-100"), (None, "-8")},
    ),
    "shipping": (
        "Invoice",
        form("15", sold("10"), sold("5", "SHIPPING_ITEM_ID")),
        {("10", "15"), ("40", "-10"), (None, "-5")},
    ),
    "money paid down": (
        "Invoice",
        form("50", sold("50"), Deposit=Decimal(20), DepositToAccountRef=ref("1")),
        {("10", "50"), ("10", "-20"), ("1", "20"), ("40", "-50")},
    ),
    "credits": (
        "CreditMemo",
        form("90", sold("100"), DISCOUNT),
        {("10", "-90"), ("40", "100"), ("31", "-10")},
    ),
    "refunds": (
        "RefundReceipt",
        form("25", sold("25"), DepositToAccountRef=ref("1")),
        {("1", "-25"), ("40", "25")},
    ),
    "goods that are counted": (
        "Bill",
        form(
            "80",
            {
                "Amount": Decimal(80),
                "DetailType": "ItemBasedExpenseLineDetail",
                "ItemBasedExpenseLineDetail": {"ItemRef": ref("2")},
            },
        ),
        {("20", "-80"), ("60", "80")},
    ),
    "credits of vendors": (
        "VendorCredit",
        form("8", spent("8", "51"), APAccountRef=ref("22")),
        {("22", "8"), ("51", "-8")},
    ),
    "credits of cards": (
        "Purchase",
        form("9", spent("9", "51"), AccountRef=ref("70"), PaymentType="CreditCard", Credit=True),
        {("70", "9"), ("51", "-9")},
    ),
    "cash taken out of a deposit": (
        "Deposit",
        form(
            "60",
            {"Amount": Decimal(100), "LinkedTxn": [{"TxnId": "1", "TxnType": "Payment"}]},
            DepositToAccountRef=ref("1"),
            CashBack={"AccountRef": ref("2"), "Amount": Decimal(40)},
        ),
        {("1", "60"), ("2", "40"), ("30", "-100")},
    ),
    "transfers": (
        "Transfer",
        {
            "TxnDate": DAY,
            "Amount": Decimal("0.30000000000000004"),
            "FromAccountRef": ref("1"),
            "ToAccountRef": ref("2"),
        },
        {("2", "0.30000000000000004"), ("1", "-0.30000000000000004")},
    ),
    "payments of cards": (
        "CreditCardPayment",
        {
            "TxnDate": DAY,
            "Amount": Decimal(7),
            "CreditCardAccountRef": ref("70"),
            "BankAccountRef": ref("1"),
        },
        {("70", "7"), ("1", "-7")},
    ),
    "entries": (
        "JournalEntry",
        form("0", entry("3", "Debit", "1"), entry("3", "Credit", "2")),
        {("1", "3"), ("2", "-3")},
    ),
    "what is settled at another rate": (
        "Payment",
        form("100", paid("100", "Invoice", "900"), DepositToAccountRef=ref("1"))
        | EURO
        | {"ExchangeRate": Decimal("1.3")},
        {("1", "130.00"), ("11", "-123.45"), ("32", "-6.55")},
    ),
    "an entry that is settled at another rate": (
        "Payment",
        form(
            "100",
            paid("100", "JournalEntry", "902"),
            CustomerRef=ref("5"),
            DepositToAccountRef=ref("1"),
        )
        | EURO
        | {"ExchangeRate": Decimal("1.3")},
        {("1", "130.00"), ("11", "-123.45"), ("32", "-6.55")},
    ),
    "an entry about a customer below that the one above pays at another rate": (
        "Payment",
        form(
            "100",
            paid("100", "JournalEntry", "902"),
            CustomerRef=ref("4"),
            DepositToAccountRef=ref("1"),
        )
        | EURO
        | {"ExchangeRate": Decimal("1.3")},
        {("1", "130.00"), ("11", "-123.45"), ("32", "-6.55")},
    ),
    "an entry about two others, which is not known to be settled": (
        "Payment",
        form(
            "100",
            paid("100", "JournalEntry", "906"),
            CustomerRef=ref("4"),
            DepositToAccountRef=ref("1"),
        )
        | EURO
        | {"ExchangeRate": Decimal("1.3")},
        {("1", "130.00"), ("11", "-130.00")},
    ),
    "a credit that an entry booked": (
        "Payment",
        form(
            "60",
            paid("100", "Invoice", "900"),
            paid("40", "JournalEntry", "903"),
            CustomerRef=ref("5"),
            DepositToAccountRef=ref("1"),
        )
        | EURO
        | {"ExchangeRate": Decimal("1.3")},
        {("1", "78.00"), ("11", "-123.45"), ("11", "49.38"), ("32", "-3.93")},
    ),
    "a card that pays nothing, because a credit of another rate settles the bill": (
        "BillPayment",
        form(
            "0",
            paid("100", "Bill", "904"),
            paid("100", "VendorCredit", "905"),
            PayType="CreditCard",
            CreditCardPayment={"CCAccountRef": ref("70")},
        )
        | EURO,
        {("21", "123.45"), ("21", "-130.00"), ("32", "6.55")},
    ),
    "taxes of an entry, which are on the side of their line": (
        "JournalEntry",
        form(
            "0",
            entry("100", "Debit", "51", TaxAmount=Decimal(13), TaxRateRef=ref("7")),
            entry("113", "Credit", "1"),
        ),
        {("51", "100"), (None, "13"), ("1", "-113")},
    ),
    "taxes of an entry, which only its tax lines say": (
        "JournalEntry",
        form(
            "0",
            entry("100", "Debit", "51"),
            entry("113", "Credit", "1"),
            TxnTaxDetail=tax("13"),
        ),
        {("51", "100"), (None, "13"), ("1", "-113")},
    ),
    "taxes of an entry, which a line of its own has already": (
        "JournalEntry",
        form(
            "0",
            entry("100", "Debit", "51"),
            entry("13", "Debit", "80"),
            entry("113", "Credit", "1"),
            TxnTaxDetail=tax("13"),
        ),
        {("51", "100"), ("80", "13"), ("1", "-113")},
    ),
    "taxes of an entry, whose rate only its tax line says": (
        "JournalEntry",
        form(
            "0",
            entry("113", "Debit", "1"),
            entry("100", "Credit", "40", TaxAmount=Decimal(13)),
            TxnTaxDetail=tax("13"),
        ),
        {("1", "113"), ("40", "-100"), (None, "-13")},
    ),
    "bills that name the account": (
        "BillPayment",
        form(
            "8",
            paid("8", "Bill", "901"),
            PayType="Check",
            CheckPayment={"BankAccountRef": ref("1")},
        ),
        {("23", "8"), ("1", "-8")},
    ),
}
_OTHERS: dict[str, tuple[str, Doc]] = {
    "900": ("Invoice", form("100", sold("100")) | EURO),
    "901": ("Bill", form("8", spent("8", "51"), APAccountRef=ref("23"))),
    "902": (
        "JournalEntry",
        form("0", entry("100", "Debit", "11", customer="5"), entry("100", "Credit", "51")) | EURO,
    ),
    "903": (
        "JournalEntry",
        form("0", entry("40", "Credit", "11", customer="5"), entry("40", "Debit", "51")) | EURO,
    ),
    "904": ("Bill", form("100", spent("100", "51")) | EURO),
    "906": (
        "JournalEntry",
        form(
            "0",
            entry("60", "Debit", "11", customer="5"),
            entry("40", "Debit", "11", customer="6"),
            entry("100", "Credit", "51"),
        )
        | EURO,
    ),
    "905": (
        "VendorCredit",
        form("100", spent("100", "51")) | EURO | {"ExchangeRate": Decimal("1.3")},
    ),
}
_IDS = {case: str(100 + number) for number, case in enumerate(DOCUMENTS)}


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Books:
    """All documents, derived once."""
    found = Books(store_at(tmp_path_factory.mktemp("rules") / "books.duckdb"))
    by_type: dict[str, Doc] = {}
    for case, (entity, doc, _) in DOCUMENTS.items():
        by_type.setdefault(entity, {})[_IDS[case]] = doc
    for id, (entity, doc) in _OTHERS.items():
        by_type.setdefault(entity, {})[id] = doc
    found.write_all(LISTS | by_type)
    PostingStore(found.store).bring_up_to_date(REALM)
    return found


@pytest.fixture(params=["file", "lake"])
def few(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Books]:
    """Two invoices, a transfer and an entry, in a store of their own."""
    cases = ("a tax whose account is not known yet", "shipping", "transfers", "entries")
    by_type: dict[str, Doc] = {}
    for case in cases:
        by_type.setdefault(DOCUMENTS[case][0], {})[_IDS[case]] = DOCUMENTS[case][1]
    with contextlib.ExitStack() as stack:
        if request.param == "file":
            store = store_at(tmp_path / "books.duckdb")
        else:
            address = lake_address(stack.enter_context(empty_lake(tmp_path)))
            store = BronzeStore(address, Environment.SANDBOX, follower=SilverFollower())
        found = Books(store)
        found.write_all(LISTS | by_type)
        PostingStore(store).bring_up_to_date(REALM)
        yield found


def legs(books: Books, entity: str, id: str) -> Legs:
    rows = books.store.sql(
        f"SELECT account_id, amount FROM silver.postings WHERE realm_id = '{REALM}' "
        f"AND entity = '{entity}' AND txn_id = '{id}'"
    ).rows
    return {(None if row[0] is None else str(row[0]), Decimal(str(row[1]))) for row in rows}


@pytest.mark.parametrize("case", DOCUMENTS)
def test_legs_are_those_of_the_rule(books: Books, case: str) -> None:
    entity, _, expected = DOCUMENTS[case]
    assert legs(books, entity, _IDS[case]) == {(id, Decimal(amount)) for id, amount in expected}


def test_taxes_of_an_entry_have_the_rate_that_its_tax_line_names(books: Books) -> None:
    rows = books.store.sql(
        "SELECT txn_id, tax_rate_id FROM silver.postings "
        "WHERE entity = 'JournalEntry' AND role = 'tax' ORDER BY txn_id"
    ).rows
    taxed = [case for case in DOCUMENTS if case.startswith("taxes of an entry")]
    assert rows == [(_IDS[case], "7") for case in taxed if not case.endswith("already")]


def test_taxes_and_shipping_are_learned_and_what_changes_moves_only_its_own_legs(
    few: Books,
) -> None:
    postings = PostingStore(few.store)
    taxed, shipped = _IDS["a tax whose account is not known yet"], _IDS["shipping"]
    transactions = [
        _transaction(taxed, ("10", 108), ("40", -100), ("80", -8)),
        _transaction(shipped, ("10", 15), ("40", -10), ("45", -5)),
    ]
    start, end = date(2026, 3, 1), date(2026, 3, 31)
    JournalStore(few.store.workspace).replace(
        REALM, start, end, [LoadedPart("report", start, end, transactions)], datetime.now(UTC)
    )
    assert postings.bring_up_to_date(REALM).documents == 2
    assert ("80", Decimal(-8)) in legs(few, "Invoice", taxed)
    assert ("45", Decimal(-5)) in legs(few, "Invoice", shipped)
    # One was deleted, one voided, one edited.
    few.bury("Transfer", _IDS["transfers"])
    few.write("JournalEntry", {_IDS["entries"]: form("0")}, state=State.VOIDED)
    few.write("Invoice", {shipped: form("26", sold("26"))})
    assert postings.bring_up_to_date(REALM).documents == 3
    assert legs(few, "Transfer", _IDS["transfers"]) == set()
    assert legs(few, "JournalEntry", _IDS["entries"]) == set()
    assert legs(few, "Invoice", shipped) == {("10", Decimal(26)), ("40", Decimal(-26))}
    assert ("80", Decimal(-8)) in legs(few, "Invoice", taxed)


def test_a_company_without_accounts_is_a_finding_and_no_one_elses_legs_move(books: Books) -> None:
    books.write("Transfer", {"1": DOCUMENTS["transfers"][1]}, realm=OTHER_REALM)
    before = books.store.sql("SELECT count(*) FROM silver.postings").rows
    with pytest.raises(NotCompared, match="Silver holds no account") as refused:
        PostingStore(books.store).bring_up_to_date(OTHER_REALM)
    assert refused.value.kind is FindingKind.DOCUMENTS_MISSING
    assert books.store.sql("SELECT count(*) FROM silver.postings").rows == before


def _transaction(id: str, *moved: tuple[str, int]) -> JournalTransaction:
    nothing = Decimal(0)
    made = [
        JournalLeg(
            account_id,
            account_id,
            Decimal(amount) if amount > 0 else nothing,
            Decimal(-amount) if amount < 0 else nothing,
            "",
            "",
        )
        for account_id, amount in moved
    ]
    return JournalTransaction("Invoice", id, DAY, "", "", made)
