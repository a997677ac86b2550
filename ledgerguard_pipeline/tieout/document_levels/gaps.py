"""What explains a leg that documents and the journal do not agree on.

A class of the closed list counts only where its kind and its sum fit; it is no tolerance, each
amount is kept to the last digit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from ledgerguard_pipeline.reports.journal import exact_sum
from ledgerguard_pipeline.tieout.differences import ROUNDED, Difference, DifferenceClass, Level
from ledgerguard_pipeline.tieout.document_levels.classes import class_by_accounts, class_of
from ledgerguard_pipeline.tieout.document_levels.facts import Document, Key

_DAY = timedelta(days=1)
_HALF_A_CENT = Decimal("0.005")
_Reason = tuple[DifferenceClass, str]


@dataclass(frozen=True, slots=True)
class Gap:
    """One account of one transaction; ``entity`` is empty where the ``label`` stands for none."""

    entity: str
    label: str
    txn_id: str
    account_id: str | None
    account_name: str | None
    number: str | None
    their_day: date | None
    our_day: date | None
    ours: Decimal
    theirs: Decimal
    legs: int
    report_id: str
    learnable: bool
    """Whether all its legs are of taxes or shipping, whose accounts only the journal can show."""
    first: date
    last: date

    @property
    def difference(self) -> Decimal:
        """Ours less theirs."""
        return exact_sum((self.ours, self.theirs.copy_negate()))


@dataclass(frozen=True, slots=True)
class Evidence:
    """What explains differences: documents, their stock accounts, names, and how new all is."""

    documents: Mapping[Key, Document]
    stock: Mapping[Key, frozenset[str]]
    names: Mapping[str, str]
    kinds: Mapping[str, tuple[str, str]]
    """Type and sub-type of every account."""
    legs: Mapping[Key, int]
    """How many legs a document has by the posting rules."""
    read_at: datetime | None
    now: datetime


def explained(group: Sequence[Gap], known: Evidence) -> Iterator[Difference]:
    """The differences of one transaction, each with its class."""
    first = group[0]
    document = known.documents.get((first.entity, first.txn_id))
    stock = _stock_rows(group, known)
    rest = [row for row in group if row not in stock]
    for row in group:
        if row in stock:
            created = None if document is None else document.created_at
            pending = created is not None and created + _DAY > known.now
            kind = DifferenceClass.COST_PENDING if pending else DifferenceClass.INVENTORY_VALUE
            yield _difference(row, document, known, kind, "")
        else:
            yield _difference(row, document, known, *_reason(row, rest, document, known))


def _stock_rows(group: Sequence[Gap], known: Evidence) -> list[Gap]:
    """Cost legs: on accounts of the document's counted goods, balanced among themselves."""
    accounts = known.stock.get((group[0].entity, group[0].txn_id), frozenset())
    rows = [row for row in group if row.account_id in accounts and not row.ours]
    return [] if exact_sum(row.difference for row in rows) else rows


def _reason(gap: Gap, rest: Sequence[Gap], document: Document | None, known: Evidence) -> _Reason:
    if not gap.entity:
        kinds = frozenset(known.kinds.get(each.account_id or "", ("", "")) for each in rest)
        kind = class_of(gap.label) or class_by_accounts(kinds)
        if kind is not None:
            return kind, ""
        return DifferenceClass.UNEXPLAINED, "No type of document is known by this label."
    if document is None:
        return _without_document(gap)
    if document.misfit:
        return DifferenceClass.MISFIT_NUMBER, ""
    if known.read_at is not None and document.loaded_at > known.read_at:
        return DifferenceClass.SNAPSHOT_MOVED, "It changed after the journal was read."
    if _awaits_learning(rest):
        return DifferenceClass.LEARNED_TAX_MISSING, ""
    if document.foreign and _is_rounding(rest, known):
        return DifferenceClass.UNEXPLAINED, ROUNDED
    return DifferenceClass.UNEXPLAINED, _in_words(gap, document)


def _awaits_learning(rest: Sequence[Gap]) -> bool:
    """Taxes without an account yet, and in the journal the same amount on accounts of its own."""
    unknown = [each for each in rest if each.account_id is None]
    return (
        bool(unknown)
        and all(each.learnable for each in unknown)
        and not any(each.ours for each in rest if each.account_id is not None)
        and not exact_sum(each.difference for each in rest)
    )


def _is_rounding(rest: Sequence[Gap], known: Evidence) -> bool:
    """What rounding left of a document, on the account of exchange gains here and on others there.

    Each leg is rounded by itself, so that is half a cent for each of them at most (decision 110).
    """
    most = known.legs.get((rest[0].entity, rest[0].txn_id), 0) * _HALF_A_CENT
    subtypes = {known.kinds.get(each.account_id or "", ("", ""))[1] for each in rest}
    return (
        "ExchangeGainOrLoss" in subtypes
        and all(each.difference.copy_abs() <= most for each in rest)
        and not exact_sum(each.difference for each in rest)
    )


def _without_document(gap: Gap) -> _Reason:
    missing = "Bronze does not hold this document."
    if gap.entity == "InventoryAdjustment":
        # Intuit serves the type by changes only, so what is older than these is never read.
        return DifferenceClass.INVENTORY_VALUE, missing
    return DifferenceClass.UNEXPLAINED, missing


def _in_words(gap: Gap, document: Document) -> str:
    if gap.account_id is None:
        return "Its account is not known."
    if document.state == "voided":
        return "The document is voided."
    if not gap.legs:
        return "The journal has no such leg."
    return "" if gap.ours else "The document has no such leg."


def _difference(
    row: Gap, document: Document | None, known: Evidence, kind: DifferenceClass, why: str
) -> Difference:
    name = document.name if document else f"{row.entity or row.label} {row.number or ''}".strip()
    account = row.account_id or ""
    title = known.names.get(account) or row.account_name or ""
    where = f"account {account} {title}".strip() if account else "no account"
    day = row.their_day or row.our_day
    if day is None:
        day = row.last
    return Difference(
        Level.POSTINGS,
        day,
        f"{row.entity or row.label}/{row.txn_id}/{account}",
        f"{name} (id {row.txn_id}) on {where}",
        row.ours,
        row.theirs,
        why,
        kind,
        row.report_id,
    )
