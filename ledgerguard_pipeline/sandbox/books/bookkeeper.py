"""The bookkeeper's desk: writes documents into a company, posts them and settles balances."""

from __future__ import annotations

from random import Random

from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.books.entity_table import Grave, Row
from ledgerguard_pipeline.sandbox.books.header import head
from ledgerguard_pipeline.sandbox.books.json_text import Doc, dump, number
from ledgerguard_pipeline.sandbox.books.ledger import NOTHING, minus, total
from ledgerguard_pipeline.sandbox.books.postings import postings

DAY = 86_400
TRANSACTIONS = "Transaction"
"""The id sequence all transactions of a company share."""
ADJUSTMENTS = "InventoryAdjustment"
"""The id sequence of inventory adjustments, as captured far above that of other transactions."""
PEOPLE = "Name"
"""The id sequence customers, vendors and employees share."""
USD: Doc = {"value": "USD", "name": "United States Dollar"}

Ref = dict[str, str]


def ref(id: str, name: str) -> Ref:
    """A reference as Intuit writes it."""
    return {"value": id, "name": name}


class Desk:
    """Fills a new company between ``start`` and ``end`` (epoch seconds), in steps that repeat.

    Accounts, customers and vendors are written last, when their balances are known.
    """

    def __init__(self, company: SandboxCompany, rng: Random, start: int, end: int) -> None:
        self.company = company
        self.rng = rng
        self.start = start
        self.end = end
        self.accounts: dict[str, Ref] = {}
        """Account references by role (``checking``, ``payable``, ...)."""
        self.customers: list[Ref] = []
        self.buyers: list[Ref] = []
        """Active customers; likewise suppliers and staff."""
        self.suppliers: list[Ref] = []
        self.staff: list[Ref] = []
        self.services: list[Ref] = []
        """Items sold."""
        self.stock: list[Ref] = []
        """Inventory items."""
        self.classes: list[Ref] = []
        self.departments: list[Ref] = []
        self.terms: list[Ref] = []
        self.methods: list[Ref] = []
        self.expenses: list[Ref] = []
        """Expense accounts."""
        self._waiting: list[tuple[str, str, Doc, int, int, int]] = []

    def moment(self, index: int, count: int, phase: int = 0) -> int:
        """When document ``index`` of ``count`` was written: evenly spread, working hours varied.

        The newest lies near the end, so every type has changes within the last days.
        """
        return (
            self.start
            + DAY * 4
            + (self.end - self.start - DAY * 5) * (index + 1) // count
            + (index * 7_919 + phase * 1_237) % 28_800
        )

    def cents(self, low: int, high: int) -> int:
        """A plausible amount in cents."""
        return self.rng.randrange(low, high)

    def put(
        self,
        entity: str,
        id: str,
        doc: Doc,
        created: int,
        *,
        updated: int | None = None,
        token: int = 0,
        active: bool = True,
        ascii_only: bool = False,
    ) -> str:
        """Put an object into its table; the header goes first. Returns its id."""
        updated = created if updated is None else max(created, updated)
        body = dump(head(entity, id, created, updated, token) | doc, ascii_only=ascii_only)
        self.company.tables[entity].put(Row(id, created, updated, token, active, body))
        return id

    def transact(
        self,
        entity: str,
        doc: Doc,
        created: int,
        *,
        updated: int | None = None,
        token: int = 0,
        id: str | None = None,
        ascii_only: bool = False,
    ) -> str:
        """Put a transaction and post it. Returns its id."""
        id = id or self.company.new_id(TRANSACTIONS)
        legs = postings(entity, doc, self.company.chart)
        legs += self.company.registered(entity, id, doc)
        self.company.ledger.post(legs, max(created, updated or 0))
        return self.put(
            entity, id, doc, created, updated=updated, token=token, ascii_only=ascii_only
        )

    def enlist(
        self,
        entity: str,
        doc: Doc,
        created: int,
        *,
        id: str | None = None,
        updated: int | None = None,
        token: int = 0,
        active: bool = True,
    ) -> str:
        """Put a list member (its ``Active`` is in the document). Returns its id."""
        id = id or self.company.new_id(entity)
        return self.put(entity, id, doc, created, updated=updated, token=token, active=active)

    def put_bare(
        self,
        entity: str,
        id: str,
        doc: Doc,
        created: int,
        *,
        updated: int | None = None,
        token: int = 0,
        active: bool = True,
    ) -> None:
        """Put an object that Intuit serves without the usual header, as the document stands."""
        self.company.tables[entity].put(
            Row(id, created, created if updated is None else updated, token, active, dump(doc))
        )

    def wait(
        self, entity: str, id: str, doc: Doc, created: int, *, updated: int, token: int
    ) -> None:
        """Keep an account, customer or vendor until its balance is known."""
        self._waiting.append((entity, id, doc, created, updated, token))

    def bury(self, entity: str, id: str, at: int) -> None:
        """An object that was deleted or merged away during the history."""
        self.company.tables[entity].graves[id] = Grave(id, at)

    def settle(self) -> None:
        """Write the waiting objects with their balances; a balance moves only the time."""
        ledger = self.company.ledger
        for entity, id, doc, created, updated, token in self._waiting:
            if entity == "Account":
                moved = ledger.account_moved.get(id, 0)
            else:
                moved = ledger.party_moved.get((entity, id), 0)
            self.put(
                entity,
                id,
                doc | balance_fields(self.company, entity, id),
                created,
                updated=max(updated, moved),
                token=token,
                active=doc["Active"],
            )
        self._waiting.clear()


def balance_fields(company: SandboxCompany, entity: str, id: str) -> Doc:
    """The computed fields of an account, customer or vendor.

    Account balances are debit positive, as in captured data (payables show a minus sign);
    a vendor's balance is what the company owes.
    """
    ledger = company.ledger
    family = [id, *company.chart.descendants(entity, id)]
    if entity == "Account":
        return {
            "CurrentBalance": number(ledger.balance(id)),
            "CurrentBalanceWithSubAccounts": number(total(ledger.balance(each) for each in family)),
        }
    own = ledger.parties.get((entity, id), NOTHING)
    if entity == "Vendor":
        return {"Balance": number(minus(NOTHING, own))}
    with_jobs = total(ledger.parties.get((entity, each), NOTHING) for each in family)
    return {"Balance": number(own), "BalanceWithJobs": number(with_jobs)}
