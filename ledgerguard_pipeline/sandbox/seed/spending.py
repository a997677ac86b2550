"""What the company buys: bills and their payments, purchases, orders, credits, stock counts."""

from __future__ import annotations

from ledgerguard_pipeline.sandbox.answers.custom_fields import custom_fields
from ledgerguard_pipeline.sandbox.books.bookkeeper import ADJUSTMENTS, DAY, TRANSACTIONS, USD, Desk
from ledgerguard_pipeline.sandbox.books.json_text import ZERO, Doc, Num, money
from ledgerguard_pipeline.sandbox.books.pacific_time import day_text
from ledgerguard_pipeline.sandbox.seed.names import WORK


def _cost_lines(desk: Desk, index: int) -> tuple[list[Doc], int]:
    """One to three expense lines (every fourth form buys stock instead) and their sum."""
    lines: list[Doc] = []
    whole = 0
    for number in range(1, 2 + index % 3):
        cents = desk.cents(900, 60_000)
        if index % 4 == 3:
            qty = 1 + number % 5
            cents *= qty
            detail: Doc = {
                "ItemBasedExpenseLineDetail": {
                    "BillableStatus": "NotBillable",
                    "ItemRef": desk.stock[(index + number) % len(desk.stock)],
                    "UnitPrice": money(cents // qty),
                    "Qty": qty,
                    "TaxCodeRef": {"value": "NON"},
                }
            }
        else:
            detail = {
                "AccountBasedExpenseLineDetail": {
                    **({"ClassRef": desk.classes[index % 5]} if index % 5 == 0 else {}),
                    "AccountRef": desk.expenses[(index * 3 + number) % len(desk.expenses)],
                    "BillableStatus": "NotBillable",
                    "TaxCodeRef": {"value": "NON"},
                }
            }
        whole += cents
        lines.append(
            {
                "Id": str(number),
                "Description": WORK[(index * number) % len(WORK)],
                "Amount": money(cents),
                "DetailType": next(iter(detail)),
                **detail,
            }
        )
    return lines, whole


def write_bills(desk: Desk) -> None:
    """Bills; two thirds are paid by a bill payment that links both ways, some payments void."""
    count = 120
    for index in range(count):
        at = desk.moment(index, count, 17)
        lines, cents = _cost_lines(desk, index)
        vendor = desk.suppliers[index * 7 % len(desk.suppliers)]
        bill: Doc = {
            "DueDate": day_text(at, 30),
            "Balance": money(cents),
            "DocNumber": f"B/{index:04d}",
            "TxnDate": day_text(at),
            "CurrencyRef": USD,
            "LinkedTxn": [],
            "SalesTermRef": {"value": "3"},
            "Line": lines,
            "VendorRef": vendor,
            "APAccountRef": desk.accounts["payable"],
            "TotalAmt": money(cents),
        }
        bill_id = desk.company.new_id(TRANSACTIONS)
        paid_at = min(at + DAY * 12, desk.end - index)
        if index % 3 == 2:
            desk.transact("Bill", bill, at, id=bill_id)
            continue
        payment = _bill_payment(desk, index, paid_at, cents, bill_id, vendor["value"], vendor)
        if index % 31 == 10:
            # A void empties the lines and opens the bill again.
            desk.transact(
                "BillPayment",
                payment
                | {
                    "TotalAmt": ZERO,
                    "Line": [],
                    "PrivateNote": "Voided " + payment["PrivateNote"],
                },
                paid_at,
                updated=paid_at + 3_600,
                token=1,
            )
            desk.transact("Bill", bill, at, id=bill_id, token=2, updated=paid_at + 3_600)
            continue
        payment_id = desk.transact("BillPayment", payment, paid_at)
        desk.transact(
            "Bill",
            bill
            | {
                "Balance": ZERO,
                "LinkedTxn": [{"TxnId": payment_id, "TxnType": "BillPaymentCheck"}],
            },
            at,
            id=bill_id,
            token=1,
            updated=paid_at,
        )


def _bill_payment(
    desk: Desk, index: int, at: int, cents: int, bill: str, number: str, vendor: dict[str, str]
) -> Doc:
    card = index % 4 == 0
    way: Doc = (
        {"CreditCardPayment": {"CCAccountRef": desk.accounts["card"]}}
        if card
        else {
            "CheckPayment": {
                "BankAccountRef": desk.accounts["checking"],
                "PrintStatus": "NeedToPrint",
            }
        }
    )
    return {
        "VendorRef": vendor,
        "PayType": "CreditCard" if card else "Check",
        **way,
        "TotalAmt": money(cents),
        "DocNumber": f"{index}",
        "TxnDate": day_text(at),
        "CurrencyRef": USD,
        "PrivateNote": f"Acct. {number}",
        "Line": [
            {
                "Amount": money(cents),
                "LinkedTxn": [{"TxnId": bill, "TxnType": "Bill"}],
            }
        ],
    }


def _purchase_ex(code: str) -> Doc:
    return {
        "any": [
            {
                "name": "{http://schema.intuit.com/finance/v3}NameValue",
                "declaredType": "com.intuit.schema.finance.v3.NameValue",
                "scope": "javax.xml.bind.JAXBElement$GlobalScope",
                "value": {"Name": "TxnType", "Value": code},
                "nil": False,
                "globalScope": True,
                "typeSubstituted": False,
            }
        ]
    }


_PURCHASES = (
    ("Cash", None, "54", "checking"),
    ("CreditCard", False, "54", "card"),
    ("Check", None, "3", "checking"),
    ("CreditCard", False, "54", "visa"),
    ("Cash", None, "54", "cash"),
    ("CreditCard", True, "11", "card"),
    ("CreditCard", False, "1", "card"),
    ("Cash", None, "31", "checking"),
)
_READER_CARD = "1"
"""A charge that came in from the card company: nobody is named, unless a user does."""


def write_purchases(desk: Desk) -> None:
    """Expenses by cash, card and check, and card credits, with Intuit's internal type codes."""
    count = 160
    for index in range(count):
        at = desk.moment(index, count, 19)
        kind, credit, code, role = _PURCHASES[index % len(_PURCHASES)]
        lines, cents = _cost_lines(desk, index + 2)
        entity = (
            desk.staff[index % len(desk.staff)] | {"type": "Employee"}
            if index % 5 == 4
            else desk.suppliers[index % len(desk.suppliers)] | {"type": "Vendor"}
        )
        doc: Doc = {
            "AccountRef": desk.accounts[role],
            "PaymentType": kind,
            **({} if code == _READER_CARD and index % 3 else {"EntityRef": entity}),
            **({} if credit is None else {"Credit": credit}),
            "TotalAmt": money(cents),
            **({"PrintStatus": "NotSet"} if kind == "Check" else {}),
            "PurchaseEx": _purchase_ex(code),
            "CustomField": custom_fields(index) if index % 5 == 1 else [],
            "TxnDate": day_text(at),
            "CurrencyRef": USD,
            "PrivateNote": f"«Receipt» #{index}",
            "Line": lines,
        }
        desk.transact(
            "Purchase",
            doc,
            at,
            token=index % 4 // 3,
            updated=at + index % 4 // 3,
            ascii_only=index % 40 == 13,
        )


def write_orders_and_credits(desk: Desk) -> None:
    """Purchase orders, which post nothing, and vendor credits, which reduce payables."""
    for index in range(30):
        at = desk.moment(index, 30, 21)
        lines, cents = _cost_lines(desk, index * 4 + 3)
        desk.transact(
            "PurchaseOrder",
            {
                "DocNumber": f"PO{index:05d}",
                "TxnDate": day_text(at),
                "CurrencyRef": USD,
                "POStatus": "Closed" if index % 2 else "Open",
                "EmailStatus": "NotSet",
                "VendorRef": desk.suppliers[index % len(desk.suppliers)],
                "APAccountRef": desk.accounts["payable"],
                "TotalAmt": money(cents),
                "Line": [_ordered(line) for line in lines],
            },
            at,
        )
    for index in range(16):
        at = desk.moment(index, 16, 23)
        lines, cents = _cost_lines(desk, index * 4)
        desk.transact(
            "VendorCredit",
            {
                "DocNumber": f"VC{index}",
                "TxnDate": day_text(at),
                "CurrencyRef": USD,
                "VendorRef": desk.suppliers[index * 3 % len(desk.suppliers)],
                "APAccountRef": desk.accounts["payable"],
                "TotalAmt": money(cents),
                "Balance": money(cents),
                "Line": lines,
            },
            at,
        )


def _ordered(line: Doc) -> Doc:
    """A line of a purchase order: how much of it has come, and no extensions."""
    return line | {"Received": ZERO, "CustomExtensions": []}


def write_stock_counts(desk: Desk) -> None:
    """Inventory adjustments of the last weeks, valued at the items' unit cost.

    They are as recent as that because there is no query for them: change data capture, which
    reaches 30 days back, is the only way to learn which ones a company has.
    """
    desk.company.reserve(ADJUSTMENTS, 1_455_000_081)
    for index in range(14):
        at = desk.end - DAY * 26 + index * (DAY * 3 // 2) + index * 1_237
        desk.transact(
            "InventoryAdjustment",
            {
                "DocNumber": f"IA-{index}",
                "TxnDate": day_text(at),
                "AdjustAccountRef": desk.accounts["shrinkage"],
                "PrivateNote": "Stocktake: Größe geprüft",
                "Line": [
                    {
                        "Id": "1",
                        "DetailType": "ItemAdjustmentLineDetail",
                        "ItemAdjustmentLineDetail": {
                            "ItemRef": desk.stock[index % len(desk.stock)],
                            "QtyDiff": Num(("-2", "3", "-0.5", "1E+1")[index % 4]),
                        },
                    }
                ],
            },
            at,
            id=desk.company.new_id(ADJUSTMENTS),
        )
