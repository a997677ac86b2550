"""Changing objects in place: notes, names and amounts; making list members inactive."""

from __future__ import annotations

from decimal import Decimal

from ledgerguard_pipeline.sandbox.answers.custom_fields import CARRIERS, custom_fields
from ledgerguard_pipeline.sandbox.books.json_text import Doc, Num, number
from ledgerguard_pipeline.sandbox.books.ledger import minus, plus
from ledgerguard_pipeline.sandbox.books.postings import amount_of
from ledgerguard_pipeline.sandbox.edits.create import rename
from ledgerguard_pipeline.sandbox.edits.editor import WITH_BALANCE, Editor, EditRefused, inner
from ledgerguard_pipeline.sandbox.entity_types import TYPES

_DELETED = " (deleted)"
_NAMES = ("Name", "DisplayName", "FullyQualifiedName")
_TEXT_OF = {
    "TimeActivity": "Description",
    "Attachable": "Note",
    "TaxCode": "Description",
    "TaxRate": "Description",
}
_WITHOUT_PRICE = (
    "Payment",
    "BillPayment",
    "Deposit",
    "TimeActivity",
    "InventoryAdjustment",
    "ReimburseCharge",
)


def update(
    editor: Editor, entity: str, id: str, *, note: str | None = None, amount: Num | None = None
) -> None:
    """Change an object of any type: its note or name, or with ``amount`` its first line.

    Raises:
        EditRefused: the amount of this document cannot be changed.
        LookupError: it is not alive.
    """
    doc = editor.read(entity, id)
    token = editor.row(entity, id).sync_token + 1
    if amount is not None:
        reprice(entity, doc, amount)
    else:
        _retext(editor, entity, id, doc, note or f"Changed {token}: naïve «edit» ✎", token)
    editor.save(entity, id, doc)


def _retext(editor: Editor, entity: str, id: str, doc: Doc, text: str, token: int) -> None:
    body = inner(entity, doc)
    kind = TYPES[entity].kind
    if entity == "ExchangeRate":
        body["Rate"] = Num(f"{body['Rate'].split('e')[0]}{token}")
    elif entity == "CompanyInfo":
        body["PrimaryPhone"] = {"FreeFormNumber": f"(650) 944-{token:04d}"}
    elif entity == "Preferences":
        body["SalesFormsPrefs"]["DefaultCustomerMessage"] = text
    elif entity in _TEXT_OF:
        body[_TEXT_OF[entity]] = text
    elif kind != "list":
        body["PrivateNote"] = text
    elif entity in WITH_BALANCE and editor.company.chart.descendants(entity, id):
        # Renaming a parent would rename its children too; a note changes it alone.
        body["Description" if entity == "Account" else "Notes"] = text
    else:
        rename(body, f" (rev {token})")


def reprice(entity: str, doc: Doc, new: Num) -> None:
    """Set the first line's amount; totals, subtotal and open balance follow.

    Raises:
        EditRefused: the document is void, linked to others or has no such amount.
    """
    linked = doc.get("LinkedTxn") or entity in _WITHOUT_PRICE
    if linked or doc.get("PrivateNote", "").startswith("Voided") or Decimal(new) <= 0:
        raise EditRefused(f"the amount of this {entity} cannot be changed to {new}")
    if entity in ("Transfer", "CreditCardPayment"):
        doc["Amount"] = new
        return
    lines = doc.get("Line", [])
    if entity == "JournalEntry":
        if len(lines) != 2:
            raise EditRefused("only journal entries of two lines can be changed by amount")
        for line in lines:
            line["Amount"] = new
        return
    if lines and "GroupLineDetail" in lines[0]:
        raise EditRefused("the amount of a bundle is that of its lines; it cannot be changed")
    if not lines or "TotalAmt" not in doc:
        raise EditRefused(f"{entity} objects have no amount to change")
    _reprice_first_line(doc, lines, new)


def _reprice_first_line(doc: Doc, lines: list[Doc], new: Num) -> None:
    change = minus(Decimal(new), amount_of(lines[0], "Amount"))
    lines[0]["Amount"] = new
    detail = lines[0][lines[0]["DetailType"]]
    if "Qty" in detail:
        detail |= {"Qty": Num("1"), "UnitPrice": new}
    subtotals = [line for line in lines if line["DetailType"] == "SubTotalLineDetail"]
    settled = amount_of(doc, "Balance") == 0 and amount_of(doc, "TotalAmt") != 0
    keys = ("TotalAmt",) if settled else ("TotalAmt", "Balance", "RemainingCredit")
    for holder, key in [(line, "Amount") for line in subtotals] + [(doc, key) for key in keys]:
        if key in holder:
            holder[key] = number(plus(amount_of(holder, key), change))


def fill_custom_fields(editor: Editor, entity: str, id: str) -> None:
    """Give an object custom fields of each kind.

    Raises:
        EditRefused: objects of this type have none.
    """
    if entity not in CARRIERS:
        raise EditRefused(f"{entity} objects have no custom fields")
    doc = editor.read(entity, id)
    doc["CustomField"] = custom_fields(int(id) + editor.row(entity, id).sync_token)
    editor.save(entity, id, doc)


def email(editor: Editor, entity: str, id: str) -> None:
    """Send a document by e-mail: the state of sending is part of it, and no edit: no SyncToken moves.

    Raises:
        EditRefused: objects of this type cannot be sent.
    """
    doc = editor.read(entity, id)
    if "EmailStatus" not in doc:
        raise EditRefused(f"{entity} objects cannot be sent by e-mail")
    doc["EmailStatus"] = "EmailSent"
    editor.save(entity, id, doc, op="Emailed", bump=False)


def set_active(editor: Editor, entity: str, id: str, *, active: bool) -> None:
    """Make a list member inactive (its name gets "(deleted)") or active again; or do nothing.

    Raises:
        EditRefused: members of this list are always active.
    """
    if not TYPES[entity].soft_delete:
        raise EditRefused(f"{entity} objects cannot be made inactive")
    doc = editor.read(entity, id)
    if (doc.get("Active") is not False) == active:
        return
    doc["Active"] = active
    for key in _NAMES:
        if key in doc:
            name = doc[key].removesuffix(_DELETED)
            doc[key] = name if active else name + _DELETED
    editor.save(entity, id, doc)
