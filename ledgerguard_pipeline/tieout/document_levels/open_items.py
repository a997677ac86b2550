"""L4: what documents leave open, by customer and vendor, and what Intuit's reports of aging say.

Ours are the balances that Intuit writes on documents themselves, and for journal entries on these
accounts what payments have not settled. Their sum is what the journal has on the accounts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from ledgerguard_pipeline.bronze.workspace import View
from ledgerguard_pipeline.reports.journal import exact_sum
from ledgerguard_pipeline.reports.shape import NOTHING
from ledgerguard_pipeline.tieout.differences import ROUNDED, Difference, DifferenceClass, Level
from ledgerguard_pipeline.tieout.document_levels.classes import labels_of
from ledgerguard_pipeline.tieout.document_levels.facts import tables_of_silver
from ledgerguard_pipeline.tieout.journal_store import has_table


@dataclass(frozen=True, slots=True)
class Side:
    """Receivables or payables: the report, the view of open items, and the accounts."""

    report: str
    party: str
    view: str
    account_type: str
    sign: int
    """Of a balance that is owed, on the accounts."""

    @property
    def table(self) -> str:
        """The table of the parties."""
        return self.party.lower()


SIDES = (
    Side("AgedReceivables", "Customer", "ar_open_as_of", "Accounts Receivable", 1),
    Side("AgedPayables", "Vendor", "ap_open_as_of", "Accounts Payable", -1),
)


@dataclass(frozen=True, slots=True)
class OpenItems:
    """One side as Bronze and the journal have it."""

    open: Mapping[str, Decimal]
    """Home currency, by id of the customer or vendor."""
    names: Mapping[str, str]
    foreign: frozenset[str]
    """Parties in another currency, whom Intuit may value at the report's rate."""
    posted: Decimal
    """What the journal has on the accounts up to the day."""
    charged: Mapping[str, Decimal]
    """By customer what charges on statements, which no document holds, moved the accounts by."""
    rounded: Decimal
    """What of rounding stands on these accounts here, and on others in the journal."""


_ON_ACCOUNTS = (
    "realm_id = $realm AND posted_on <= $day AND account_id IN (SELECT id FROM silver.account "
    "WHERE realm_id = $realm AND account_type = $type)"
)


def read_open_items(view: View, realm: str, side: Side, day: date, home: str | None) -> OpenItems:
    """What documents and journal say on a day."""
    connection = view.connection
    values: dict[str, object] = {"realm": realm, "day": day}
    party = side.table
    rows = connection.execute(
        f"SELECT {party}_id, sum(home_open_amt) FROM silver.{side.view}($day) "
        "WHERE realm_id = $realm GROUP BY 1",
        values,
    ).fetchall()
    known: list[tuple[str, str | None, str | None]] = []
    if party in tables_of_silver(view):
        known = connection.execute(
            f"SELECT id, display_name, currency_id FROM silver.{party} WHERE realm_id = $realm",
            {"realm": realm},
        ).fetchall()
    posted = connection.execute(
        f"SELECT coalesce(sum(amount), 0) FROM silver.journal WHERE {_ON_ACCOUNTS}",
        {**values, "type": side.account_type},
    ).fetchone()
    charged = connection.execute(
        f"SELECT name_id, sum(amount) FROM silver.journal WHERE {_ON_ACCOUNTS} "
        "AND list_contains($labels, txn_type) GROUP BY name_id",
        {
            **values,
            "type": side.account_type,
            "labels": sorted(labels_of(DifferenceClass.STATEMENT_CHARGE)),
        },
    ).fetchall()
    rounded = (
        has_table(view, "tie_out")
        and connection.execute(
            "SELECT coalesce(sum(difference), 0) FROM silver.tie_out WHERE realm_id = $realm "
            "AND level = 'L2' AND explanation = $why AND period_end <= $day AND string_split(key, '/')[3] "
            "IN (SELECT id FROM silver.account WHERE realm_id = $realm AND account_type = $type)",
            {**values, "type": side.account_type, "why": ROUNDED},
        ).fetchone()
    )
    whole = NOTHING if posted is None else Decimal(posted[0])
    cents = Decimal(rounded[0]) if rounded else NOTHING
    return OpenItems(
        {str(id or ""): amount for id, amount in rows if amount},
        {str(id): name or "" for id, name, _ in known},
        frozenset(str(id) for id, _, currency in known if currency not in (None, home)),
        whole if side.sign > 0 else whole.copy_negate(),
        {str(id or ""): amount for id, amount in charged} if side.sign > 0 else {},
        cents if side.sign > 0 else cents.copy_negate(),
    )


def compare_open_items(
    side: Side,
    day: date,
    ours: OpenItems,
    theirs: Mapping[str, tuple[str, Decimal]],
    report_id: str,
) -> Iterator[Difference]:
    """What differs by party, and whether the sum is what stands on the accounts."""
    for id in sorted(ours.open.keys() | theirs.keys(), key=lambda id: (len(id), id)):
        name, amount = theirs.get(id, ("", NOTHING))
        own = ours.open.get(id, NOTHING)
        if own != amount:
            title = ours.names.get(id) or name
            kind = DifferenceClass.UNEXPLAINED
            if id in ours.foreign:
                kind = DifferenceClass.REVALUATION
            elif _is_charge(ours.charged.get(id, NOTHING), own, amount):
                kind = DifferenceClass.STATEMENT_CHARGE
            yield Difference(
                Level.OPEN_ITEMS,
                day,
                f"{side.party}/{id}",
                f"{side.party} {title} (id {id})",
                own,
                amount,
                "",
                kind,
                report_id,
            )
    whole = exact_sum(ours.open.values())
    if whole != ours.posted:
        rounding = whole == exact_sum((ours.posted, ours.rounded))
        charge = _is_charge(exact_sum(ours.charged.values()), whole, ours.posted)
        yield Difference(
            Level.OPEN_ITEMS,
            day,
            f"{side.party}/",
            f"{side.account_type} of all documents and in the journal",
            whole,
            ours.posted,
            ROUNDED
            if rounding
            else "Documents and accounts differ, whatever the report of aging says.",
            DifferenceClass.STATEMENT_CHARGE
            if charge and not rounding
            else DifferenceClass.UNEXPLAINED,
            report_id,
        )


def _is_charge(charged: Decimal, ours: Decimal, theirs: Decimal) -> bool:
    """Whether what documents lack may be charges: some of them, as others are paid already."""
    lacking = exact_sum((theirs, ours.copy_negate()))
    return lacking * charged > 0 and lacking.copy_abs() <= charged.copy_abs()
