"""Labels of transactions in the language of the company, learned from the ids of its documents."""

from __future__ import annotations

from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.bronze.workspace import Workspace
from ledgerguard_pipeline.tieout.document_levels.classes import class_of
from ledgerguard_pipeline.tieout.document_levels.facts import Document, Key, read_documents
from ledgerguard_pipeline.tieout.journal_store import has_table
from ledgerguard_pipeline.tieout.labels import ENTITY_OF
from ledgerguard_pipeline.tieout.tables import at

_UNKNOWN = (
    "SELECT DISTINCT txn_type, txn_id, txn_date FROM silver.journal "
    "WHERE realm_id = ? AND entity IS NULL"
)
_NOT_POSTING = {
    "Estimate": "Estimate",
    "Purchase Order": "PurchaseOrder",
    "Time Activity": "TimeActivity",
}


def learned_labels(
    listed: dict[str, set[tuple[str, str]]], documents: dict[Key, Document]
) -> dict[str, str]:
    """The entity type of every label that is known or can be learned.

    ``listed`` holds ids and ISO dates by label. An unknown label stands for the type of which most of
    its transactions have a document with the same id and date, if these are more than half.
    """
    found = {label: known for label in listed if (known := entity_of(label)) is not None}
    dated = {(each.entity, each.id, str(each.date)) for each in documents.values()}
    entities = sorted({each.entity for each in documents.values()})
    for label, transactions in listed.items():
        if label in found or class_of(label) is not None:
            continue
        counts = [
            (sum((entity, *each) in dated for each in transactions), entity) for entity in entities
        ]
        if counts and (best := max(counts))[0] * 2 > len(transactions):
            found[label] = best[1]
    return found


def entity_of(label: str) -> str | None:
    """The entity type of one of Intuit's English labels."""
    return ENTITY_OF.get(label) or _NOT_POSTING.get(label)


def name_journal(workspace: Workspace, realm: str) -> None:
    """Give transactions of labels that are not known the entity type of their documents."""
    with workspace.read() as view:
        if view is None or not has_table(view, "journal"):
            return
        rows = view.connection.execute(_UNKNOWN, [realm]).fetchall()
        listed: dict[str, set[tuple[str, str]]] = {}
        for label, id, day in rows:
            if class_of(label) is None:
                listed.setdefault(label, set()).add((id, str(day)))
        documents = read_documents(view, realm, {id for each in listed.values() for id, _ in each})
    found = learned_labels(listed, documents)
    if found:
        workspace.write(realm, lambda session: _name(session, realm, found))


def _name(session: OpenStore, realm: str, found: dict[str, str]) -> bool:
    for label, entity in found.items():
        session.connection.execute(
            f"UPDATE {at(session.catalog, 'journal')} SET entity = ? "
            "WHERE realm_id = ? AND txn_type = ? AND entity IS NULL",
            [entity, realm, label],
        )
    return True
