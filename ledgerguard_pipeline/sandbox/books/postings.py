"""How each kind of document posts to the ledger, read from the document itself.

Builders, edits and tests all use these rules, so the books can be proven from the bodies alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

from ledgerguard_pipeline.sandbox.books.company import Chart
from ledgerguard_pipeline.sandbox.books.json_text import Doc
from ledgerguard_pipeline.sandbox.books.ledger import NOTHING, Posting, minus, times, total

_Legs = Iterator[Posting]
Rule = Callable[[Doc, Chart], _Legs]


def amount_of(doc: Doc, key: str) -> Decimal:
    """An amount of a document; zero where the field is left out."""
    return Decimal(doc.get(key, "0"))


def _customer(doc: Doc) -> tuple[str, str]:
    return ("Customer", doc["CustomerRef"]["value"])


def _vendor(doc: Doc) -> tuple[str, str]:
    return ("Vendor", doc["VendorRef"]["value"])


def _sales_legs(doc: Doc, chart: Chart, sign: int) -> _Legs:
    """Income and sales tax of a sales form: credits for ``sign`` 1, debits for -1."""
    for line in doc["Line"]:
        if line["DetailType"] == "SalesItemLineDetail":
            item = line["SalesItemLineDetail"]["ItemRef"]["value"]
            yield Posting(chart.items[item].income, -sign * amount_of(line, "Amount"))
    yield Posting(chart.sales_tax, -sign * amount_of(doc.get("TxnTaxDetail", {}), "TotalTax"))


def _invoice(doc: Doc, chart: Chart) -> _Legs:
    yield Posting(chart.receivable, amount_of(doc, "TotalAmt"), _customer(doc))
    yield from _sales_legs(doc, chart, 1)


def _payment(doc: Doc, chart: Chart) -> _Legs:
    yield Posting(doc["DepositToAccountRef"]["value"], amount_of(doc, "TotalAmt"))
    yield Posting(chart.receivable, -amount_of(doc, "TotalAmt"), _customer(doc))


def _sales_receipt(doc: Doc, chart: Chart) -> _Legs:
    yield Posting(doc["DepositToAccountRef"]["value"], amount_of(doc, "TotalAmt"))
    yield from _sales_legs(doc, chart, 1)


def _credit_memo(doc: Doc, chart: Chart) -> _Legs:
    yield Posting(chart.receivable, -amount_of(doc, "TotalAmt"), _customer(doc))
    yield from _sales_legs(doc, chart, -1)


def _refund_receipt(doc: Doc, chart: Chart) -> _Legs:
    yield Posting(doc["DepositToAccountRef"]["value"], -amount_of(doc, "TotalAmt"))
    yield from _sales_legs(doc, chart, -1)


def _cost_legs(doc: Doc, chart: Chart, sign: int) -> _Legs:
    """Expense lines: debits for ``sign`` 1, credits for -1."""
    for line in doc["Line"]:
        if line["DetailType"] == "AccountBasedExpenseLineDetail":
            account = line["AccountBasedExpenseLineDetail"]["AccountRef"]["value"]
        else:
            account = chart.items[line["ItemBasedExpenseLineDetail"]["ItemRef"]["value"]].cost
        yield Posting(account, sign * amount_of(line, "Amount"))


def _bill(doc: Doc, chart: Chart) -> _Legs:
    yield Posting(doc["APAccountRef"]["value"], -amount_of(doc, "TotalAmt"), _vendor(doc))
    yield from _cost_legs(doc, chart, 1)


def _vendor_credit(doc: Doc, chart: Chart) -> _Legs:
    yield Posting(doc["APAccountRef"]["value"], amount_of(doc, "TotalAmt"), _vendor(doc))
    yield from _cost_legs(doc, chart, -1)


def _bill_payment(doc: Doc, chart: Chart) -> _Legs:
    if doc["PayType"] == "Check":
        source = doc["CheckPayment"]["BankAccountRef"]["value"]
    else:
        source = doc["CreditCardPayment"]["CCAccountRef"]["value"]
    yield Posting(chart.payable, amount_of(doc, "TotalAmt"), _vendor(doc))
    yield Posting(source, -amount_of(doc, "TotalAmt"))


def _purchase(doc: Doc, chart: Chart) -> _Legs:
    sign = -1 if doc.get("Credit") is True else 1
    yield Posting(doc["AccountRef"]["value"], -sign * amount_of(doc, "TotalAmt"))
    yield from _cost_legs(doc, chart, sign)


def _journal_entry(doc: Doc, _: Chart) -> _Legs:
    for line in doc["Line"]:
        detail = line["JournalEntryLineDetail"]
        sign = 1 if detail["PostingType"] == "Debit" else -1
        yield Posting(detail["AccountRef"]["value"], sign * amount_of(line, "Amount"))


def _deposit(doc: Doc, chart: Chart) -> _Legs:
    yield Posting(doc["DepositToAccountRef"]["value"], amount_of(doc, "TotalAmt"))
    for line in doc["Line"]:
        detail = line.get("DepositLineDetail")
        account = detail["AccountRef"]["value"] if detail else chart.undeposited
        yield Posting(account, -amount_of(line, "Amount"))


def _transfer(doc: Doc, _: Chart) -> _Legs:
    yield Posting(doc["ToAccountRef"]["value"], amount_of(doc, "Amount"))
    yield Posting(doc["FromAccountRef"]["value"], -amount_of(doc, "Amount"))


def _card_payment(doc: Doc, _: Chart) -> _Legs:
    yield Posting(doc["CreditCardAccountRef"]["value"], amount_of(doc, "Amount"))
    yield Posting(doc["BankAccountRef"]["value"], -amount_of(doc, "Amount"))


def _inventory_adjustment(doc: Doc, chart: Chart) -> _Legs:
    """Stock moves at the item's unit cost; the adjustment account takes the other side."""
    values = []
    for line in doc["Line"]:
        detail = line["ItemAdjustmentLineDetail"]
        cost = Decimal(chart.items[detail["ItemRef"]["value"]].unit_cost)
        values.append(times(Decimal(detail["QtyDiff"]), cost))
    worth = total(values)
    yield Posting(chart.inventory, worth)
    yield Posting(doc["AdjustAccountRef"]["value"], minus(NOTHING, worth))


RULES: dict[str, Rule] = {
    "Invoice": _invoice,
    "Payment": _payment,
    "SalesReceipt": _sales_receipt,
    "CreditMemo": _credit_memo,
    "RefundReceipt": _refund_receipt,
    "Bill": _bill,
    "VendorCredit": _vendor_credit,
    "BillPayment": _bill_payment,
    "Purchase": _purchase,
    "JournalEntry": _journal_entry,
    "Deposit": _deposit,
    "Transfer": _transfer,
    "CreditCardPayment": _card_payment,
    "InventoryAdjustment": _inventory_adjustment,
}
"""Posting document types; all others move no account."""


def postings(entity: str, doc: Doc, chart: Chart) -> list[Posting]:
    """The balanced legs of a document; empty for what does not post."""
    rule = RULES.get(entity)
    return [] if rule is None else [leg for leg in rule(doc, chart) if leg.amount != 0]
