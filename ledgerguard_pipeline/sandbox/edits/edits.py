"""Changing the books as a user would; every edit leaves them coherent and is repeatable."""

from __future__ import annotations

from random import Random

from ledgerguard_pipeline.sandbox.books.change import Change
from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.books.json_text import Num
from ledgerguard_pipeline.sandbox.edits import create, merge, remove, rename, update
from ledgerguard_pipeline.sandbox.edits.editor import (
    WITH_BALANCE,
    Edit,
    Editor,
    EditRefused,
    amount_text,
    known,
)
from ledgerguard_pipeline.sandbox.entity_types import TYPES

__all__ = ["KINDS", "Change", "Edit", "EditRefused", "edit"]

KINDS = (
    "create",
    "update",
    "delete",
    "void",
    "email",
    "deactivate",
    "reactivate",
    "merge",
    "rename",
    "custom_fields",
    "touch_balance",
    "burst",
)
_BURST_ENTITIES = (
    "Invoice",
    "Invoice",
    "Invoice",
    "Payment",
    "Payment",
    "Customer",
    "Customer",
    "Vendor",
    "Item",
    "Account",
    "Bill",
    "Bill",
    "BillPayment",
    "Purchase",
    "Purchase",
    "JournalEntry",
    "SalesReceipt",
    "Estimate",
    "CreditMemo",
    "Deposit",
    "Transfer",
    "Class",
    "TimeActivity",
    "VendorCredit",
    "RefundReceipt",
    "PurchaseOrder",
    "Employee",
    "Attachable",
)
_BURST_KINDS = ("update",) * 5 + ("create",) * 3 + ("delete", "void", "deactivate", "reactivate")


def edit(
    company: SandboxCompany,
    kind: str,
    entity: str,
    id: str | None = None,
    at: int = 0,
    *,
    like: str | None = None,
    pays: str | None = None,
    amount: str | None = None,
    note: str | None = None,
    loser: str | None = None,
    n: int = 10,
    seed: int = 0,
    quiet: bool = False,
) -> Edit:
    """Make one edit at ``at`` (epoch seconds) and return every object it changed.

    - ``create``: clone ``like``; a Payment or BillPayment settles ``pays`` with ``amount``.
    - ``update``: note or name (``note`` sets the text), or ``amount`` of the first line.
    - ``delete``, ``void``: linked documents are opened again; deleting a list member makes it
      inactive, as QuickBooks does.
    - ``email``: a document is sent to the customer or vendor; its EmailStatus says so.
    - ``deactivate``, ``reactivate``: list members.
    - ``merge``: ``id`` survives, ``loser`` goes; with ``quiet`` documents that named the loser show
      the survivor and tell no change.
    - ``rename``: a list member is called ``note``; documents show it and tell no change.
    - ``custom_fields``: an object that can have them gets one of each kind.
    - ``touch_balance``: an account, customer or vendor gets a new LastUpdatedTime and keeps its
      SyncToken, as when a balance is computed again.
    - ``burst``: ``n`` random edits (of ``entity``, or of all kinds for ``"*"``).

    Without ``id`` a random object is taken. ``seed`` varies what random means; the same edits in
    the same order on the same company give the same books.

    Raises:
        EditRefused: QuickBooks would not do it; nothing changed.
        LookupError: no such entity type, or no such live object.
        ValueError: no such kind of edit.
    """
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no kind of edit; there are {', '.join(KINDS)}")
    with company.lock:
        company.edits += 1
        rng = Random(f"{company.seed}/{company.edits}/{seed}")
        if kind == "burst":
            return _burst(company, entity, at, rng, n)
        editor = Editor(company, at, rng)
        known(entity)
        literal = amount_text(amount)
        if kind == "create":
            id = create.create(editor, entity, like=like, pays=pays, amount=literal)
        else:
            id = id or _any(editor, entity)
            _change(editor, kind, entity, id, amount=literal, note=note, loser=loser, quiet=quiet)
        editor.settle()
        if company.observer is not None:
            company.observer.edited(company.realm_id, editor.changes)
        return Edit(kind, entity, id, at, tuple(editor.changes))


def _any(editor: Editor, entity: str) -> str:
    id = editor.pick(entity, lambda _: True)
    if id is None:
        raise LookupError(f"the sandbox has no live {entity}")
    return id


def _change(
    editor: Editor,
    kind: str,
    entity: str,
    id: str,
    *,
    amount: Num | None,
    note: str | None,
    loser: str | None,
    quiet: bool,
) -> None:
    match kind:
        case "update":
            update.update(editor, entity, id, note=note, amount=amount)
        case "delete" if TYPES[entity].soft_delete:
            update.set_active(editor, entity, id, active=False)
        case "delete":
            remove.delete(editor, entity, id)
        case "void":
            remove.void(editor, entity, id)
        case "email":
            update.email(editor, entity, id)
        case "deactivate" | "reactivate":
            update.set_active(editor, entity, id, active=kind == "reactivate")
        case "custom_fields":
            update.fill_custom_fields(editor, entity, id)
        case "merge" | "rename":
            _relist(editor, kind, entity, id, note=note, loser=loser, quiet=quiet)
        case _:
            if entity not in WITH_BALANCE:
                raise EditRefused(f"{entity} objects have no balance")
            editor.row(entity, id)
            editor.touch(entity, id)


def _relist(
    editor: Editor,
    kind: str,
    entity: str,
    id: str,
    *,
    note: str | None,
    loser: str | None,
    quiet: bool,
) -> None:
    """What changes a member of a list and the documents that name it."""
    if kind == "rename":
        rename.rename_member(editor, entity, id, note or f"Renamed {entity} {id}")
    elif loser is None:
        raise EditRefused("a merge needs a loser")
    else:
        merge.merge(editor, entity, id, loser, quiet=quiet)


def _burst(company: SandboxCompany, entity: str, at: int, rng: Random, n: int) -> Edit:
    """Random edits; refused ones are replaced by others, so exactly ``n`` are made."""
    if entity != "*":
        known(entity)
    changes: list[Change] = []
    made = tries = 0
    while made < n and tries < 20 * n:
        tries += 1
        what = rng.choice(_BURST_ENTITIES) if entity == "*" else entity
        try:
            done = edit(company, rng.choice(_BURST_KINDS), what, None, at)
        except (EditRefused, LookupError):
            continue
        if done.changes:
            changes += done.changes
            made += 1
    return Edit("burst", entity, None, at, tuple(changes))
