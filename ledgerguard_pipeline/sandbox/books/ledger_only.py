"""Transactions of the ledger that no entity of the API holds; only reports show them.

Payroll, payments to tax agencies and the value of opening stock, as Intuit's JournalReport shows
them (captured types: Payroll Check, Sales Tax Payment, Inventory Starting Value).
"""

from __future__ import annotations

from dataclasses import dataclass

from ledgerguard_pipeline.sandbox.books.ledger import Posting


@dataclass(frozen=True, slots=True)
class LedgerOnly:
    """One such transaction: its type as reports name it, its id, its day and its balanced legs.

    ``created`` is when it was written, in epoch seconds.
    """

    label: str
    id: str
    date: str
    created: int
    number: str
    memo: str
    legs: tuple[Posting, ...]
