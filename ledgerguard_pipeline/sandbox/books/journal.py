"""The journal: every transaction of a company with its legs, as the reports of Intuit show them.

Read from the documents by the same posting rules the ledger uses, from the stock register and from
what only the ledger holds; so it adds up to the ledger's balances, account by account.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal

from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.books.entity_table import Row
from ledgerguard_pipeline.sandbox.books.json_text import Doc, load
from ledgerguard_pipeline.sandbox.books.ledger import Posting, times, total
from ledgerguard_pipeline.sandbox.books.postings import RULES, amount_of, postings
from ledgerguard_pipeline.sandbox.books.valuation.stock import CENT

NOT_POSTING = ("Estimate", "PurchaseOrder", "TimeActivity")
_LABELS = {
    "SalesReceipt": "Sales Receipt",
    "CreditMemo": "Credit Memo",
    "RefundReceipt": "Refund",
    "VendorCredit": "Vendor Credit",
    "JournalEntry": "Journal Entry",
    "CreditCardPayment": "Credit Card Payment",
    "InventoryAdjustment": "Inventory Qty Adjust",
    "PurchaseOrder": "Purchase Order",
    "TimeActivity": "Time Activity",
}
_PURCHASES = {"Cash": "Expense", "Check": "Check", "CreditCard": "Credit Card Expense"}
_WITHOUT_TOTAL = ("JournalEntry", "InventoryAdjustment")
"""What they move is in their lines alone; of others a total of zero is one."""
_PARTIES = ("CustomerRef", "VendorRef", "EntityRef", "EmployeeRef")


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction of the ledger; ``date`` and ``due`` as in its document.

    ``label`` is its type as reports name it. ``entity`` is empty for what no entity holds.
    ``cost`` are the legs of goods sold, which come later than the others. ``settles`` are the
    documents it pays, each with the amount in its own currency; ``rate`` is that of its currency.
    """

    entity: str
    label: str
    id: str
    date: str
    due: str
    created: int
    updated: int
    number: str
    party: tuple[str, str]
    memo: str
    legs: tuple[Posting, ...]
    cost: tuple[Posting, ...]
    total: Decimal
    settles: tuple[tuple[str, str, Decimal], ...]
    rate: Decimal

    @property
    def posts(self) -> bool:
        """False for an estimate or an order."""
        return self.entity not in NOT_POSTING

    @property
    def void(self) -> bool:
        """True for a document without legs that other documents of its type have."""
        return self.posts and not self.legs


class Journal:
    """The transactions of one company, read again only where a row was replaced."""

    def __init__(self, company: SandboxCompany) -> None:
        self._company = company
        self._known: dict[tuple[str, str], tuple[Row, Transaction]] = {}

    def transactions(self) -> list[Transaction]:
        """All of them by date and id. The caller holds the company's lock."""
        found: dict[tuple[str, str], tuple[Row, Transaction]] = {}
        company = self._company
        for entity in (*RULES, *NOT_POSTING):
            table = company.tables[entity]
            for row in table.rows.values():
                key = (entity, row.id)
                held = self._known.get(key)
                found[key] = (
                    held
                    if held is not None and held[0] is row
                    else (row, _transaction(company, entity, row, load(table.body(row))))
                )
        self._known = found
        every = [_with_cost(company, each) for _, each in found.values()]
        every += [_ledger_only(company, index) for index in range(len(company.ledger_only))]
        return sorted(every, key=lambda each: (each.date, each.created, int(each.id)))


def _with_cost(company: SandboxCompany, transaction: Transaction) -> Transaction:
    cost = company.stock.costs((transaction.entity, transaction.id))
    return replace(transaction, cost=tuple(cost)) if cost else transaction


def _ledger_only(company: SandboxCompany, index: int) -> Transaction:
    each = company.ledger_only[index]
    return Transaction(
        entity="",
        label=each.label,
        id=each.id,
        date=each.date,
        due=each.date,
        created=each.created,
        updated=each.created,
        number=each.number,
        party=("", ""),
        memo=each.memo,
        legs=each.legs,
        cost=(),
        total=_debits(each.legs),
        settles=(),
        rate=Decimal(1),
    )


def _transaction(company: SandboxCompany, entity: str, row: Row, doc: Doc) -> Transaction:
    legs = tuple(postings(entity, doc, company.chart))
    rate = Decimal(doc.get("ExchangeRate", "1"))
    whole = amount_of(doc, "TotalAmt") if "TotalAmt" in doc else amount_of(doc, "Amount")
    named: Doc = next((doc[key] for key in _PARTIES if key in doc), {})
    return Transaction(
        entity=entity,
        label=_label(entity, doc),
        id=row.id,
        date=doc["TxnDate"],
        due=str(doc.get("DueDate") or doc["TxnDate"]),
        created=row.created,
        updated=row.updated,
        number=doc.get("DocNumber", ""),
        party=(named.get("value", ""), named.get("name", "")),
        memo=doc.get("PrivateNote", ""),
        legs=legs,
        cost=(),
        total=_debits(legs) if entity in _WITHOUT_TOTAL else _home(whole, rate),
        settles=tuple(_settled(doc)) if entity in ("Payment", "BillPayment") else (),
        rate=rate,
    )


def _home(amount: Decimal, rate: Decimal) -> Decimal:
    return amount if rate == 1 else times(amount, rate).quantize(CENT, ROUND_HALF_UP)


def _settled(doc: Doc) -> Iterable[tuple[str, str, Decimal]]:
    for line in doc.get("Line", []):
        for link in line.get("LinkedTxn", []):
            yield link["TxnType"], link["TxnId"], amount_of(line, "Amount")


def _label(entity: str, doc: Doc) -> str:
    if entity == "BillPayment":
        return f"Bill Payment ({'Credit Card' if doc['PayType'] == 'CreditCard' else 'Check'})"
    if entity == "Purchase":
        if doc.get("Credit") is True:
            return "Credit Card Credit"
        return _PURCHASES[doc["PaymentType"]]
    return _LABELS.get(entity, entity)


def _debits(legs: Iterable[Posting]) -> Decimal:
    return total(leg.amount for leg in legs if leg.amount > 0)
