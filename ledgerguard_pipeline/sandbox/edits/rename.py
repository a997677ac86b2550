"""Renaming a member of a list: documents that name it show the new name without any sign.

As captured: ``*Ref.name`` changes inside invoices, bills and others, whose LastUpdatedTime and
SyncToken stay as they were.
"""

from __future__ import annotations

from ledgerguard_pipeline.sandbox.edits.editor import Editor, EditRefused
from ledgerguard_pipeline.sandbox.edits.merge import REFS, names_party, naming, ref_of

_NAMES = ("Name", "DisplayName", "FullyQualifiedName", "CompanyName", "PrintOnCheckName")


def rename_member(editor: Editor, entity: str, id: str, name: str) -> None:
    """Give a customer, vendor, item, account, class or department another name.

    Raises:
        EditRefused: objects of this type are not named by others, or it has members below it.
        LookupError: it is not alive.
    """
    if entity not in REFS:
        raise EditRefused(f"{entity} objects are not named by others")
    if editor.company.chart.descendants(entity, id):
        raise EditRefused(f"{entity} {id} has members below it, which would be renamed too")
    doc = editor.read(entity, id)
    doc |= {key: name for key in _NAMES if key in doc}
    editor.save(entity, id, doc)
    new = ref_of(doc, id)["name"]
    for other, of, naming_doc in list(naming(editor, entity, id)):
        if (other, of) != (entity, id) and _respell(naming_doc, entity, id, new):
            editor.restate(other, of, naming_doc)


def _respell(node: object, entity: str, id: str, name: str) -> bool:
    """Put the new name into references below a node; True if there was one."""
    found = False
    if isinstance(node, list):
        for item in node:
            found |= _respell(item, entity, id, name)
    elif isinstance(node, dict):
        for key, value in node.items():
            named = key in REFS[entity] or names_party(node, key, entity)
            if named and value.get("value") == id and "name" in value:
                value["name"] = name
                found = True
            elif not named:
                found |= _respell(value, entity, id, name)
    return found
