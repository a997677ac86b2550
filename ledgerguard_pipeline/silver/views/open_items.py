"""What customers owe and what vendors are owed, document by document, with its age.

The balance on a day is today's balance plus what was applied after that day, by the documents as
they are now. Bronze's history is not asked: an amount edited later counts as edited.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledgerguard_pipeline.silver.views.direct_bookings import ENTRIES, direct_bookings
from ledgerguard_pipeline.silver.views.form import (
    COMPANY,
    ReaderView,
    day,
    home,
    money,
    number,
    text,
    whole,
)

_ENTRIES = str(ENTRIES)
"""What is open for each party by itself, because it may be booked for several."""
BUCKETS = ("current", "1-30", "31-60", "61-90", "over 90")


@dataclass(frozen=True, slots=True)
class _Side:
    """Receivables or payables: who, by which documents, and on which accounts."""

    party: str
    kind: str
    account_type: str
    payment: str
    """The table of payments, which are linked to what they settle."""
    owed: str
    credit: str
    sources: str
    """Documents with ``sign``, what was ``paid_down`` on the document itself, and the ``balance`` of
    today, which is NULL where none is sent."""


_RECEIVABLE = _Side(
    "customer",
    "Customer",
    "Accounts Receivable",
    "payment",
    "Invoice",
    "CreditMemo",
    """
    SELECT realm_id, 'Invoice' AS txn_type, id, doc_number, txn_date, due_date, customer_id,
        customer_name, department_id, department_name, currency_id, exchange_rate, 1 AS sign,
        total_amt, coalesce(deposit, 0) AS paid_down, balance
    FROM silver.invoice WHERE state <> 'voided'
    UNION ALL
    SELECT realm_id, 'CreditMemo', id, doc_number, txn_date, NULL, customer_id, customer_name,
        department_id, department_name, currency_id, exchange_rate, -1, total_amt, 0,
        coalesce(remaining_credit, balance)
    FROM silver.credit_memo WHERE state <> 'voided'
    """,
)
_PAYABLE = _Side(
    "vendor",
    "Vendor",
    "Accounts Payable",
    "bill_payment",
    "Bill",
    "VendorCredit",
    """
    SELECT realm_id, 'Bill' AS txn_type, id, doc_number, txn_date, due_date, vendor_id,
        vendor_name, department_id, department_name, currency_id, exchange_rate, 1 AS sign,
        total_amt, 0 AS paid_down, balance
    FROM silver.bill WHERE state <> 'voided'
    UNION ALL
    SELECT realm_id, 'VendorCredit', id, doc_number, txn_date, NULL, vendor_id, vendor_name,
        department_id, department_name, currency_id, exchange_rate, -1, total_amt, 0, balance
    FROM silver.vendor_credit WHERE state <> 'voided'
    """,
)


def _sql(side: _Side) -> str:
    """Documents, what is booked straight to the account, and what of payments is not applied.

    An entry of the journal, and a line of a deposit, check or expense on the account, has no
    balance of its own, so it is what it posts less what payments settled of it: who pays for those below
    settles an entry about one of them, and of an entry about several what is booked for the payer. The
    same goes for payments to vendors, and for credits sent without balance. In home currency each amount is
    rounded by itself, as postings are, so that the sum is what the account holds.
    """
    party = side.party
    customers = side.kind == "Customer"
    # A comparison of both sides, never an OR: that would compare every payment with every document.
    own = (
        f"CASE WHEN document.txn_type IN {_ENTRIES} THEN coalesce(document.{party}_id, '') "
        "ELSE '' END"
    )
    left = "pay.total_amt - coalesce(spent.ever, 0)"
    if customers:
        left = f"coalesce(pay.unapplied_amt, {left})"
    return f"""
WITH asked AS (
    SELECT CAST(:day AS DATE) AS asked_day
), entry AS (
    {direct_bookings(party, side.account_type, lambda name: f"silver.{name}")}
), whose AS (
    SELECT realm_id, txn_type, id, any_value({party}_id) AS only_party FROM entry
    GROUP BY realm_id, txn_type, id HAVING count(*) = 1
), document AS (
    SELECT *, {home("total_amt", "exchange_rate")} - {home("paid_down", "exchange_rate")}
        AS home_total
    FROM ({side.sources})
    UNION ALL
    SELECT realm_id, txn_type, id, doc_number, txn_date, NULL, {party}_id, {party}_name,
        department_id, department_name, currency_id, exchange_rate, CAST(sign(net) AS INTEGER),
        abs(net), 0, NULL, CASE WHEN net < 0 THEN -home_net ELSE home_net END
    FROM entry WHERE net <> 0
), applied AS (
    SELECT link.realm_id, link.txn_type, link.txn_id, pay.id AS pay_id,
        pay.txn_date AS pay_date, CASE WHEN link.txn_type IN {_ENTRIES}
            THEN coalesce(whose.only_party, pay.{party}_id, '') ELSE '' END AS entry_party, link.amount
    FROM silver.{side.payment}_linked AS link JOIN silver.{side.payment} AS pay
        ON pay.realm_id = link.realm_id AND pay.id = link.id
    LEFT JOIN whose ON whose.realm_id = link.realm_id AND whose.txn_type = link.txn_type
        AND whose.id = link.txn_id
    WHERE link.line_no IS NOT NULL AND link.amount IS NOT NULL AND pay.state <> 'voided'
), cleared AS (
    SELECT applied.*, asked_day, document.sign, document.txn_date AS document_date,
        {home("applied.amount", "document.exchange_rate")} AS home_amount
    FROM asked, applied LEFT JOIN document ON document.realm_id = applied.realm_id
        AND document.txn_type = applied.txn_type AND document.id = applied.txn_id
        AND applied.entry_party = {own}
), settled AS (
    SELECT realm_id, txn_type, txn_id, entry_party, sum(amount) AS ever,
        sum(CASE WHEN pay_date > asked_day THEN amount ELSE 0 END) AS later,
        sum(CASE WHEN pay_date > asked_day THEN 0 ELSE home_amount END) AS home_by_then
    FROM cleared GROUP BY realm_id, txn_type, txn_id, entry_party
), known AS (
    SELECT document.*, coalesce(settled.ever, 0) AS ever, coalesce(settled.later, 0) AS later,
        coalesce(settled.home_by_then, 0) AS home_by_then,
        coalesce(document.balance, document.total_amt - coalesce(settled.ever, 0)) AS open_now
    FROM document LEFT JOIN settled ON settled.realm_id = document.realm_id
        AND settled.txn_type = document.txn_type AND settled.txn_id = document.id
        AND settled.entry_party = {own}
), owed AS (
    SELECT * EXCLUDE (ever, later, home_by_then, open_now, home_total, paid_down, balance),
        open_now + later AS open_amt, home_total - home_by_then
            - {home("total_amt - paid_down - ever - open_now", "exchange_rate")} AS home_open_amt
    FROM known
), spent AS (
    SELECT realm_id, pay_id, sum(coalesce(sign, 1) * amount) AS ever,
        sum(CASE WHEN document_date > asked_day THEN sign * amount ELSE 0 END) AS later,
        sum(CASE WHEN document_date > asked_day THEN sign * home_amount ELSE 0 END) AS home_later
    FROM cleared GROUP BY realm_id, pay_id
), unapplied AS (
    SELECT pay.realm_id, '{"Payment" if customers else "BillPayment"}' AS txn_type,
        pay.id, pay.doc_number, pay.txn_date, CAST(NULL AS DATE) AS due_date, pay.{party}_id,
        pay.{party}_name, pay.department_id, pay.department_name, pay.currency_id,
        pay.exchange_rate, -1 AS sign, pay.total_amt,
        {left} + coalesce(spent.later, 0) AS open_amt,
        {home(left, "pay.exchange_rate")} + coalesce(spent.home_later, 0) AS home_open_amt
    FROM silver.{side.payment} AS pay LEFT JOIN spent
        ON spent.realm_id = pay.realm_id AND spent.pay_id = pay.id
    WHERE pay.state <> 'voided'
), item AS (
    SELECT * FROM owed
    UNION ALL BY NAME
    SELECT * FROM unapplied
), aged AS (
    SELECT item.*, asked_day, date_diff('day', CASE
        WHEN preferences.calc_aging_report_from_txn_date THEN item.txn_date
        ELSE coalesce(item.due_date, item.txn_date) END, asked_day) AS age
    FROM asked, item LEFT JOIN silver.preferences AS preferences
        ON preferences.realm_id = item.realm_id
    WHERE (item.open_amt <> 0 OR item.home_open_amt <> 0) AND item.txn_date <= asked_day
)
SELECT realm_id, txn_type, id, doc_number, txn_date, due_date, {party}_id, {party}_name,
    department_id, department_name, currency_id, exchange_rate, sign * total_amt AS total_amt,
    sign * open_amt AS open_amt, sign * home_open_amt AS home_open_amt,
    greatest(age, 0) AS days_past_due, CASE WHEN age <= 0 THEN '{BUCKETS[0]}'
        WHEN age <= 30 THEN '{BUCKETS[1]}' WHEN age <= 60 THEN '{BUCKETS[2]}'
        WHEN age <= 90 THEN '{BUCKETS[3]}' ELSE '{BUCKETS[4]}' END AS bucket,
    asked_day AS day
FROM aged
"""


def _view(name: str, side: _Side, meaning: str) -> ReaderView:
    party, kind = side.party, side.kind
    payment = "Payment" if kind == "Customer" else "BillPayment"
    return ReaderView(
        name,
        meaning,
        f"one {side.owed}, {side.credit}, {payment}, or JournalEntry, Deposit, Check, Expense or "
        f"CreditCardCredit booked straight to the account (per {party}), not settled on the day; or "
        "settled in another currency, with the cents that rounding left on the account",
        ("realm_id", "txn_type", "id", f"{party}_id"),
        (
            COMPANY,
            text(
                "txn_type",
                f"{side.owed}, {side.credit}, {payment}, JournalEntry, Deposit, Check, Expense or "
                "CreditCardCredit.",
            ),
            text("id", "Id of the document, unique within its type."),
            text("doc_number", "Number on the form."),
            day("txn_date", "Date of the transaction."),
            day("due_date", f"When it is due, for {side.owed}; NULL elsewhere."),
            text(f"{party}_id", f"{kind}: id."),
            text(f"{party}_name", f"{kind}: name as printed."),
            text("department_id", "Department (location): id."),
            text("department_name", "Department (location): name as printed."),
            text("currency_id", "Currency of the amounts."),
            number("exchange_rate", "Home currency per unit of that currency."),
            money("total_amt", "Amount of the document; below zero for credits and payments."),
            money("open_amt", "What of it is open; below zero for credits and payments."),
            money(
                "home_open_amt",
                "The same in home currency, at the document's rate: what it posted less what "
                "settled it, each in cents as the ledger has them.",
            ),
            whole("days_past_due", "Days after the due date, or after its date without one."),
            text("bucket", f"{', '.join(BUCKETS)}: days past due."),
            day("day", "The day this is as of."),
        ),
        _sql(side),
        f"SELECT bucket, sum(home_open_amt) FROM silver.{name} GROUP BY bucket",
        dated=True,
    )


_LIMIT = (
    " Left out: transfers and other forms' lines on the account, what names nobody, and what a foreign "
    "balance gained or lost since."
)
AR_OPEN = _view("ar_open", _RECEIVABLE, f"Open receivables by age: what customers owe.{_LIMIT}")
AP_OPEN = _view("ap_open", _PAYABLE, f"Open payables by age: what vendors are owed.{_LIMIT}")
