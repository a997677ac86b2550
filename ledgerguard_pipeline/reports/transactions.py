"""TransactionList: rows that each name a transaction."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from ledgerguard_pipeline.reports.shape import Cell, Report, UnreadableReport, amount, iso_day

_AMOUNTS = ("subt_nat_home_amount", "subt_nat_amount", "nat_home_amount", "nat_amount")


@dataclass(frozen=True, slots=True)
class ListedTransaction:
    """One row of a TransactionList; ``date`` is an ISO text, ``posting`` one in the company's language."""

    type: str
    id: str
    date: str
    number: str
    posting: str
    name_id: str
    account_id: str
    amount: Decimal


def read_transactions(report: Report) -> list[ListedTransaction]:
    """The rows of a TransactionList (with or without splits).

    Raises:
        UnreadableReport: a column is missing, a row ends before it, or a transaction has no date.
    """
    kind, whole = report.required("txn_type"), report.required(*_AMOUNTS)
    found = []
    for cells in report.data_rows():
        _check(report, cells, kind, whole)
        if not cells[kind].key:
            continue
        found.append(
            ListedTransaction(
                cells[kind].text,
                cells[kind].key,
                iso_day(_cell(report, cells, "tx_date").text).isoformat(),
                _cell(report, cells, "doc_num").text,
                _cell(report, cells, "is_no_post").text,
                _cell(report, cells, "name").key,
                _cell(report, cells, "account_name").key,
                amount(cells[whole]),
            )
        )
    return found


def _check(report: Report, cells: list[Cell], *columns: int) -> None:
    if len(cells) <= max(columns):
        raise UnreadableReport(f"{report.name} has a row of {len(cells)} cells")


def _cell(report: Report, cells: list[Cell], key: str) -> Cell:
    at = report.position(key)
    return _NO_CELL if at is None or at >= len(cells) else cells[at]


_NO_CELL = Cell("")
