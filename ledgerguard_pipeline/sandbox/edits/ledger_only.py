"""Transactions that no entity holds, written and taken away as payroll and tax centres do."""

from __future__ import annotations

from decimal import Decimal
from random import Random

from ledgerguard_pipeline.sandbox.books.bookkeeper import TRANSACTIONS
from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.books.ledger import Posting, reversed_legs
from ledgerguard_pipeline.sandbox.books.ledger_only import LedgerOnly
from ledgerguard_pipeline.sandbox.edits.editor import Editor, EditRefused


def post_ledger_only(
    company: SandboxCompany,
    label: str,
    at: int,
    *,
    date: str,
    amount: Decimal,
    debit: str,
    credit: str,
    memo: str = "",
) -> str:
    """Book ``amount`` from one account (by id) to another; returns the transaction's id.

    The accounts' balances move, as with every edit. The caller holds the lock.

    Raises:
        EditRefused: the amount is none, or there is no such account.
    """
    accounts = company.tables["Account"].rows
    if amount <= 0 or debit not in accounts or credit not in accounts:
        raise EditRefused("it takes an amount above zero and two accounts of the chart")
    id = company.new_id(TRANSACTIONS)
    legs = (Posting(debit, amount), Posting(credit, -amount))
    company.ledger_only.append(LedgerOnly(label, id, date, at, "", memo, legs))
    _post(company, at, legs)
    return id


def remove_ledger_only(company: SandboxCompany, id: str, at: int) -> None:
    """Take such a transaction away; nothing reports it. The caller holds the lock.

    Raises:
        LookupError: there is none of that id.
    """
    found = next((each for each in company.ledger_only if each.id == id), None)
    if found is None:
        raise LookupError(f"the sandbox has no ledger-only transaction {id}")
    company.ledger_only.remove(found)
    _post(company, at, tuple(reversed_legs(found.legs)))


def _post(company: SandboxCompany, at: int, legs: tuple[Posting, ...]) -> None:
    editor = Editor(company, at, Random(0))
    editor.post(list(legs))
    editor.settle()
    if company.observer is not None:
        company.observer.edited(company.realm_id, editor.changes)
