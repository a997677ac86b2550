"""Receivables and payables: what is open on a day, how old it is, and that it ties to the ledger."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from ledgerguard_pipeline.values import State
from ledgerguard_pipeline_tests.silver.books import Books

D = Decimal


def invoice(total: str, balance: str, due: str, **more: object) -> dict[str, object]:
    return {
        "TxnDate": "2026-01-01",
        "DueDate": due,
        "TotalAmt": D(total),
        "Balance": D(balance),
        "CustomerRef": {"value": "1", "name": "Ann"},
        **more,
    }


def paid(date: str, amount: str, *links: tuple[str, str, str], **more: object) -> dict[str, object]:
    return {
        "TxnDate": date,
        "TotalAmt": D(amount),
        "Line": [
            {"Amount": D(each), "LinkedTxn": [{"TxnId": id, "TxnType": kind}]}
            for kind, id, each in links
        ],
        **more,
    }


def open_on(books: Books, day: str, name: str = "ar_open") -> dict[tuple[object, object], object]:
    found = books.store.sql(
        f"SELECT txn_type, id, open_amt FROM silver.{name}_as_of(DATE '{day}')"
    ).rows
    assert len({row[:2] for row in found}) == len(found)
    return {(kind, id): amount for kind, id, amount in found}


def test_the_bucket_counts_days_after_the_due_date(books: Books) -> None:
    books.write("Invoice", {"1": invoice("10", "10", "2026-01-31")})
    days = ("01-31", "02-01", "03-02", "03-03", "04-01", "04-02", "05-01", "05-02")
    asked = " UNION ALL ".join(
        f"SELECT day, bucket, days_past_due FROM silver.ar_open_as_of(DATE '2026-{day}')"
        for day in days
    )
    assert [row[1:] for row in books.store.sql(f"{asked} ORDER BY day").rows] == [
        ("current", 0),
        ("1-30", 1),
        ("1-30", 30),
        ("31-60", 31),
        ("31-60", 60),
        ("61-90", 61),
        ("61-90", 90),
        ("over 90", 91),
    ]


def test_companies_that_age_from_the_date_of_the_form_are_aged_so(books: Books) -> None:
    books.write("Preferences", {"1": {"ReportPrefs": {"CalcAgingReportFromTxnDate": True}}})
    books.write("Invoice", {"1": invoice("10", "10", "2026-01-31")})
    assert books.store.sql(
        "SELECT days_past_due FROM silver.ar_open_as_of(DATE '2026-01-31')"
    ).rows == [(30,)]


def test_the_view_is_as_of_today_and_leaves_out_what_is_settled_or_voided(books: Books) -> None:
    books.write("Invoice", {"1": invoice("10", "4", "2026-01-31"), "2": invoice("9", "0", "2026-01-31")})  # fmt: skip
    books.write("Invoice", {"3": invoice("0", "0", "2026-01-31")}, state=State.VOIDED)
    assert books.store.sql(
        "SELECT id, open_amt, bucket, day = current_date FROM silver.ar_open"
    ).rows == [("1", D(4), "over 90", True)]


def test_today_is_that_of_utc_for_whoever_opens_the_file(books: Books, path: Path) -> None:
    """At any instant it is another day in one of both zones."""
    books.write("Invoice", {"1": invoice("10", "10", "2026-01-31")})
    for zone in ("Pacific/Kiritimati", "Pacific/Niue"):
        with duckdb.connect(path) as connection:
            connection.execute(f"SET TimeZone = '{zone}'")
            before = datetime.now(UTC).date()
            (day,) = connection.execute("SELECT day FROM silver.ar_open").fetchall()
            assert before <= day[0] <= datetime.now(UTC).date()


def test_what_was_paid_or_credited_later_is_still_open_on_the_day(books: Books) -> None:
    """100 invoiced on 1 January; 30 paid in February, 20 credited in March, 50 remain."""
    books.write("Invoice", {"1": invoice("100", "50", "2026-01-31")})
    books.write("CreditMemo", {"5": {**invoice("20", "0", "2026-01-10"), "TxnDate": "2026-01-10"}})
    books.write(
        "Payment",
        {
            "8": paid("2026-02-10", "40", ("Invoice", "1", "30"), UnappliedAmt=D(10)),
            "9": paid("2026-03-10", "0", ("Invoice", "1", "20"), ("CreditMemo", "5", "20"), UnappliedAmt=D(0)),
        },
    )  # fmt: skip
    one, memo, payment = ("Invoice", "1"), ("CreditMemo", "5"), ("Payment", "8")
    assert open_on(books, "2025-12-31") == {}
    assert open_on(books, "2026-01-01") == {one: D(100)}
    assert open_on(books, "2026-02-09") == {one: D(100), memo: D(-20)}
    assert open_on(books, "2026-02-10") == {one: D(70), memo: D(-20), payment: D(-10)}
    assert open_on(books, "2026-03-10") == {one: D(50), payment: D(-10)}


def test_a_payment_before_its_invoice_is_a_credit_until_the_invoice_is_dated(books: Books) -> None:
    books.write("Invoice", {"1": {**invoice("30", "0", "2026-03-31"), "TxnDate": "2026-03-01"}})
    books.write(
        "Payment", {"8": paid("2026-02-10", "30", ("Invoice", "1", "30"), UnappliedAmt=D(0))}
    )
    assert open_on(books, "2026-02-20") == {("Payment", "8"): D(-30)}
    assert open_on(books, "2026-03-01") == {}


def test_payables_have_bills_credits_prepayments_and_entries_of_the_journal(books: Books) -> None:
    vendor = {"VendorRef": {"value": "7", "name": "Norton"}, "TxnDate": "2026-01-01"}
    books.write("Account", {"33": {"Name": "A/P", "AccountType": "Accounts Payable"}})
    books.write("Bill", {"1": {**vendor, "TotalAmt": D(100), "Balance": D(40), "DueDate": "2026-01-31"}})  # fmt: skip
    books.write("VendorCredit", {"2": {**vendor, "TotalAmt": D(15)}})
    entry = {
        "Amount": D(12),
        "DetailType": "JournalEntryLineDetail",
        "JournalEntryLineDetail": {
            "PostingType": "Credit",
            "AccountRef": {"value": "33"},
            "Entity": {"Type": "Vendor", "EntityRef": {"value": "7", "name": "Norton"}},
        },
    }
    books.write("JournalEntry", {"3": {"TxnDate": "2026-01-02", "Line": [entry]}})
    books.write(
        "BillPayment",
        {
            "8": {**vendor, **paid("2026-02-01", "65", ("Bill", "1", "60"), ("JournalEntry", "3", "5"))},
            "9": {**vendor, **paid("2026-02-01", "25")},
        },
    )  # fmt: skip
    assert open_on(books, "2026-02-01", "ap_open") == {
        ("Bill", "1"): D(40),
        ("VendorCredit", "2"): D(-15),
        ("JournalEntry", "3"): D(7),
        ("BillPayment", "9"): D(-25),
    }
    assert open_on(books, "2026-01-31", "ap_open") == {
        ("Bill", "1"): D(100),
        ("VendorCredit", "2"): D(-15),
        ("JournalEntry", "3"): D(12),
    }


def test_foreign_balances_are_in_home_currency_too(books: Books) -> None:
    books.write("Invoice", {"1": invoice("10", "3.33", "2026-01-31", ExchangeRate=D("1.1"))})
    # 3.33 x 1.1 = 3.663
    assert books.store.sql("SELECT open_amt, home_open_amt FROM silver.ar_open").rows == [
        (D("3.33"), D("3.66"))
    ]


@pytest.mark.parametrize("spelling", [str, str.upper, str.lower])
def test_what_is_booked_straight_to_the_account_is_open_too(
    books: Books, spelling: Callable[[str], str]
) -> None:
    books.write(
        "Account",
        {
            "84": {"Name": "A/R", "AccountType": "Accounts Receivable"},
            "33": {"Name": "A/P", "AccountType": "Accounts Payable"},
        },
    )

    def booked(detail: str, account: str, amount: int, **more: object) -> dict[str, object]:
        inside = {"AccountRef": {"value": account}, **more}
        return {"Amount": amount, "DetailType": detail, detail: inside}

    def whom(id: str, kind: str) -> dict[str, str]:
        return {"value": id, "type": spelling(kind)}

    of_deposit, of_purchase = "DepositLineDetail", "AccountBasedExpenseLineDetail"
    day = {"TxnDate": "2026-01-01"}
    ann, bob = whom("1", "Customer"), whom("9", "Vendor")
    books.write(
        "Deposit",
        {
            "10": {
                **day,
                "Line": [
                    booked(of_deposit, "84", 30, Entity=ann),
                    booked(of_deposit, "84", 5, Entity=ann),
                    booked(of_deposit, "33", 7, Entity=bob),
                    booked(of_deposit, "1", 99, Entity=ann),
                    booked(of_deposit, "84", 99),
                ],
            }
        },
    )
    books.write(
        "Purchase",
        {
            "20": {
                **day,
                "PaymentType": "Check",
                "EntityRef": ann,
                "Line": [booked(of_purchase, "84", 12)],
            },
            "21": {
                **day,
                "PaymentType": "Cash",
                "EntityRef": bob,
                "Line": [
                    booked(of_purchase, "33", 4),
                    booked(of_purchase, "84", 3, CustomerRef={"value": "2"}),
                ],
            },
            "22": {
                **day,
                "PaymentType": "CreditCard",
                "Credit": True,
                "EntityRef": bob,
                "Line": [booked(of_purchase, "33", 6)],
            },
        },
    )
    ref = {"CustomerRef": {"value": "1"}}
    books.write(
        "Payment",
        {"30": paid("2026-01-05", "2", ("Check", "20", "2"), UnappliedAmt=0, **ref)},
    )
    assert open_on(books, "2026-01-02") == {
        ("Deposit", "10"): -35,
        ("Check", "20"): 12,
        ("Expense", "21"): 3,
    }
    assert open_on(books, "2026-01-06")["Check", "20"] == 10
    assert open_on(books, "2026-01-06", "ap_open") == {
        ("Deposit", "10"): 7,
        ("Expense", "21"): -4,
        ("CreditCardCredit", "22"): 6,
    }


def test_who_pays_for_those_below_settles_an_entry_about_one_of_them(books: Books) -> None:
    def line(side: str, account: str, amount: int, customer: str = "") -> dict[str, object]:
        inside: dict[str, object] = {"PostingType": side, "AccountRef": {"value": account}}
        if customer:
            inside["Entity"] = {"Type": "Customer", "EntityRef": {"value": customer}}
        detail = "JournalEntryLineDetail"
        return {"Amount": amount, "DetailType": detail, detail: inside}

    day = {"TxnDate": "2026-01-01"}
    books.write("Account", {"84": {"Name": "A/R", "AccountType": "Accounts Receivable"}})
    books.write(
        "JournalEntry",
        {
            "1": {**day, "Line": [line("Debit", "84", 75, "11"), line("Credit", "1", 75)]},
            # About two, each of whom owes a part: what the payer owes of it is settled.
            "2": {
                **day,
                "Line": [
                    line("Debit", "84", 30, "10"),
                    line("Debit", "84", 20, "11"),
                    line("Credit", "1", 50),
                ],
            },
        },
    )
    above = {"CustomerRef": {"value": "10"}, "UnappliedAmt": 0}
    both = (("JournalEntry", "1", "70"), ("JournalEntry", "2", "30"))
    books.write("Payment", {"8": paid("2026-02-01", "100", *both, **above)})
    assert books.store.sql(
        "SELECT id, customer_id, open_amt FROM silver.ar_open ORDER BY id"
    ).rows == [("1", "11", D(5)), ("2", "11", D(20))]
