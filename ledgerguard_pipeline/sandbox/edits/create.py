"""New objects: clones of existing ones under a new id, and payments of open documents."""

from __future__ import annotations

import re
from decimal import Decimal

from ledgerguard_pipeline.sandbox.books.bookkeeper import (
    ADJUSTMENTS,
    PEOPLE,
    TRANSACTIONS,
    USD,
    balance_fields,
    ref,
)
from ledgerguard_pipeline.sandbox.books.header import head
from ledgerguard_pipeline.sandbox.books.json_text import ZERO, Doc, Num, number
from ledgerguard_pipeline.sandbox.books.ledger import minus, total
from ledgerguard_pipeline.sandbox.books.pacific_time import day_text, write_time
from ledgerguard_pipeline.sandbox.books.postings import amount_of
from ledgerguard_pipeline.sandbox.edits.editor import WITH_BALANCE, Editor, EditRefused, inner
from ledgerguard_pipeline.sandbox.entity_types import TYPES

_SUFFIX = re.compile(r" \((?:copy|rev) \d+\)")
_DELETED = " (deleted)"


def create(
    editor: Editor,
    entity: str,
    *,
    like: str | None = None,
    pays: str | None = None,
    amount: Num | None = None,
) -> str:
    """Create an object of any type but singletons; returns its id.

    ``like`` names the one to clone (a random one by default). A Payment or BillPayment settles
    the document ``pays`` (a random open one by default) with ``amount`` (its balance).

    Raises:
        EditRefused: nothing can be cloned, or the type has one object per company.
        LookupError: ``like`` or ``pays`` is not alive.
    """
    if TYPES[entity].kind == "singleton":
        raise EditRefused(f"a company has exactly one {entity}")
    if entity in ("Payment", "BillPayment") and like is None:
        return _settle(editor, entity, pays, amount)
    if like is None:
        like = editor.pick(entity, lambda doc: _can_clone(entity, doc))
    if like is None:
        if entity != "Invoice":
            raise EditRefused(f"there is no {entity} to make another one like it")
        return _add(editor, entity, editor.company.new_id(TRANSACTIONS), _blank_invoice(editor))
    doc = editor.read(entity, like)
    if entity == "ExchangeRate":
        return _next_rate(editor, doc)
    if entity == "RecurringTransaction":
        id = editor.company.new_id(TRANSACTIONS)
        kind = next(iter(doc))
        body = doc[kind] | head("RecurringTransaction", id, editor.at, editor.at, 0)
        return editor.add(entity, id, {kind: body})
    id = _new_id(editor, entity)
    return _add(editor, entity, id, _cloned(editor, entity, id, like, doc))


def _can_clone(entity: str, doc: Doc) -> bool:
    if entity == "ExchangeRate":
        return True
    body = inner(entity, doc)
    return (
        "SyncToken" in body
        and body.get("Active") is not False
        and not body.get("PrivateNote", "").startswith("Voided")
    )


def _new_id(editor: Editor, entity: str) -> str:
    if entity == "InventoryAdjustment":
        return editor.company.new_id(ADJUSTMENTS)
    if TYPES[entity].kind == "transaction":
        return editor.company.new_id(TRANSACTIONS)
    if entity in ("Customer", "Vendor", "Employee"):
        return editor.company.new_id(PEOPLE)
    return editor.company.new_id(entity)


def _add(editor: Editor, entity: str, id: str, doc: Doc) -> str:
    return editor.add(entity, id, doc | head(entity, id, editor.at, editor.at, 0))


def _cloned(editor: Editor, entity: str, id: str, like: str, doc: Doc) -> Doc:
    company = editor.company
    if TYPES[entity].kind == "transaction":
        return _cloned_transaction(editor, entity, id, doc)
    rename(doc, f" (copy {id})")
    if "ParentRef" in doc:
        company.chart.parents[entity, id] = doc["ParentRef"]["value"]
    if entity == "Item" and like in company.chart.items:
        company.chart.items[id] = company.chart.items[like]
    if entity in WITH_BALANCE:
        doc |= balance_fields(company, entity, id)
    return doc


def _cloned_transaction(editor: Editor, entity: str, id: str, doc: Doc) -> Doc:
    """The document of today, unlinked and unpaid."""
    if "DocNumber" in doc:
        doc["DocNumber"] = id
    doc["TxnDate"] = day_text(editor.at)
    if "DueDate" in doc:
        doc["DueDate"] = day_text(editor.at, 30)
    if "LinkedTxn" in doc:
        doc["LinkedTxn"] = []
    if entity in ("Invoice", "Bill", "CreditMemo", "VendorCredit"):
        _open_again(doc)
    if "RemainingCredit" in doc:
        doc["RemainingCredit"] = doc["TotalAmt"]
    if entity in ("Payment", "BillPayment"):
        doc["Line"] = []
    if entity == "Payment":
        doc["UnappliedAmt"] = doc["TotalAmt"]
    if entity == "Deposit":
        _without_linked(doc)
    return doc


def _open_again(doc: Doc) -> None:
    """All of it is owed, but what was paid down."""
    doc["Balance"] = doc["TotalAmt"]
    if amount_of(doc, "Deposit"):
        doc["Balance"] = number(minus(amount_of(doc, "TotalAmt"), amount_of(doc, "Deposit")))


def _without_linked(doc: Doc) -> None:
    """A deposit of what was not taken over from other documents."""
    doc["Line"] = [line for line in doc["Line"] if "DepositLineDetail" in line]
    lines = total(amount_of(line, "Amount") for line in doc["Line"])
    doc["TotalAmt"] = number(minus(lines, amount_of(doc.get("CashBack", {}), "Amount")))


def rename(doc: Doc, suffix: str) -> None:
    """Give a list member a name of its own; an earlier suffix goes, "(deleted)" stays last."""
    for key in ("Name", "DisplayName", "FullyQualifiedName", "Code"):
        if key not in doc:
            continue
        name = doc[key]
        gone = name.endswith(_DELETED)
        name = _SUFFIX.sub("", name.removesuffix(_DELETED)) + suffix
        doc[key] = name + _DELETED if gone else name


def _next_rate(editor: Editor, doc: Doc) -> str:
    days = 0
    while True:
        date = day_text(editor.at, days)
        id = f"{doc['SourceCurrencyCode']}/{doc['TargetCurrencyCode']}/{date}"
        if id not in editor.company.tables["ExchangeRate"].rows:
            break
        days += 1
    meta = {"LastUpdatedTime": write_time(editor.at)}
    return editor.add("ExchangeRate", id, doc | {"AsOfDate": date, "MetaData": meta})


def _is_open(doc: Doc) -> bool:
    return amount_of(doc, "Balance") > 0


def _settle(editor: Editor, entity: str, pays: str | None, amount: Num | None) -> str:
    """Pay an open invoice or bill and bump it; without any, take or make an advance."""
    target = "Invoice" if entity == "Payment" else "Bill"
    pays = pays or editor.pick(target, _is_open)
    if pays is None:
        return create(editor, entity, like=editor.pick(entity, lambda _: True) or _none(entity))
    doc = editor.read(target, pays)
    owed = amount_of(doc, "Balance")
    paid = amount or number(owed)
    if not 0 < Decimal(paid) <= owed:
        raise EditRefused(f"{target} {pays} has {owed} open; {paid} cannot be paid on it")
    id = editor.company.new_id(TRANSACTIONS)
    line: Doc = {
        "Amount": paid,
        "LinkedTxn": [{"TxnId": pays, "TxnType": target}],
    }
    chart = editor.company.chart
    made: Doc = {
        "TotalAmt": paid,
        "TxnDate": day_text(editor.at),
        "CurrencyRef": USD,
        **{key: doc[key] for key in ("CurrencyRef", "ExchangeRate") if "ExchangeRate" in doc},
        "PrivateNote": f"Pays {doc.get('DocNumber', pays)}",
        "Line": [line],
    }
    if target == "Invoice":
        made |= {
            "CustomerRef": doc["CustomerRef"],
            "UnappliedAmt": ZERO,
            "ProcessPayment": False,
            "DepositToAccountRef": ref(chart.undeposited, "Undeposited Funds"),
            "LinkedTxn": [],
        }
    else:
        made |= {
            "VendorRef": doc["VendorRef"],
            "PayType": "Check",
            "CheckPayment": {
                "PrintStatus": "NeedToPrint",
                "BankAccountRef": ref(chart.checking, "Checking"),
            },
        }
    _add(editor, entity, id, made)
    doc["Balance"] = number(minus(owed, Decimal(paid)))
    link = "Payment" if target == "Invoice" else "BillPaymentCheck"
    doc["LinkedTxn"] = [*doc.get("LinkedTxn", []), {"TxnId": id, "TxnType": link}]
    editor.save(target, pays, doc)
    return id


def _none(entity: str) -> str:
    raise EditRefused(f"nothing is open that a {entity} could settle")


def _blank_invoice(editor: Editor) -> Doc:
    """The first invoice of a company that has none to copy."""
    customer = next(iter(editor.company.tables["Customer"].rows))
    item = next(iter(editor.company.chart.items))
    return {
        "DocNumber": "1",
        "TxnDate": day_text(editor.at),
        "CurrencyRef": USD,
        "LinkedTxn": [],
        "Line": [
            {
                "Id": "1",
                "Amount": Num("100.10"),
                "DetailType": "SalesItemLineDetail",
                "SalesItemLineDetail": {
                    "ItemRef": {"value": item},
                    "UnitPrice": Num("100.10"),
                    "Qty": 1,
                    "TaxCodeRef": {"value": "NON"},
                },
            },
            {"Amount": Num("100.10"), "DetailType": "SubTotalLineDetail", "SubTotalLineDetail": {}},
        ],
        "TxnTaxDetail": {"TotalTax": ZERO},
        "CustomerRef": {"value": customer},
        "DueDate": day_text(editor.at, 30),
        "TotalAmt": Num("100.10"),
        "Balance": Num("100.10"),
    }
