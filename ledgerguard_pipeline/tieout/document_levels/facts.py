"""What levels have to know of single documents, from Silver."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from ledgerguard_pipeline.bronze.workspace import View
from ledgerguard_pipeline.silver.tables import present_tables
from ledgerguard_pipeline.silver.views.form import home
from ledgerguard_pipeline.tieout.postings.rules import POSTING, named
from ledgerguard_pipeline.values import RealmId

Key = tuple[str, str]
"""Entity type and id."""
NOT_POSTING = {
    "Estimate": "estimate",
    "PurchaseOrder": "purchase_order",
    "TimeActivity": "time_activity",
}
"""Types that Intuit lists among transactions although they post nothing."""
_TOTALS = {
    "Transfer": "head.amount",
    "CreditCardPayment": "head.amount",
    "InventoryAdjustment": "NULL",
    "TimeActivity": "NULL",
}
_LINE = home("line.amount", "head.exchange_rate")
_ENTERED = (
    f"(SELECT greatest(sum(CASE WHEN line.posting_type = 'Debit' THEN {_LINE} END), "
    f"sum(CASE WHEN line.posting_type = 'Credit' THEN {_LINE} END)) "
    "FROM {journal_entry_line} AS line WHERE line.realm_id = head.realm_id AND line.id = head.id)"
)
"""The larger side of an entry: what the other lacks is tax, or cents that each line was rounded by."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document: ``total`` is in home currency, None where its type says none."""

    entity: str
    id: str
    number: str
    date: date | None
    total: Decimal | None
    state: str
    created_at: datetime | None
    loaded_at: datetime
    foreign: bool
    """Whether its amounts are in another currency."""
    misfit: bool

    @property
    def name(self) -> str:
        """For people: type and number."""
        return f"{self.entity} {self.number}".strip()


def read_documents(
    view: View,
    realm: RealmId | str,
    ids: Collection[str],
    spans: Sequence[tuple[date, date]] = (),
) -> dict[Key, Document]:
    """The documents of a company that have one of these ids, or are dated in these days."""
    present = tables_of_silver(view)
    wanted = (
        "AND (head.id IN (SELECT unnest($ids)) OR (head.txn_date BETWEEN $first AND $last))"
        if spans
        else "AND head.id IN (SELECT unnest($ids))"
    )
    parts = [
        f"SELECT '{entity}' AS entity, head.id, {_number(entity)} AS number, head.txn_date, "
        f"CAST({_total(entity)} AS DECIMAL(38, 18)) AS total, head.state, head.created_at, "
        f"head.loaded_at, {_foreign(entity)} AS foreign_ FROM {{{table}}} AS head WHERE head.realm_id = $realm {wanted}"
        for entity, table in (POSTING | NOT_POSTING).items()
    ]
    misfit = "false"
    if "_misfits" in present:
        misfit = (
            "(entity, id) IN (SELECT (entity, id) FROM silver._misfits WHERE realm_id = $realm)"
        )
    text = named(" UNION ALL ".join(parts), lambda name: f"silver.{name}", present)
    values: dict[str, object] = {"realm": str(realm), "ids": sorted(ids) or [""]}
    if spans:
        values |= {"first": spans[0][0], "last": spans[-1][1]}
    rows = view.connection.execute(f"SELECT *, {misfit} FROM ({text})", values).fetchall()
    return {(row[0], row[1]): Document(row[0], row[1], row[2] or "", *row[3:]) for row in rows}


def tables_of_silver(view: View) -> set[str]:
    """The tables that are there."""
    return present_tables(view.connection, view.catalog)


def _number(entity: str) -> str:
    return "CAST(NULL AS VARCHAR)" if entity == "TimeActivity" else "head.doc_number"


def _foreign(entity: str) -> str:
    return "false" if entity == "TimeActivity" else "coalesce(head.exchange_rate, 1) <> 1"


def _total(entity: str) -> str:
    if entity == "JournalEntry":
        return _ENTERED
    total = _TOTALS.get(entity, "head.total_amt")
    return total if total == "NULL" else home(total, "head.exchange_rate")
