"""One company file of the sandbox: its tables, its ledger and what editing them needs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from ledgerguard_pipeline.sandbox.books.change import Observer
from ledgerguard_pipeline.sandbox.books.entity_table import EntityTable
from ledgerguard_pipeline.sandbox.books.json_text import Doc
from ledgerguard_pipeline.sandbox.books.ledger import Ledger, Posting
from ledgerguard_pipeline.sandbox.books.ledger_only import LedgerOnly
from ledgerguard_pipeline.sandbox.books.valuation.item_accounts import ItemAccounts
from ledgerguard_pipeline.sandbox.books.valuation.stock import StockRegister
from ledgerguard_pipeline.sandbox.entity_types import TYPES


@dataclass(slots=True)
class Chart:
    """The accounts that documents reach without naming them, by id, and the items' accounts."""

    receivable: str = ""
    payable: str = ""
    checking: str = ""
    undeposited: str = ""
    sales_tax: str = ""
    inventory: str = ""
    discounts: str = ""
    """Takes discounts of documents that name no account."""
    exchange_gain: str = ""
    """Takes realised exchange gains and losses, and the rests of rounding."""
    receivables: dict[str, str] = field(default_factory=dict)
    """Accounts of customers in other currencies, by currency; likewise of vendors."""
    payables: dict[str, str] = field(default_factory=dict)
    tax_accounts: dict[str, str] = field(default_factory=dict)
    """Where the tax of a TaxRate goes, by its id; ``sales_tax`` takes the others."""
    rates: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    """Exchange rates of documents in other currencies, by entity and id: what settles one later
    clears it at its own rate."""
    parents: dict[tuple[str, str], str] = field(default_factory=dict)
    """``(entity, id)`` of a sub-account or sub-customer to its parent's id."""
    items: dict[str, ItemAccounts] = field(default_factory=dict)

    def descendants(self, entity: str, id: str) -> list[str]:
        """All members below one, children first."""
        found: list[str] = []
        for (kind, child), parent in self.parents.items():
            if kind == entity and parent == id:
                found += [child, *self.descendants(entity, child)]
        return found


class Bulk(Protocol):
    """Rows rendered on demand, which no search through bodies finds."""

    def of_customer(self, id: str) -> Iterator[tuple[str, str]]:
        """Entity and id of every row written for a customer."""


class SandboxCompany:
    """A company's objects by Intuit's entity name.

    Readers and editors hold ``lock``; a table's ``version`` moves with every change.
    """

    def __init__(self, realm_id: str, name: str, seed: int) -> None:
        self.realm_id = realm_id
        self.name = name
        self.seed = seed
        self.tables: dict[str, EntityTable] = {entity: EntityTable(entity) for entity in TYPES}
        self.lock = threading.RLock()
        self.ledger = Ledger()
        self.stock = StockRegister()
        self.ledger_only: list[LedgerOnly] = []
        """Transactions that no entity holds, such as payroll."""
        self.chart = Chart()
        self.pinned: dict[str, frozenset[str]] = {}
        """List members that rows rendered on demand refer to; they cannot be merged away."""
        self.bulk: Bulk | None = None
        self.observer: Observer | None = None
        """Notified of every edit, for example to send webhooks."""
        self.edits = 0
        """Edits made so far; each draws its own random numbers."""
        self._next_id: dict[str, int] = {}
        self._ids: dict[str, list[str]] = {}

    def __getstate__(self) -> dict[str, object]:
        """Everything but what belongs to this process."""
        return {**self.__dict__, "lock": None, "observer": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self.lock = threading.RLock()

    def reserve(self, sequence: str, first: int) -> None:
        """Let a sequence go on at ``first`` (transactions share one, lists have their own)."""
        self._next_id[sequence] = max(first, self._next_id.get(sequence, 1))

    def new_id(self, sequence: str) -> str:
        """The next id of a sequence."""
        number = self._next_id.get(sequence, 1)
        self._next_id[sequence] = number + 1
        return str(number)

    def continue_as(self, other: SandboxCompany) -> None:
        """Continue every sequence where another company has got to."""
        self._next_id = dict(other._next_id)  # a private name of the same class

    def registered(self, entity: str, id: str, doc: Doc | None) -> list[Posting]:
        """A document was written, changed or (None) taken away: further legs to post for it.

        They are the cost of sold goods, its own and that of later sales it has moved.
        """
        if doc is not None and "ExchangeRate" in doc:
            self.chart.rates[entity, id] = Decimal(doc["ExchangeRate"])
        return self.stock.change((entity, id), doc, self.chart.items)

    def ids(self, entity: str) -> list[str]:
        """Ids ever seen in a table, oldest first; some may be gone. Cheap to ask again."""
        known = self._ids.get(entity)
        if known is None:
            known = self._ids[entity] = list(self.tables[entity].rows)
        return known

    def note(self, entity: str, id: str) -> None:
        """Remember the id of a new object."""
        self.ids(entity).append(id)
