"""Journal entries, deposits, transfers and card payments; the awkward amounts live here."""

from __future__ import annotations

from ledgerguard_pipeline.sandbox.books.bookkeeper import DAY, TRANSACTIONS, USD, Desk
from ledgerguard_pipeline.sandbox.books.json_text import Doc, Num, money
from ledgerguard_pipeline.sandbox.books.pacific_time import day_text
from ledgerguard_pipeline.sandbox.seed.names import WORK
from ledgerguard_pipeline.sandbox.seed.sales_plan import BLOCK
from ledgerguard_pipeline.sandbox.seed.sales_run import SalesRun

AWKWARD_AMOUNTS: tuple[str, ...] = (
    "100.10",
    "0.30000000000000004",
    "99999999999999.99",
    "1E+2",
    "-0.0",
    "0.1",
    "1e-7",
    "12345678901234567.89",
    "4.3e-05",
    "0.00",
    "100",
    "9007199254740993",
)
"""Texts that a float, or a careless decimal, would change."""


def _entry(desk: Desk, at: int, number: int, legs: list[tuple[str, str, Num]]) -> Doc:
    return {
        "Adjustment": number % 9 == 0,
        "DocNumber": f"JE{number}",
        "TxnDate": day_text(at),
        "CurrencyRef": USD,
        "PrivateNote": WORK[number % len(WORK)],
        "Line": [
            {
                "Id": str(index),
                "Description": WORK[(number + index) % len(WORK)],
                "Amount": amount,
                "DetailType": "JournalEntryLineDetail",
                "JournalEntryLineDetail": {
                    "PostingType": side,
                    "AccountRef": desk.accounts[role],
                },
            }
            for index, (side, role, amount) in enumerate(legs)
        ],
        "TxnTaxDetail": {},
    }


def write_journal(desk: Desk) -> None:
    """Opening balances first, then one entry per awkward amount, then ordinary months."""
    opening = [
        ("Debit", "checking", 5_000_000),
        ("Debit", "savings", 1_250_010),
        ("Debit", "cash", 30_000),
        ("Debit", "inventory", 900_000),
        ("Debit", "truck_cost", 1_399_500),
        ("Credit", "loan", 2_500_000),
        ("Credit", "card", 15_772),
    ]
    at = desk.start + DAY
    net = sum(cents if side == "Debit" else -cents for side, _, cents in opening)
    legs = [(side, role, money(cents)) for side, role, cents in opening]
    desk.transact(
        "JournalEntry", _entry(desk, at, 0, [*legs, ("Credit", "opening", money(net))]), at
    )
    for index, text in enumerate(AWKWARD_AMOUNTS):
        at = desk.moment(index, len(AWKWARD_AMOUNTS), 27)
        desk.transact(
            "JournalEntry",
            _entry(
                desk,
                at,
                index + 1,
                [
                    ("Debit", "vault", Num(text)),
                    ("Credit", "oddities", Num(text)),
                ],
            ),
            at,
        )
    for index in range(40):
        at = desk.moment(index, 40, 29)
        cents = desk.cents(1_000, 80_000)
        desk.transact(
            "JournalEntry",
            _entry(
                desk,
                at,
                index + 50,
                [
                    ("Debit", "expense_wear", money(cents)),
                    ("Credit", "truck_wear", money(cents)),
                ],
            ),
            at,
            token=index % 5 // 4,
            updated=at + index % 5 // 4 * DAY // 2,
        )


def write_deposits(desk: Desk, run: SalesRun, receipts: list[tuple[str, Doc, int]]) -> None:
    """Take sales receipts and payments from Undeposited Funds to the bank, linked both ways."""
    payments = run.undeposited(18)
    per = 2
    for index in range(24):
        took = receipts[index * per : (index + 1) * per]
        if index >= 20:
            took = []
        slips = payments[(index - 18) * 3 : (index - 17) * 3] if index >= 18 else []
        at = desk.moment(index, 24, 31)
        at = max(
            [
                at,
                *(each[2] + DAY // 2 for each in took),
                *(run.plan.moment(each, BLOCK) for each in slips),
            ]
        )
        at = min(at, desk.end)
        id = desk.company.new_id(TRANSACTIONS)
        lines: list[Doc] = []
        cents = 0
        for receipt_id, doc, created in took:
            desk.transact(
                "SalesReceipt",
                doc
                | {
                    "LinkedTxn": [{"TxnId": id, "TxnType": "Deposit"}],
                },
                created,
                id=receipt_id,
                token=1,
                updated=at,
            )
            lines.append(_slip(doc["TotalAmt"], receipt_id, "SalesReceipt"))
            cents += int(doc["TotalAmt"].replace(".", ""))
        for payment in slips:
            run.deposit(desk, payment, id, at)
            lines.append(
                _slip(
                    money(run.plan.payment_total(payment)), run.plan.payment_id(payment), "Payment"
                )
            )
            cents += run.plan.payment_total(payment)
        interest = desk.cents(100, 2_000)
        lines.append(
            {
                "Id": "1",
                "LineNum": 1,
                "Description": "Intérêts",
                "Amount": money(interest),
                "DetailType": "DepositLineDetail",
                "DepositLineDetail": {"AccountRef": desk.accounts["interest_income"]},
            }
        )
        desk.transact(
            "Deposit",
            {
                "DepositToAccountRef": desk.accounts["checking"],
                "TxnDate": day_text(at),
                "CurrencyRef": USD,
                "TotalAmt": money(cents + interest),
                "Line": lines,
            },
            at,
            id=id,
        )
    for receipt_id, doc, created in receipts[20 * per :]:
        desk.transact("SalesReceipt", doc, created, id=receipt_id)


def _slip(amount: Num, id: str, kind: str) -> Doc:
    return {
        "Amount": amount,
        "LinkedTxn": [{"TxnId": id, "TxnType": kind, "TxnLineId": "0"}],
    }


def write_moves(desk: Desk) -> None:
    """Transfers between own accounts, one of them ``1E+2``, and payments of the cards."""
    for index in range(24):
        at = desk.moment(index, 24, 33)
        there = ("savings", "checking") if index % 2 else ("checking", "savings")
        desk.transact(
            "Transfer",
            {
                "FromAccountRef": desk.accounts[there[0]],
                "ToAccountRef": desk.accounts[there[1]],
                "Amount": Num("1E+2") if index == 5 else money(desk.cents(1_000, 90_000)),
                "TxnDate": day_text(at),
                "CurrencyRef": USD,
                "PrivateNote": f"Überweisung {index}",
            },
            at,
        )
    for index in range(18):
        at = desk.moment(index, 18, 35)
        desk.transact(
            "CreditCardPayment",
            {
                "TxnDate": day_text(at),
                "Amount": money(desk.cents(10_000, 60_000)),
                "BankAccountRef": desk.accounts["checking"],
                "CreditCardAccountRef": desk.accounts["visa" if index % 3 else "card"],
                "CurrencyRef": USD,
                "PrivateNote": "Paying the card",
            },
            at,
        )
