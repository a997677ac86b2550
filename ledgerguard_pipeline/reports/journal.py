"""JournalReport as transactions with legs: the books as the ledger of QuickBooks holds them.

The key of a transaction is its type and its id, because ids are unique within a type only. The type
is kept as sent, in the company's language. Rows of one transaction are brought together by both,
whichever release wrote them: the old one names date and type on the first row only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Context, Decimal

import msgspec

from ledgerguard_pipeline.reports.cut import CREDITS, DEBITS
from ledgerguard_pipeline.reports.shape import (
    NOTHING,
    Cell,
    Report,
    UnreadableReport,
    amount,
    iso_day,
)

_EXACT = Context(prec=200)
_NO_DATES = frozenset({"", "0-00-00"})


class JournalLeg(msgspec.Struct, frozen=True, gc=False):
    """One leg in home currency; ``debit`` and ``credit`` are zero or above, or as sent below it."""

    account_id: str
    account_name: str
    debit: Decimal
    credit: Decimal
    memo: str
    name_id: str

    @property
    def amount(self) -> Decimal:
        """Debit less credit."""
        return _EXACT.subtract(self.debit, self.credit)


@dataclass(slots=True)
class JournalTransaction:
    """One transaction; ``date`` is an ISO text, empty where the answer names none."""

    type: str
    id: str
    date: str
    number: str
    name_id: str
    legs: list[JournalLeg] = field(default_factory=list)

    @property
    def difference(self) -> Decimal:
        """Debits less credits: zero in sound books."""
        return exact_sum(leg.amount for leg in self.legs)


@dataclass(frozen=True, slots=True)
class JournalReading:
    """The transactions of a report, and what its own total says (None without one)."""

    transactions: list[JournalTransaction]
    total_debit: Decimal | None
    total_credit: Decimal | None

    def faults(self) -> list[str]:
        """What the report says of itself and its rows do not, in words; empty for a sound one.

        Where a transaction does not balance there is no more to say: it is named by itself.
        """
        if any(each.difference for each in self.transactions):
            return []
        sums = [exact_sum(leg.debit for leg in each.legs) for each in self.transactions]
        whole = exact_sum(sums)
        # Should a release end with the total of its last transaction, that says nothing of the others.
        meant = {whole, *sums[-1:]}
        return [
            f"its total of {side} says {said}, its rows say {whole}"
            for side, said in (("debits", self.total_debit), ("credits", self.total_credit))
            if said is not None and said not in meant
        ]


def exact_sum(values: object) -> Decimal:
    """A sum without rounding."""
    found = NOTHING
    for value in values:  # type: ignore[attr-defined]  # any iterable of decimals
        found = _EXACT.add(found, value)
    return found


@dataclass(frozen=True, slots=True)
class _Positions:
    kind: int
    account: int
    debit: int
    credit: int
    date: int | None
    number: int | None
    memo: int | None
    name: int | None

    @classmethod
    def of(cls, report: Report) -> _Positions:
        return cls(
            report.required("txn_type"),
            report.required("account_name"),
            report.required(*DEBITS),
            report.required(*CREDITS),
            report.position("tx_date"),
            report.position("doc_num"),
            report.position("memo"),
            report.position("name"),
        )


def read_journal(report: Report) -> JournalReading:
    """The transactions of a JournalReport, in the order of the answer.

    Raises:
        UnreadableReport: a column is missing, or a row belongs to no transaction.
    """
    at = _Positions.of(report)
    least = max(at.kind, at.account, at.debit, at.credit)
    found: dict[tuple[str, str], JournalTransaction] = {}
    by_id: dict[str, JournalTransaction] = {}
    last: JournalTransaction | None = None
    for cells in report.data_rows():
        if len(cells) <= least:
            raise UnreadableReport(f"{report.name} has a row of {len(cells)} cells")
        type_, id = cells[at.kind].text, cells[at.kind].key
        if not id and not type_ and _is_blank(cells):
            continue  # stands between transactions
        if type_ and id:
            last = found.get((type_, id))
            if last is None:
                last = found[type_, id] = by_id[id] = JournalTransaction(
                    type_,
                    id,
                    _date(cells, at.date),
                    _text(cells, at.number),
                    _key(cells, at.name),
                )
        elif id and (last is None or last.id != id):
            last = by_id.get(id)
        if last is None:
            raise UnreadableReport(f"{report.name} has a leg of no transaction (id {id or 'none'})")
        leg = _leg(cells, at)
        if leg is not None:
            last.legs.append(leg)
    debit, credit = _totals(report, at)
    return JournalReading(list(found.values()), debit, credit)


def _leg(cells: list[Cell], at: _Positions) -> JournalLeg | None:
    """A leg; None for a row that only names a transaction, as of a voided document."""
    account = cells[at.account]
    debit, credit = amount(cells[at.debit]), amount(cells[at.credit])
    if not account.key and not debit and not credit:
        return None
    if not account.key:
        raise UnreadableReport(f"an amount stands on no account: {cells[at.kind].text[:40]}")
    return JournalLeg(
        account.key, account.text, debit, credit, _text(cells, at.memo), _key(cells, at.name)
    )


def _is_blank(cells: list[Cell]) -> bool:
    return not any(cell.text or cell.key for cell in cells)


def _text(cells: list[Cell], at: int | None) -> str:
    return "" if at is None or at >= len(cells) else cells[at].text


def _key(cells: list[Cell], at: int | None) -> str:
    return "" if at is None or at >= len(cells) else cells[at].key


def _date(cells: list[Cell], at: int | None) -> str:
    text = _text(cells, at)
    return "" if text in _NO_DATES else iso_day(text).isoformat()


def _totals(report: Report, at: _Positions) -> tuple[Decimal | None, Decimal | None]:
    """What the last summary says, if it is that of the whole report."""
    closing = [row for row in report.rows if row.summary]
    if not closing or not (closing[-1].summary[0].text or closing[-1].group == "GrandTotal"):
        return None, None
    cells = closing[-1].summary
    if len(cells) <= max(at.debit, at.credit):
        raise UnreadableReport(f"{report.name} has a total of {len(cells)} cells")
    return amount(cells[at.debit]), amount(cells[at.credit])
