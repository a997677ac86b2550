"""L1: the documents of Bronze and what Intuit's TransactionList shows of the same days.

Compared are types that both know: the same ids, dates and totals in home currency. Signs say nothing,
Intuit writes money that leaves with a minus. A document without an amount may be left out of the
report.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal

from ledgerguard_pipeline.reports.shape import NOTHING
from ledgerguard_pipeline.reports.transactions import ListedTransaction
from ledgerguard_pipeline.tieout.differences import Difference, DifferenceClass, Level
from ledgerguard_pipeline.tieout.document_levels.classes import class_of
from ledgerguard_pipeline.tieout.document_levels.facts import NOT_POSTING, Document, Key
from ledgerguard_pipeline.tieout.document_levels.labels import learned_labels

COLUMNS = (
    *("tx_date", "txn_type", "doc_num", "is_no_post", "name", "account_name", "subt_nat_amount"),
)
HOME_COLUMN = "subt_nat_home_amount"
"""Asked for besides where a company has several currencies."""
_INVENTORY = "InventoryAdjustment"


def compare_listed(
    listed: Sequence[ListedTransaction],
    documents: Mapping[Key, Document],
    spans: Sequence[tuple[date, date]],
    loaded: Collection[str],
    kinds: Mapping[str, DifferenceClass],
    report_id: str,
) -> tuple[list[Difference], set[str]]:
    """What differs in these spans of days, and the types that Bronze never loaded.

    ``kinds`` are classes of labels in another language, as the journal has shown them.
    """
    dates: dict[str, set[tuple[str, str]]] = {}
    for each in listed:
        dates.setdefault(each.type, set()).add((each.id, each.date))
    labels = learned_labels(dates, dict(documents))
    found: list[Difference] = []
    absent: set[str] = set()
    seen: set[Key] = set()
    for each in listed:
        entity = labels.get(each.type)
        if entity is None:
            found += _without_type(each, kinds, report_id)
            continue
        seen.add((entity, each.id))
        document = documents.get((entity, each.id))
        if document is None and entity not in loaded:
            absent |= {entity} - NOT_POSTING.keys()
        elif document is None:
            found.append(_missing(each, entity, report_id))
        else:
            found += _differing(each, document, report_id)
    types = {labels[each.type] for each in listed if each.type in labels}
    for key, document in documents.items():
        if key not in seen and _expected(document, spans, types):
            found.append(_surplus(document, report_id))
    return found, absent


def _without_type(
    each: ListedTransaction, kinds: Mapping[str, DifferenceClass], report_id: str
) -> Iterator[Difference]:
    found = class_of(each.type) or kinds.get(each.type)
    kind = found or DifferenceClass.UNEXPLAINED
    why = "" if found else "No type of document is known by this label."
    if each.amount:
        name = f"{each.type} {each.number}".strip()
        yield _difference(
            f"{each.type}/{each.id}", name, each.id, _day(each), NOTHING, each.amount, why, kind,
            report_id,
        )  # fmt: skip


def _missing(each: ListedTransaction, entity: str, report_id: str) -> Difference:
    # Intuit serves the type by changes only, so what is older than these is never read.
    served = entity != _INVENTORY
    return _difference(
        f"{entity}/{each.id}",
        f"{entity} {each.number}".strip(),
        each.id,
        _day(each),
        NOTHING,
        each.amount,
        "Bronze does not hold this document.",
        DifferenceClass.UNEXPLAINED if served else DifferenceClass.INVENTORY_VALUE,
        report_id,
    )


def _differing(each: ListedTransaction, document: Document, report_id: str) -> Iterator[Difference]:
    theirs = each.amount.copy_abs()
    ours = theirs if document.total is None else document.total.copy_abs()
    if document.entity in NOT_POSTING:
        ours = theirs
    why = ""
    if str(document.date) != each.date:
        why = f"Dated {document.date} in Bronze and {each.date} in QuickBooks."
    elif document.state == "voided":
        why = "It is voided in Bronze."
    if ours != theirs or str(document.date) != each.date:
        kind = DifferenceClass.MISFIT_NUMBER if document.misfit else DifferenceClass.UNEXPLAINED
        yield _difference(
            f"{document.entity}/{document.id}",
            document.name,
            document.id,
            _day(each),
            ours,
            theirs,
            why,
            kind,
            report_id,
        )


def _surplus(document: Document, report_id: str) -> Difference:
    day = document.date or date.max
    return _difference(
        f"{document.entity}/{document.id}",
        document.name,
        document.id,
        day,
        (document.total or NOTHING).copy_abs(),
        NOTHING,
        "QuickBooks does not list this document in these days.",
        DifferenceClass.UNEXPLAINED,
        report_id,
    )


def _expected(
    document: Document, spans: Iterable[tuple[date, date]], types: Collection[str]
) -> bool:
    """Whether the report has to show it: types that post nothing only if it shows any of them."""
    day = document.date
    if day is None or not any(start <= day <= end for start, end in spans):
        return False
    if document.entity in NOT_POSTING or document.total is None:
        return document.entity in types
    return document.state != "voided" and document.total != 0


def _difference(
    key: str,
    name: str,
    id: str,
    day: date,
    ours: Decimal,
    theirs: Decimal,
    why: str,
    kind: DifferenceClass,
    report_id: str,
) -> Difference:
    return Difference(
        Level.LISTED, day, key, f"{name} (id {id})", ours, theirs.copy_abs(), why, kind, report_id
    )


def _day(each: ListedTransaction) -> date:
    return date.fromisoformat(each.date)
