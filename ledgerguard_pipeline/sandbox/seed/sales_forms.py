"""Sales forms outside the bulk run: receipts, estimates, credits, refunds, hours, templates."""

from __future__ import annotations

from ledgerguard_pipeline.sandbox.answers.custom_fields import custom_fields
from ledgerguard_pipeline.sandbox.books.bookkeeper import DAY, USD, Desk, Ref
from ledgerguard_pipeline.sandbox.books.header import head
from ledgerguard_pipeline.sandbox.books.json_text import ZERO, Doc, Num, money
from ledgerguard_pipeline.sandbox.books.pacific_time import day_text
from ledgerguard_pipeline.sandbox.seed.names import WORK


def sales_lines(desk: Desk, index: int, count: int) -> tuple[list[Doc], int]:
    """Lines of a sales form with their subtotal line, and the subtotal in cents."""
    lines: list[Doc] = []
    whole = 0
    for number in range(1, count + 1):
        item = desk.services[(index * 3 + number) % len(desk.services)]
        cents, qty = desk.cents(1_000, 40_000), 1 + (index + number) % 4
        whole += cents * qty
        lines.append(
            {
                "Id": str(number),
                "LineNum": number,
                "Description": WORK[(index + number) % len(WORK)],
                "Amount": money(cents * qty),
                "DetailType": "SalesItemLineDetail",
                "SalesItemLineDetail": {
                    "ItemRef": item,
                    **({"ClassRef": desk.classes[index % 5]} if index % 3 == 0 else {}),
                    "UnitPrice": money(cents),
                    "Qty": qty,
                    "ItemAccountRef": {"value": desk.company.chart.items[item["value"]].income},
                    "TaxCodeRef": {"value": "NON"},
                },
                "CustomExtensions": [],
            }
        )
    lines.append(
        {
            "Amount": money(whole),
            "DetailType": "SubTotalLineDetail",
            "SubTotalLineDetail": {},
        }
    )
    return lines, whole


def _form(desk: Desk, index: int, at: int, prefix: str, lines: int) -> tuple[Doc, int]:
    body, cents = sales_lines(desk, index, lines)
    customer = desk.buyers[(index * 5 + len(prefix)) % len(desk.buyers)]
    return {
        "CustomField": custom_fields(index)
        if index % 4 == 1
        else [{"DefinitionId": "1", "Name": "Crew #", "Type": "StringType"}],
        "DocNumber": f"{prefix}{1000 + index}",
        "TxnDate": day_text(at),
        "DepartmentRef": desk.departments[index % 4],
        "CurrencyRef": USD,
        "PrivateNote": f"{WORK[index % len(WORK)]} \u2028 {index}",
        "Line": body,
        "TxnTaxDetail": {"TotalTax": ZERO},
        "CustomerRef": customer,
        "TotalAmt": money(cents),
        "ApplyTaxAfterDiscount": False,
        "PrintStatus": "NotSet",
        "EmailStatus": "NotSet",
    }, cents


_AMOUNTS = ("TotalAmt", "Balance", "RemainingCredit", "Deposit", "HomeTotalAmt", "HomeBalance")


def void_note(doc: Doc) -> str:
    """The note of a document after a void."""
    return " ".join(["Voided", doc.get("PrivateNote", "")]).strip()


def void_form(doc: Doc) -> Doc:
    """A sales form after a void: amounts and quantities zero, the note says so."""
    lines = []
    for line in doc["Line"]:
        emptied: Doc = line | {"Amount": ZERO}
        for key in ("SalesItemLineDetail", "ItemBasedExpenseLineDetail"):
            if key in line:
                detail = {name: it for name, it in line[key].items() if name != "UnitPrice"}
                emptied[key] = detail | {"Qty": ZERO}
        if "GroupLineDetail" in line:
            inner = void_form({"Line": line["GroupLineDetail"]["Line"]})["Line"]
            emptied["GroupLineDetail"] = line["GroupLineDetail"] | {"Quantity": ZERO, "Line": inner}
        lines.append(emptied)
    amounts = {key: ZERO for key in _AMOUNTS if key in doc}
    return (
        doc
        | amounts
        | {
            "Line": lines,
            "PrivateNote": void_note(doc),
            "LinkedTxn": [],
            "TxnTaxDetail": {"TotalTax": ZERO},
        }
    )


def write_sales_receipts(desk: Desk, count: int) -> list[tuple[str, Doc, int]]:
    """Cash sales, half into Undeposited Funds; gives those back, unlinked and unvoided.

    The undeposited ones are left to the caller to put, together with their deposit.
    """
    waiting: list[tuple[str, Doc, int]] = []
    for index in range(count):
        at = desk.moment(index, count, 3)
        doc, _ = _form(desk, index, at, "SR-", 1 + index % 3)
        role = "undeposited" if index % 2 else "checking"
        doc |= {
            "PaymentMethodRef": desk.methods[index % 4],
            "PaymentRefNum": f"{10_000 + index}",
            "DepositToAccountRef": desk.accounts[role],
            "Balance": ZERO,
        }
        if index % 16 == 6:
            desk.transact("SalesReceipt", void_form(doc), at, updated=at + DAY, token=1)
        elif role == "undeposited":
            waiting.append((desk.company.new_id("Transaction"), doc, at))
        else:
            desk.transact("SalesReceipt", doc, at)
    return waiting


def write_other_forms(desk: Desk) -> None:
    """Estimates, credit memos and refund receipts."""
    states = ("Pending", "Accepted", "Closed", "Rejected")
    for index in range(40):
        at = desk.moment(index, 40, 5)
        doc, _ = _form(desk, index + 7, at, "E-", 2)
        desk.transact(
            "Estimate",
            doc
            | {
                "TxnStatus": states[index % 4],
                "ExpirationDate": day_text(at, 30),
            },
            at,
            token=index % 3,
            updated=at + index * 60,
        )
    for index in range(24):
        at = desk.moment(index, 24, 7)
        doc, cents = _form(desk, index + 3, at, "CM-", 1)
        doc |= {"RemainingCredit": money(cents), "Balance": money(cents)}
        if index % 11 == 4:
            doc = void_form(doc)
        # Post-processing by the server: token 1 and a second later, as in captured data.
        desk.transact("CreditMemo", doc, at, token=1, updated=at + 1)
    for index in range(14):
        at = desk.moment(index, 14, 9)
        doc, _ = _form(desk, index + 11, at, "RR-", 1)
        desk.transact(
            "RefundReceipt",
            doc
            | {
                "PaymentMethodRef": desk.methods[1],
                "Balance": ZERO,
                "DepositToAccountRef": desk.accounts["checking"],
            },
            at,
        )


def write_hours(desk: Desk) -> None:
    """Time activities (no part of change data capture) and billable expenses."""
    for index in range(90):
        at = desk.moment(index, 90, 11)
        desk.transact(
            "TimeActivity",
            {
                "TxnDate": day_text(at),
                "NameOf": "Employee",
                "EmployeeRef": desk.staff[index % len(desk.staff)],
                "CustomerRef": desk.buyers[index % len(desk.buyers)],
                "ItemRef": desk.services[index % len(desk.services)],
                "BillableStatus": ("Billable", "NotBillable", "HasBeenBilled")[index % 3],
                "Taxable": False,
                "HourlyRate": Num("0.30000000000000004")
                if index == 8
                else money(2_500 + index * 10),
                "Hours": index % 9,
                "Minutes": 15 * (index % 4),
                "Description": WORK[index % len(WORK)],
            },
            at,
        )
    for index in range(16):
        at = desk.moment(index, 16, 13)
        cents = desk.cents(500, 9_000)
        desk.transact(
            "ReimburseCharge",
            {
                "CustomerRef": desk.buyers[index * 3 % len(desk.buyers)],
                "TxnDate": day_text(at),
                "CurrencyRef": USD,
                "HasBeenInvoiced": index % 2 == 0,
                "Amount": money(cents),
                "PrivateNote": "Fuel, reimbursable",
                "Line": [
                    {
                        "Id": "1",
                        "Description": "Fuel",
                        "Amount": money(cents),
                        "DetailType": "ReimburseLineDetail",
                        "ReimburseLineDetail": {"ItemAccountRef": desk.expenses[2]},
                    }
                ],
            },
            at,
        )


def write_templates(desk: Desk) -> None:
    """Recurring transactions: each row is a wrapper keyed by the type it will create."""
    kinds = ("Invoice", "Bill", "SalesReceipt", "JournalEntry", "Estimate")
    for index in range(15):
        at = desk.moment(index, 15, 15)
        kind = kinds[index % len(kinds)]
        id = desk.company.new_id("Transaction")
        active = index % 7 != 6
        body = (
            head("RecurringTransaction", id, at, at + index, index % 2)
            | {
                "RecurringInfo": {
                    "Name": f"Template {index}: {kind}'s",
                    "RecurType": "Automated",
                    "Active": active,
                    "ScheduleInfo": {
                        "StartDate": day_text(at),
                        "IntervalType": "Monthly",
                        "NumInterval": 1,
                        "DayOfMonth": 1 + index,
                        "NextDate": day_text(at, 30),
                    },
                },
                "PrivateNote": WORK[index % len(WORK)],
            }
            | _template_body(desk, kind, index, at)
        )
        desk.put_bare(
            "RecurringTransaction",
            id,
            {kind: body},
            at,
            updated=at + index,
            token=index % 2,
            active=active,
        )


def _template_body(desk: Desk, kind: str, index: int, at: int) -> Doc:
    if kind in ("Invoice", "SalesReceipt", "Estimate"):
        doc, _ = _form(desk, index, at, "RT-", 1)
        return {key: value for key, value in doc.items() if key not in ("DocNumber", "TxnDate")}
    cents = desk.cents(10_000, 90_000)
    expense: Ref = desk.expenses[index % len(desk.expenses)]
    if kind == "Bill":
        return {
            "VendorRef": desk.suppliers[index],
            "TotalAmt": money(cents),
            "CurrencyRef": USD,
            "Line": [
                {
                    "Id": "1",
                    "Amount": money(cents),
                    "DetailType": "AccountBasedExpenseLineDetail",
                    "AccountBasedExpenseLineDetail": {"AccountRef": expense},
                }
            ],
        }
    return {
        "Adjustment": False,
        "CurrencyRef": USD,
        "Line": [
            {
                "Id": str(number),
                "Amount": money(cents),
                "DetailType": "JournalEntryLineDetail",
                "JournalEntryLineDetail": {"PostingType": side, "AccountRef": account},
            }
            for number, side, account in (
                (0, "Debit", expense),
                (1, "Credit", desk.accounts["truck_wear"]),
            )
        ],
    }
