"""Documents in another currency, settled in parts and at other rates: open items equal the accounts each day."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from ledgerguard_pipeline.tieout.document_levels.facts import read_documents
from ledgerguard_pipeline.tieout.postings.store import PostingStore
from ledgerguard_pipeline.values import State
from ledgerguard_pipeline_tests.silver.books import REALM, Books, store_at
from ledgerguard_pipeline_tests.tieout.forms import (
    LISTS,
    Doc,
    entry,
    form,
    paid,
    ref,
    sold,
    spent,
)

ANN: Doc = {"CustomerRef": ref("5")}
BOB: Doc = {"VendorRef": ref("7")}


def euro(day: str, rate: str, doc: Doc, **more: object) -> Doc:
    """The same document in euro, of a day."""
    return (
        doc
        | {"TxnDate": day, "CurrencyRef": ref("EUR"), "ExchangeRate": Decimal(rate)}
        | {name: Decimal(str(value)) for name, value in more.items()}
    )


def on(account_id: str, amount: str, whom: str, kind: str) -> Doc:
    """A line of a deposit that is booked to an account of somebody."""
    detail = {"AccountRef": ref(account_id), "Entity": {"value": whom, "type": kind}}
    return {
        "Amount": Decimal(amount),
        "DetailType": "DepositLineDetail",
        "DepositLineDetail": detail,
    }


RECEIVED: dict[str, Doc] = {
    "Invoice": {
        "1": euro("2026-01-10", "1.2345678", form("100.01", sold("100.01"), **ANN), Balance=23.35),
        "2": euro("2026-03-01", "1.21", form("50.05", sold("50.05"), **ANN), Balance=0),
        "3": euro("2026-01-12", "1.2077", form("30.33", sold("30.33"), **ANN), Balance=20.22)
        | {"Deposit": Decimal("10.11"), "DepositToAccountRef": ref("1")},
        "4": euro("2026-04-01", "1.2345678", form("10.01", sold("10.01"), **ANN), Balance=0),
    },
    "CreditMemo": {
        "5": euro(
            "2026-01-20", "1.3001", form("33.33", sold("33.33"), **ANN), RemainingCredit=3.33
        ),
    },
    "JournalEntry": {
        "6": euro(
            "2026-01-01",
            "1.1999",
            form(
                "0",
                entry("33.33", "Debit", "11", customer="5"),
                entry("33.35", "Debit", "11", customer="5"),
                entry("66.68", "Credit", "51"),
            ),
        ),
    },
    "Deposit": {
        "7": euro("2026-02-02", "1.15", form("7.77", on("11", "7.77", "5", "Customer"))),
    },
    "Payment": {
        # In parts, and the rest of one with a credit.
        "11": euro(
            "2026-02-01",
            "1.31",
            form("33.33", paid("33.33", "Invoice", "1"), **ANN),
            UnappliedAmt=0,
        ),
        "12": euro(
            "2026-03-05",
            "1.29",
            form("3.33", paid("33.33", "Invoice", "1"), paid("30", "CreditMemo", "5"), **ANN),
            UnappliedAmt=0,
        ),
        # Money that was there before the invoice, and some that is not applied.
        "13": euro(
            "2026-02-15",
            "1.27",
            form("60.10", paid("50.05", "Invoice", "2"), paid("10", "Invoice", "1"), **ANN),
            UnappliedAmt="0.05",
        ),
        "14": euro(
            "2026-02-20",
            "1.28",
            form("20", paid("27.77", "JournalEntry", "6"), paid("7.77", "Deposit", "7"), **ANN),
            UnappliedAmt=0,
        ),
        # Three parts that rounded add up to a cent less than the whole.
        "15": euro(
            "2026-04-02",
            "1.3",
            form(
                "10.01",
                paid("3.34", "Invoice", "4"),
                paid("3.34", "Invoice", "4"),
                paid("3.33", "Invoice", "4"),
                **ANN,
            ),
            UnappliedAmt=0,
        ),
    },
}
SPENT: dict[str, Doc] = {
    "Bill": {
        "1": euro("2026-01-10", "1.2345678", form("100.01", spent("100.01", "51"), **BOB), Balance=0),
        "2": euro("2026-02-10", "1.1111", form("45.67", spent("45.67", "51"), **BOB), Balance=45.67),
    },
    "VendorCredit": {
        "3": euro("2026-03-10", "1.3333", form("100.01", spent("100.01", "51"), **BOB)),
    },
    "JournalEntry": {
        "6": euro(
            "2026-01-01",
            "1.1999",
            form("0", entry("12.34", "Credit", "21", vendor="7"), entry("12.34", "Debit", "51")),
        ),
    },
    "BillPayment": {
        # A card that pays nothing before either document is dated.
        "11": euro(
            "2026-01-05",
            "1.25",
            form("0", paid("100.01", "Bill", "1"), paid("100.01", "VendorCredit", "3"), **BOB),
        )
        | {"PayType": "CreditCard", "CreditCardPayment": {"CCAccountRef": ref("70")}},
        "12": euro("2026-04-05", "1.26", form("5.01", paid("4.04", "JournalEntry", "6"), **BOB))
        | {"PayType": "Check", "CheckPayment": {"BankAccountRef": ref("1")}},
    },
}  # fmt: skip
VOIDED = euro("2026-02-25", "1.4", form("0", **ANN), UnappliedAmt=0) | {"PrivateNote": "Voided"}
MONTHS = ("2025-12-31", *(f"2026-0{month}-{day}" for month in range(1, 6) for day in ("01", "13", "28")))  # fmt: skip


@pytest.mark.parametrize(
    "documents, view, accounts, sign",
    [(RECEIVED, "ar_open", "('10', '11')", 1), (SPENT, "ap_open", "('20', '21')", -1)],
    ids=["receivables", "payables"],
)
def test_on_each_day_open_items_are_what_was_posted_to_the_accounts(
    tmp_path: Path, documents: dict[str, Doc], view: str, accounts: str, sign: int
) -> None:
    books = Books(store_at(tmp_path / "books.duckdb"))
    books.write_all(LISTS | documents)
    books.write("Payment", {"19": VOIDED}, state=State.VOIDED)
    PostingStore(books.store).bring_up_to_date(REALM)
    posted: object = None
    for day in MONTHS:
        ((listed, posted),) = books.store.sql(
            f"SELECT (SELECT coalesce(sum(home_open_amt), 0) FROM silver.{view}_as_of(DATE '{day}')), "
            f"(SELECT coalesce(sum(amount), 0) * {sign} FROM silver.postings "
            f"WHERE account_id IN {accounts} AND txn_date <= DATE '{day}')"
        ).rows
        assert (day, listed) == (day, posted)
    assert posted


def test_what_rounding_left_of_a_settled_document_is_shown_as_the_ledger_has_it(
    tmp_path: Path,
) -> None:
    books = Books(store_at(tmp_path / "books.duckdb"))
    books.write_all(LISTS | RECEIVED)
    # 10.01 x 1.2345678 is 12.36, and the three parts of it are 4.12, 4.12 and 4.11.
    assert books.store.sql(
        "SELECT id, open_amt, home_open_amt FROM silver.ar_open_as_of(DATE '2026-05-01') "
        "WHERE txn_type = 'Invoice' ORDER BY id"
    ).rows == [
        ("1", Decimal("23.35"), Decimal("28.82")),
        ("3", Decimal("20.22"), Decimal("24.42")),
        ("4", Decimal(0), Decimal("0.01")),
    ]


def test_the_total_of_an_entry_is_that_of_its_rounded_lines_and_of_taxes(tmp_path: Path) -> None:
    books = Books(store_at(tmp_path / "books.duckdb"))
    four = [entry("10.01", "Debit", "51") for _ in range(4)]
    books.write_all(
        LISTS
        | {
            "JournalEntry": {
                # 10.01 x 1.2345678 is 12.36 four times, 40.04 x 1.2345678 is 49.43.
                "1": euro("2026-01-01", "1.2345678", form("0", *four, entry("40.04", "Credit", "1"))),
                "2": form(
                    "0",
                    entry("100", "Debit", "51", TaxAmount=Decimal(13)),
                    entry("113", "Credit", "1"),
                ),
            }
        }
    )  # fmt: skip
    with books.store.workspace.read() as seen:
        assert seen is not None
        found = read_documents(seen, REALM, ["1", "2"])
    totals = {id: document.total for (_, id), document in found.items()}
    assert totals == {"1": Decimal("49.44"), "2": Decimal(113)}
