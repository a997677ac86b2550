"""How each kind of document posts to the ledger, read from the document itself.

Builders, edits and tests all use these rules, so the books can be proven from the bodies alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

from ledgerguard_pipeline.sandbox.books.company import Chart
from ledgerguard_pipeline.sandbox.books.json_text import Doc
from ledgerguard_pipeline.sandbox.books.ledger import NOTHING, Posting, minus, signed, times, total
from ledgerguard_pipeline.sandbox.books.valuation.foreign import in_home_currency
from ledgerguard_pipeline.sandbox.books.valuation.stock import lines_inside

_Legs = Iterator[Posting]
Rule = Callable[[Doc, Chart], _Legs]


def amount_of(doc: Doc, key: str) -> Decimal:
    """An amount of a document; zero where the field is left out."""
    return Decimal(doc.get(key, "0"))


def _customer(doc: Doc) -> tuple[str, str]:
    return ("Customer", doc["CustomerRef"]["value"])


def _vendor(doc: Doc) -> tuple[str, str]:
    return ("Vendor", doc["VendorRef"]["value"])


def _receivable(doc: Doc, chart: Chart) -> str:
    """The account that customers of the document's currency owe on."""
    if "ARAccountRef" in doc:
        return str(doc["ARAccountRef"]["value"])
    return chart.receivables.get(_currency(doc), chart.receivable)


def _payable(doc: Doc, chart: Chart) -> str:
    if "APAccountRef" in doc:
        return str(doc["APAccountRef"]["value"])
    return chart.payables.get(_currency(doc), chart.payable)


def _currency(doc: Doc) -> str:
    return str(doc.get("CurrencyRef", {}).get("value", ""))


def _bank(doc: Doc, chart: Chart) -> str:
    """Where the money goes; without an account it waits in Undeposited Funds."""
    return str(doc.get("DepositToAccountRef", {}).get("value") or chart.undeposited)


def _tax_legs(doc: Doc, chart: Chart, sign: int) -> _Legs:
    """One leg for each tax line; where there are none the total goes to the one tax account."""
    tax = doc.get("TxnTaxDetail", {})
    lines = tax.get("TaxLine", [])
    for line in lines:
        rate = line["TaxLineDetail"]["TaxRateRef"]["value"]
        account = chart.tax_accounts.get(rate, chart.sales_tax)
        yield Posting(account, -sign * amount_of(line, "Amount"))
    if not lines:
        yield Posting(chart.sales_tax, -sign * amount_of(tax, "TotalTax"))


def _sales_legs(doc: Doc, chart: Chart, sign: int) -> _Legs:
    """Income, discounts and sales tax of a sales form: income credits for ``sign`` 1, debits for -1.

    A bundle's own amount repeats those of its lines, as subtotals do; neither posts. Amounts of
    tax-inclusive forms are net of the tax.
    """
    for line in lines_inside(doc):
        if line["DetailType"] == "SalesItemLineDetail":
            item = line["SalesItemLineDetail"]["ItemRef"]["value"]
            yield Posting(chart.items[item].income, -sign * amount_of(line, "Amount"))
        elif line["DetailType"] == "DiscountLineDetail":
            detail = line["DiscountLineDetail"]
            account = detail.get("DiscountAccountRef", {}).get("value") or chart.discounts
            yield Posting(account, sign * amount_of(line, "Amount"))
    yield from _tax_legs(doc, chart, sign)


def _invoice(doc: Doc, chart: Chart) -> _Legs:
    receivable = _receivable(doc, chart)
    yield Posting(receivable, amount_of(doc, "TotalAmt"), _customer(doc))
    if amount_of(doc, "Deposit"):
        # What was paid down is money in hand; only the rest is owed.
        yield Posting(receivable, -amount_of(doc, "Deposit"), _customer(doc))
        yield Posting(_bank(doc, chart), amount_of(doc, "Deposit"))
    yield from _sales_legs(doc, chart, 1)


_CREDITS = ("CreditMemo", "VendorCredit")
"""What a payment takes into account, so that it pays less than it settles."""


def _settled(doc: Doc, chart: Chart, account: str, sign: int, party: tuple[str, str]) -> _Legs:
    """What a payment clears: in another currency each document at the rate it was written at."""
    left = amount_of(doc, "TotalAmt")
    if "ExchangeRate" in doc:
        for line in doc["Line"]:
            for link in line.get("LinkedTxn", []):
                rate = chart.rates.get((link["TxnType"], link["TxnId"]))
                if rate is not None:
                    against = -1 if link["TxnType"] in _CREDITS else 1
                    amount = signed(amount_of(line, "Amount"), against)
                    left = minus(left, amount)
                    yield Posting(account, sign * amount, party, rate)
    yield Posting(account, sign * left, party)


def _payment(doc: Doc, chart: Chart) -> _Legs:
    yield Posting(_bank(doc, chart), amount_of(doc, "TotalAmt"))
    yield from _settled(doc, chart, _receivable(doc, chart), -1, _customer(doc))


def _sales_receipt(doc: Doc, chart: Chart) -> _Legs:
    yield Posting(_bank(doc, chart), amount_of(doc, "TotalAmt"))
    yield from _sales_legs(doc, chart, 1)


def _credit_memo(doc: Doc, chart: Chart) -> _Legs:
    yield Posting(_receivable(doc, chart), -amount_of(doc, "TotalAmt"), _customer(doc))
    yield from _sales_legs(doc, chart, -1)


def _refund_receipt(doc: Doc, chart: Chart) -> _Legs:
    yield Posting(_bank(doc, chart), -amount_of(doc, "TotalAmt"))
    yield from _sales_legs(doc, chart, -1)


def _cost_legs(doc: Doc, chart: Chart, sign: int) -> _Legs:
    """Expense lines and recoverable tax: debits for ``sign`` 1, credits for -1."""
    for line in doc["Line"]:
        if line["DetailType"] == "AccountBasedExpenseLineDetail":
            account = line["AccountBasedExpenseLineDetail"]["AccountRef"]["value"]
        else:
            account = chart.items[line["ItemBasedExpenseLineDetail"]["ItemRef"]["value"]].cost
        yield Posting(account, sign * amount_of(line, "Amount"))
    yield from _tax_legs(doc, chart, -sign)


def _bill(doc: Doc, chart: Chart) -> _Legs:
    yield Posting(_payable(doc, chart), -amount_of(doc, "TotalAmt"), _vendor(doc))
    yield from _cost_legs(doc, chart, 1)


def _vendor_credit(doc: Doc, chart: Chart) -> _Legs:
    yield Posting(_payable(doc, chart), amount_of(doc, "TotalAmt"), _vendor(doc))
    yield from _cost_legs(doc, chart, -1)


def _bill_payment(doc: Doc, chart: Chart) -> _Legs:
    if doc["PayType"] == "Check":
        source = doc["CheckPayment"]["BankAccountRef"]["value"]
    else:
        source = doc["CreditCardPayment"]["CCAccountRef"]["value"]
    yield from _settled(doc, chart, _payable(doc, chart), 1, _vendor(doc))
    yield Posting(source, -amount_of(doc, "TotalAmt"))


def _purchase(doc: Doc, chart: Chart) -> _Legs:
    sign = -1 if doc.get("Credit") is True else 1
    yield Posting(doc["AccountRef"]["value"], -sign * amount_of(doc, "TotalAmt"))
    yield from _cost_legs(doc, chart, sign)


def _journal_entry(doc: Doc, _: Chart) -> _Legs:
    for line in doc["Line"]:
        detail = line["JournalEntryLineDetail"]
        sign = 1 if detail["PostingType"] == "Debit" else -1
        named = detail.get("Entity")
        party = (named["Type"], named["EntityRef"]["value"]) if named else None
        yield Posting(detail["AccountRef"]["value"], sign * amount_of(line, "Amount"), party)


def _deposit(doc: Doc, chart: Chart) -> _Legs:
    yield Posting(doc["DepositToAccountRef"]["value"], amount_of(doc, "TotalAmt"))
    if "CashBack" in doc:
        back = doc["CashBack"]
        yield Posting(back["AccountRef"]["value"], amount_of(back, "Amount"))
    for line in doc["Line"]:
        detail = line.get("DepositLineDetail")
        account = detail["AccountRef"]["value"] if detail else chart.undeposited
        yield Posting(account, -amount_of(line, "Amount"), _from_whom(detail, account, chart))


def _from_whom(detail: Doc | None, account: str, chart: Chart) -> tuple[str, str] | None:
    """Whose balance a line of a deposit moves: that of whom it names, on receivables or payables."""
    owed = {chart.receivable, chart.payable, *chart.receivables.values(), *chart.payables.values()}
    named = (detail or {}).get("Entity")
    if not named or account not in owed:
        return None
    return (str(named["type"]).capitalize(), str(named["value"]))


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
    """The balanced legs of a document, in home currency; empty for what does not post.

    The cost of goods it sells is not among them: no document says it, see ``stock.py``.
    """
    rule = RULES.get(entity)
    if rule is None:
        return []
    legs = [leg for leg in rule(doc, chart) if leg.amount != 0]
    if "ExchangeRate" not in doc:
        return legs
    return in_home_currency(legs, Decimal(doc["ExchangeRate"]), chart.exchange_gain)
