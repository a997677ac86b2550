"""L2: what documents post and what the journal has, by transaction and account.

What differs is explained in ``gaps.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ledgerguard_pipeline.bronze.workspace import View
from ledgerguard_pipeline.tieout.differences import Difference
from ledgerguard_pipeline.tieout.document_levels.facts import Key, read_documents, tables_of_silver
from ledgerguard_pipeline.tieout.document_levels.gaps import Evidence, Gap, explained
from ledgerguard_pipeline.tieout.postings.rules import named

_COMPARED = """
WITH span AS (
    SELECT min(window_start) AS first, max(window_end) AS last FROM silver._journal_windows
    WHERE realm_id = $realm
),
theirs AS (
    SELECT coalesce(entity, '') AS entity,
        CASE WHEN entity IS NULL THEN txn_type ELSE '' END AS label, txn_id,
        account_id, any_value(account_name) AS account_name, any_value(doc_num) AS number,
        min(posted_on) AS day, sum(amount) AS amount, count(*) AS legs,
        any_value(report_id) AS report_id
    FROM silver.journal WHERE realm_id = $realm
    GROUP BY 1, 2, txn_id, account_id
),
ours AS (
    SELECT entity, '' AS label, txn_id, account_id, min(txn_date) AS day, sum(amount) AS amount,
        bool_and(tax_rate_id IS NOT NULL) AS learnable
    FROM silver.postings WHERE realm_id = $realm GROUP BY entity, txn_id, account_id
),
both_sides AS (
    SELECT coalesce(ours.entity, theirs.entity) AS entity, coalesce(theirs.label, '') AS label,
        coalesce(ours.txn_id, theirs.txn_id) AS txn_id,
        coalesce(ours.account_id, theirs.account_id) AS account_id,
        theirs.account_name, theirs.number, theirs.day AS their_day, ours.day AS our_day,
        coalesce(ours.amount, 0) AS ours, coalesce(theirs.amount, 0) AS theirs,
        coalesce(theirs.legs, 0) AS legs, coalesce(theirs.report_id, '') AS report_id,
        coalesce(ours.learnable, false) AS learnable
    FROM ours FULL JOIN theirs ON ours.entity = theirs.entity AND ours.label = theirs.label
        AND ours.txn_id = theirs.txn_id AND ours.account_id = theirs.account_id
)
"""
_COVERAGE = (
    _COMPARED + "SELECT coalesce(sum(legs), 0), coalesce(sum(legs) FILTER (ours = theirs), 0) "
    "FROM both_sides"
)
_DIFFERING = (
    _COMPARED
    + """
SELECT * FROM both_sides, span WHERE ours <> theirs
AND (their_day IS NOT NULL OR our_day BETWEEN first AND last)
ORDER BY entity, label, length(txn_id), txn_id, length(account_id), account_id
"""
)


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many legs the journal has, and how many of them the documents explain to the cent."""

    legs: int
    explained: int

    @property
    def share(self) -> float:
        """From 0 to 1; 1 for an empty journal."""
        return self.explained / self.legs if self.legs else 1.0


@dataclass(frozen=True, slots=True)
class Matched:
    """What differs, and how much is explained."""

    differences: list[Difference]
    coverage: Coverage
    undocumented: frozenset[str]
    """Types of which the journal has transactions that Bronze does not hold."""


def match(view: View, realm: str, now: datetime) -> Matched:
    """Compare the postings of a company with its journal, as they stand in one view."""
    values = {"realm": realm}
    legs, same = view.connection.execute(_COVERAGE, values).fetchone() or (0, 0)
    rows = [Gap(*row) for row in view.connection.execute(_DIFFERING, values).fetchall()]
    known = _known(view, realm, rows, now)
    transactions: dict[tuple[str, str, str], list[Gap]] = {}
    for row in rows:
        transactions.setdefault((row.entity, row.label, row.txn_id), []).append(row)
    found = [each for group in transactions.values() for each in explained(group, known)]
    undocumented = frozenset(
        row.entity for row in rows if row.entity and (row.entity, row.txn_id) not in known.documents
    )
    return Matched(found, Coverage(int(legs), int(same)), undocumented)


def _known(view: View, realm: str, rows: Sequence[Gap], now: datetime) -> Evidence:
    ids = {row.txn_id for row in rows}
    documents = read_documents(view, realm, ids) if ids else {}
    present = tables_of_silver(view)
    stock = view.connection.execute(
        named(_STOCK, lambda name: f"silver.{name}", present),
        {"realm": realm, "ids": sorted(ids) or [""]},
    ).fetchall()
    accounts: dict[Key, set[str]] = {}
    for entity, id, *own in stock:
        accounts.setdefault((entity, id), set()).update(each for each in own if each)
    names = view.connection.execute(
        named(
            "SELECT id, fully_qualified_name, account_type, account_sub_type FROM {account} "
            "WHERE realm_id = ?",
            lambda name: f"silver.{name}",
            present,
        ),
        [realm],
    ).fetchall()
    legs = view.connection.execute(
        "SELECT entity, txn_id, count(*) FROM silver.postings WHERE realm_id = $realm "
        "AND list_contains($ids, txn_id) GROUP BY ALL",
        {"realm": realm, "ids": sorted(ids)},
    ).fetchall()
    read = view.connection.execute(
        "SELECT min(bronze_at) FROM silver._journal_windows WHERE realm_id = ?", [realm]
    ).fetchone()
    return Evidence(
        documents,
        {key: frozenset(own) for key, own in accounts.items()},
        {str(id): str(name or "") for id, name, _, _ in names},
        {str(id): (type_ or "", subtype or "") for id, _, type_, subtype in names},
        {(entity, id): count for entity, id, count in legs},
        read[0] if read else None,
        now,
    )


_STOCK = " UNION ".join(
    f"SELECT '{entity}', line.id, item.asset_account_id, item.expense_account_id, "
    f"item.cogs_account_id, {adjusted} FROM {{{table}_line}} AS line JOIN {{item}} AS item "
    f"ON item.realm_id = line.realm_id AND item.id = line.item_id {join} "
    f"WHERE line.realm_id = $realm AND item.type = 'Inventory' AND line.id IN (SELECT unnest($ids))"
    for entity, table, adjusted, join in (
        ("Invoice", "invoice", "NULL", ""),
        ("SalesReceipt", "sales_receipt", "NULL", ""),
        ("CreditMemo", "credit_memo", "NULL", ""),
        ("RefundReceipt", "refund_receipt", "NULL", ""),
        (
            "InventoryAdjustment",
            "inventory_adjustment",
            "head.adjust_account_id",
            "JOIN {inventory_adjustment} AS head ON head.realm_id = line.realm_id AND head.id = line.id",
        ),
    )
)
"""The accounts that the value of counted goods moves on, by document."""
