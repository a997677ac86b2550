"""Merging two members of a list, which only QuickBooks' own screens can do."""

from __future__ import annotations

from collections.abc import Iterator

from ledgerguard_pipeline.sandbox.books.json_text import Doc, load
from ledgerguard_pipeline.sandbox.edits.editor import Editor, EditRefused
from ledgerguard_pipeline.sandbox.entity_types import TYPES

REFS = {
    "Customer": ("CustomerRef", "ShipTo"),
    "Vendor": ("VendorRef",),
    "Employee": ("EmployeeRef",),
    "Item": ("ItemRef",),
    "Class": ("ClassRef",),
    "Department": ("DepartmentRef",),
    "Account": (
        "AccountRef",
        "BankAccountRef",
        "CCAccountRef",
        "CreditCardAccountRef",
        "DepositToAccountRef",
        "FromAccountRef",
        "ToAccountRef",
        "AdjustAccountRef",
        "ItemAccountRef",
    ),
}


def merge(editor: Editor, entity: str, survivor: str, loser: str, *, quiet: bool = False) -> None:
    """Let ``survivor`` take over: what named the loser names it, the loser leaves a grave.

    Every document that was re-pointed is saved like an update, so its time moves; with ``quiet``
    it shows the survivor and gives no sign.

    Raises:
        EditRefused: the pair cannot be merged.
        LookupError: one of them is not alive.
    """
    if not TYPES[entity].mergeable:
        raise EditRefused(f"{entity} objects cannot be merged")
    kept, gone = editor.read(entity, survivor), editor.read(entity, loser)
    chart = editor.company.chart
    if survivor == loser:
        raise EditRefused(f"{entity} {loser} cannot be merged with itself")
    if chart.descendants(entity, loser):
        raise EditRefused(f"{entity} {loser} has members below it; move them first")
    if loser in editor.company.pinned.get(entity, frozenset()):
        raise EditRefused(f"{entity} {loser} is built into the sandbox's books")
    if kept.get("AccountType") != gone.get("AccountType") or kept.get("Type") != gone.get("Type"):
        raise EditRefused(f"{entity} {survivor} and {loser} are of different types")
    for other, id, doc in list(naming(editor, entity, loser)):
        if _repoint(doc, entity, loser, ref_of(kept, survivor)):
            (editor.restate if quiet else editor.save)(other, id, doc)
    editor.settle()  # while the loser is still below its parents, whose balances move too
    editor.bury(entity, loser, log=False)
    chart.parents.pop((entity, loser), None)
    editor.save(entity, survivor, editor.read(entity, survivor))
    editor.log_merge(entity, survivor, loser)


def ref_of(doc: Doc, id: str) -> Doc:
    """A reference to a member of a list, with its name as documents show it."""
    name = doc.get("FullyQualifiedName") or doc.get("DisplayName") or doc["Name"]
    return {"value": id, "name": name}


def naming(editor: Editor, entity: str, loser: str) -> Iterator[tuple[str, str, Doc]]:
    """Objects that may name the loser. Rows rendered on demand are found by their numbers."""
    company = editor.company
    needle = f'"{loser}"'.encode()
    if entity == "Customer" and company.bulk is not None:
        for other, id in company.bulk.of_customer(loser):
            row = company.tables[other].rows.get(id)
            if row is not None and row.body is None:
                yield other, id, load(company.tables[other].body(row))
    for other, table in company.tables.items():
        for row in table.rows.values():
            if row.body is not None and needle in row.body:
                yield other, row.id, load(row.body)


def names_party(node: Doc, key: str, entity: str) -> bool:
    """Whether a member names one of this type: the type is in it, or beside it, in any case."""
    value = node[key]
    if key not in ("Entity", "EntityRef") or not isinstance(value, dict):
        return False
    kind = value.get("type") or node.get("Type")
    return isinstance(kind, str) and kind.lower() == entity.lower()


def _repoint(node: object, entity: str, loser: str, to: Doc) -> bool:
    """Replace references below a node; True if there was one."""
    found = False
    if isinstance(node, list):
        for item in node:
            found |= _repoint(item, entity, loser, to)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in REFS[entity] and value.get("value") == loser:
                node[key] = value | to if "name" in value else value | {"value": to["value"]}
                found = True
            elif names_party(node, key, entity) and value.get("value") == loser:
                node[key] = value | to
                found = True
            else:
                found |= _repoint(value, entity, loser, to)
    return found
