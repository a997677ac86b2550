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

Doc = dict[str, object]
Legs = set[tuple[str | None, Decimal]]
DAY = "2026-03-05"


def ref(id: str) -> Doc:
    return {"value": id}


def account(type_: str, subtype: str, currency: str = "USD") -> Doc:
    return {
        "Name": subtype,
        "FullyQualifiedName": subtype,
        "Active": True,
        "AccountType": type_,
        "AccountSubType": subtype,
        "CurrencyRef": ref(currency),
    }


def sold(amount: str, item: str = "1", **more: object) -> Doc:
    detail = {"ItemRef": ref(item), **more}
    return {
        "Amount": Decimal(amount),
        "DetailType": "SalesItemLineDetail",
        "SalesItemLineDetail": detail,
    }


def spent(amount: str, account_id: str) -> Doc:
    return {
        "Amount": Decimal(amount),
        "DetailType": "AccountBasedExpenseLineDetail",
        "AccountBasedExpenseLineDetail": {"AccountRef": ref(account_id)},
    }


def form(total: str, *lines: Doc, **more: object) -> Doc:
    return {"TxnDate": DAY, "TotalAmt": Decimal(total), "Line": list(lines), **more}


def tax(amount: str, rate: str = "7") -> Doc:
    detail = {"TaxRateRef": ref(rate)}
    line = {"Amount": Decimal(amount), "DetailType": "TaxLineDetail", "TaxLineDetail": detail}
    return {"TotalTax": Decimal(amount), "TaxLine": [line]}


ACCOUNTS = {
    "10": account("Accounts Receivable", "AccountsReceivable"),
    "11": account("Accounts Receivable", "AccountsReceivable", "EUR"),
    "20": account("Accounts Payable", "AccountsPayable"),
    "21": account("Accounts Payable", "AccountsPayable", "EUR"),
    "30": account("Other Current Asset", "UndepositedFunds"),
    "31": account("Income", "DiscountsRefundsGiven"),
    "32": account("Other Expense", "ExchangeGainOrLoss"),
}
ITEMS = {
    "1": {"Name": "Hours", "Type": "Service", "IncomeAccountRef": ref("40")},
    "2": {
        "Name": "Pump",
        "Type": "Inventory",
        "IncomeAccountRef": ref("41"),
        "ExpenseAccountRef": ref("50"),
        "AssetAccountRef": ref("60"),
    },
}
EURO: Doc = {"CurrencyRef": ref("EUR"), "ExchangeRate": Decimal("1.2345")}
DISCOUNT: Doc = {
    "Amount": Decimal(10),
    "DetailType": "DiscountLineDetail",
    "DiscountLineDetail": {},
}
SUBTOTAL: Doc = {"Amount": Decimal(100), "DetailType": "SubTotalLineDetail"}
BUNDLE: Doc = {
    "Amount": Decimal(30),
    "DetailType": "GroupLineDetail",
    "GroupLineDetail": {"Line": [sold("10"), sold("20", ItemAccountRef=ref("42"))]},
}


def paid(amount: str, entity: str, id: str) -> Doc:
    return {"Amount": Decimal(amount), "LinkedTxn": [{"TxnId": id, "TxnType": entity}]}


def entry(amount: str, side: str, account_id: str) -> Doc:
    detail = {"PostingType": side, "AccountRef": ref(account_id)}
    return {
        "Amount": Decimal(amount),
        "DetailType": "JournalEntryLineDetail",
        "JournalEntryLineDetail": detail,
    }


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
}
_IDS = {case: str(100 + number) for number, case in enumerate(DOCUMENTS)}


_LISTS: dict[str, Doc] = {
    "Preferences": {"1": {"CurrencyPrefs": {"HomeCurrency": ref("USD")}}},
    "Account": dict(ACCOUNTS),
    "Item": dict(ITEMS),
}


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Books:
    """All documents, derived once."""
    found = Books(store_at(tmp_path_factory.mktemp("rules") / "books.duckdb"))
    by_type: dict[str, Doc] = {}
    for case, (entity, doc, _) in DOCUMENTS.items():
        by_type.setdefault(entity, {})[_IDS[case]] = doc
    for id, (entity, doc) in _OTHERS.items():
        by_type.setdefault(entity, {})[id] = doc
    found.write_all(_LISTS | by_type)
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
        found.write_all(_LISTS | by_type)
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
