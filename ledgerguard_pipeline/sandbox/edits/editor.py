"""One edit of a company's books: saves objects, posts the difference, moves the balances."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from ledgerguard_pipeline.sandbox.books.bookkeeper import balance_fields
from ledgerguard_pipeline.sandbox.books.change import Change
from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.books.entity_table import Row
from ledgerguard_pipeline.sandbox.books.header import stamp
from ledgerguard_pipeline.sandbox.books.json_text import Doc, Num, dump, load
from ledgerguard_pipeline.sandbox.books.ledger import NOTHING, Posting, plus, reversed_legs
from ledgerguard_pipeline.sandbox.books.postings import postings
from ledgerguard_pipeline.sandbox.entity_types import TYPES

WITH_BALANCE = ("Account", "Customer", "Vendor")


class EditRefused(ValueError):
    """QuickBooks would not allow this edit; the books are as before."""


@dataclass(frozen=True, slots=True)
class Edit:
    """What an edit did, in order; the first change is the one asked for."""

    kind: str
    entity: str
    id: str | None
    at: int
    changes: tuple[Change, ...]


def inner(entity: str, doc: Doc) -> Doc:
    """The object that carries Id, SyncToken and MetaData (a template's wrapper has none)."""
    if entity == "RecurringTransaction":
        wrapped: Doc = next(iter(doc.values()))
        return wrapped
    return doc


class Editor:
    """Collects the changes of one edit at ``at`` (epoch seconds). The caller holds the lock."""

    def __init__(self, company: SandboxCompany, at: int, rng: Random) -> None:
        self.company = company
        self.at = at
        self.rng = rng
        self.changes: list[Change] = []
        self._accounts: dict[str, Decimal] = {}
        self._parties: dict[tuple[str, str], Decimal] = {}

    def row(self, entity: str, id: str) -> Row:
        """A live row.

        Raises:
            LookupError: there is none of that id.
        """
        found = self.company.tables[entity].rows.get(id)
        if found is None:
            raise LookupError(f"the sandbox has no live {entity} {id}")
        return found

    def read(self, entity: str, id: str) -> Doc:
        """A fresh document of a live row; number texts are kept."""
        return load(self.company.tables[entity].body(self.row(entity, id)))

    def pick(self, entity: str, fits: Callable[[Doc], bool]) -> str | None:
        """A random live object that fits; None after many tries."""
        table, ids = self.company.tables[entity], self.company.ids(entity)
        tries = min(len(ids), 1_000)
        for id in self.rng.sample(ids, tries):
            row = table.rows.get(id)
            if row is not None and fits(load(table.body(row))):
                return id
        return None

    def add(self, entity: str, id: str, doc: Doc) -> str:
        """Put a new object (its header already written) and post it."""
        self.post(postings(entity, doc, self.company.chart))
        self.post(self.company.registered(entity, id, doc))
        active = inner(entity, doc).get("Active") is not False
        self.company.tables[entity].put(Row(id, self.at, self.at, 0, active, dump(doc)))
        self.company.note(entity, id)
        self._log(entity, id, "Create", self.at)
        return id

    def save(
        self, entity: str, id: str, doc: Doc, *, op: str = "Update", bump: bool = True
    ) -> None:
        """Replace a live object: SyncToken + 1 (unless not ``bump``), LastUpdatedTime now.

        A time never goes back, whatever ``at`` is.
        """
        row = self.row(entity, id)
        chart = self.company.chart
        before = postings(entity, self.read(entity, id), chart)
        self.post([*reversed_legs(before), *postings(entity, doc, chart)])
        self.post(self.company.registered(entity, id, doc))
        updated = max(self.at, row.updated)
        token = row.sync_token + bump
        body = inner(entity, doc)
        if "SyncToken" in body:
            body["SyncToken"] = str(token)
        body["MetaData"]["LastUpdatedTime"] = stamp(entity, updated)
        active = body.get("Active") is not False
        self.company.tables[entity].put(Row(id, row.created, updated, token, active, dump(doc)))
        self._log(entity, id, op, updated, inactive=row.active and not active)

    def restate(self, entity: str, id: str, doc: Doc) -> None:
        """Replace what a live object says and give no sign of it: no time moves, nothing is logged."""
        row = self.row(entity, id)
        chart = self.company.chart
        before = postings(entity, self.read(entity, id), chart)
        self.post([*reversed_legs(before), *postings(entity, doc, chart)])
        self.post(self.company.registered(entity, id, doc))
        self.company.tables[entity].put(
            Row(id, row.created, row.updated, row.sync_token, row.active, dump(doc))
        )

    def bury(self, entity: str, id: str, *, log: bool = True) -> None:
        """Remove a live object for good; its grave stays."""
        row = self.row(entity, id)
        legs = postings(entity, self.read(entity, id), self.company.chart)
        self.post(reversed_legs(legs))
        self.post(self.company.registered(entity, id, None))
        at = max(self.at, row.updated)
        self.company.tables[entity].bury(id, at)
        if log:
            self._log(entity, id, "Delete", at)

    def touch(self, entity: str, id: str) -> None:
        """Let a balance be computed again: the time moves, the SyncToken does not."""
        if id not in self.company.tables[entity].rows:
            return
        doc = self.read(entity, id) | balance_fields(self.company, entity, id)
        self.save(entity, id, doc, op="Touch", bump=False)

    def settle(self) -> None:
        """Touch every account, customer and vendor whose balance this edit moved."""
        moved = [("Account", id) for id, change in self._accounts.items() if change]
        moved += [party for party, change in self._parties.items() if change]
        self._accounts, self._parties = {}, {}
        touched: dict[tuple[str, str], None] = {}
        for entity, id in moved:
            above: str | None = id
            while above is not None:
                touched[entity, above] = None
                above = self.company.chart.parents.get((entity, above))
        for entity, id in touched:
            self.touch(entity, id)

    def log_merge(self, entity: str, survivor: str, loser: str) -> None:
        """Note that ``loser`` went up in ``survivor``."""
        self._log(entity, survivor, "Merge", self.at, loser)

    def _log(
        self,
        entity: str,
        id: str,
        op: str,
        at: int,
        deleted: str | None = None,
        *,
        inactive: bool = False,
    ) -> None:
        self.changes.append(Change(entity, id, op, at, deleted, inactive))

    def post(self, legs: list[Posting]) -> None:
        """Post legs; ``settle`` then moves the balances they change."""
        self.company.ledger.post(legs, self.at)
        for leg in legs:
            self._accounts[leg.account] = plus(self._accounts.get(leg.account, NOTHING), leg.amount)
            if leg.party is not None:
                self._parties[leg.party] = plus(self._parties.get(leg.party, NOTHING), leg.amount)


_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII)


def amount_text(text: object) -> Num | None:
    """An amount given from outside, as the literal text it will have in the JSON.

    Raises:
        EditRefused: it is no JSON number text.
    """
    if text is None:
        return None
    if not isinstance(text, str) or _NUMBER.fullmatch(text) is None:
        raise EditRefused(f"{text!r} is no amount: give the text of a JSON number")
    return Num(text)


def known(entity: str) -> str:
    """The entity, checked.

    Raises:
        LookupError: the sandbox has no such type.
    """
    if entity not in TYPES:
        raise LookupError(f"the sandbox has no entity {entity}")
    return entity
