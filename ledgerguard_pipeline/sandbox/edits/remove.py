"""Deleting and voiding documents, and taking their links out of the documents they settled."""

from __future__ import annotations

from decimal import Decimal

from ledgerguard_pipeline.sandbox.books.json_text import ZERO, Doc, number
from ledgerguard_pipeline.sandbox.books.ledger import minus, plus
from ledgerguard_pipeline.sandbox.books.postings import amount_of
from ledgerguard_pipeline.sandbox.edits.editor import Editor, EditRefused
from ledgerguard_pipeline.sandbox.entity_types import TYPES
from ledgerguard_pipeline.sandbox.seed.sales_forms import void_form, void_note

ENTITY_OF_LINK = {
    "Invoice": "Invoice",
    "Payment": "Payment",
    "Bill": "Bill",
    "BillPaymentCheck": "BillPayment",
    "Deposit": "Deposit",
    "SalesReceipt": "SalesReceipt",
}
"""Names in ``LinkedTxn.TxnType`` are not entity names."""


def links(holder: Doc) -> list[tuple[str, str]]:
    """Entity and id of what a document, or one of its lines, is linked to."""
    return [
        (ENTITY_OF_LINK[link["TxnType"]], link["TxnId"]) for link in holder.get("LinkedTxn", [])
    ]


def delete(editor: Editor, entity: str, id: str) -> None:
    """Delete a transaction, template or attachment; linked documents are opened again.

    Raises:
        EditRefused: QuickBooks never deletes objects of this type.
    """
    if not TYPES[entity].deletable:
        raise EditRefused(f"{entity} objects cannot be deleted")
    doc = editor.read(entity, id)
    editor.bury(entity, id)
    _unlink(editor, entity, id, doc)


def void(editor: Editor, entity: str, id: str) -> None:
    """Void a document: it stays readable with zero amounts and "Voided" in its note.

    Raises:
        EditRefused: objects of this type have no void.
    """
    if not TYPES[entity].voidable:
        raise EditRefused(f"{entity} objects cannot be voided")
    doc = editor.read(entity, id)
    editor.save(entity, id, _voided(entity, doc), op="Void")
    _unlink(editor, entity, id, doc)


def _voided(entity: str, doc: Doc) -> Doc:
    if entity == "Transfer":  # it has neither lines nor a total
        return doc | {"Amount": ZERO, "PrivateNote": void_note(doc)}
    voided = void_form(doc)
    if "LinkedTxn" not in doc:
        del voided["LinkedTxn"]
    if "TxnTaxDetail" not in doc:
        del voided["TxnTaxDetail"]
    if entity in ("Payment", "BillPayment"):
        voided["Line"] = []
    if "UnappliedAmt" in voided:
        voided["UnappliedAmt"] = ZERO
    return voided


def _unlink(editor: Editor, entity: str, id: str, doc: Doc) -> None:
    for other, other_id in links(doc):
        _drop_lines(editor, other, other_id, (entity, id))
    for line in doc.get("Line", []):
        for other, other_id in links(line):
            _drop_link(editor, other, other_id, (entity, id), amount_of(line, "Amount"))


def _drop_lines(editor: Editor, entity: str, id: str, gone: tuple[str, str]) -> None:
    """Take the lines that name a vanished document out of its payment or deposit."""
    doc = editor.read(entity, id)
    kept = [line for line in doc["Line"] if gone not in links(line)]
    freed = Decimal(0)
    for line in doc["Line"]:
        if gone in links(line):
            freed = plus(freed, amount_of(line, "Amount"))
    doc["Line"] = kept
    if entity == "Payment":
        doc["UnappliedAmt"] = number(plus(amount_of(doc, "UnappliedAmt"), freed))
    elif entity == "Deposit":
        doc["TotalAmt"] = number(minus(amount_of(doc, "TotalAmt"), freed))
    editor.save(entity, id, doc)


def _drop_link(
    editor: Editor, entity: str, id: str, gone: tuple[str, str], amount: Decimal
) -> None:
    """Take a vanished payment or deposit off the document it settled."""
    doc = editor.read(entity, id)
    doc["LinkedTxn"] = [
        link
        for link in doc["LinkedTxn"]
        if (ENTITY_OF_LINK[link["TxnType"]], link["TxnId"]) != gone
    ]
    if entity in ("Invoice", "Bill"):
        doc["Balance"] = number(plus(amount_of(doc, "Balance"), amount))
    editor.save(entity, id, doc)
