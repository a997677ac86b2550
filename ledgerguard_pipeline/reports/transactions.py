"""TransactionList and GeneralLedger: rows that each name a transaction.

In a GeneralLedger an account is known by the column ``account_name`` of the row alone: ids of
section headers were seen to be those of other accounts, and totals repeat what stands above them.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from ledgerguard_pipeline.reports.cut import CREDITS, DEBITS
from ledgerguard_pipeline.reports.shape import Cell, Report, Row, UnreadableReport, amount, iso_day

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


@dataclass(frozen=True, slots=True)
class LedgerLeg:
    """One leg of a GeneralLedger, debit and credit in home currency."""

    account_id: str
    type: str
    id: str
    date: str
    debit: Decimal
    credit: Decimal


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


def read_ledger(report: Report) -> list[LedgerLeg]:
    """The legs of a GeneralLedger that was asked for ``account_name``, debits and credits.

    Raises:
        UnreadableReport: one of these columns is missing, or a leg names no account.
    """
    kind, account = report.required("txn_type"), report.required("account_name")
    debit, credit = report.required(*DEBITS), report.required(*CREDITS)
    found = []
    for cells in report.data_rows():
        _check(report, cells, kind, account, debit, credit)
        if not cells[kind].key:
            continue  # the beginning balance
        if not cells[account].key:
            raise UnreadableReport(f"{report.name}: a leg of {cells[kind].key} names no account")
        found.append(
            LedgerLeg(
                cells[account].key,
                cells[kind].text,
                cells[kind].key,
                _cell(report, cells, "tx_date").text,
                amount(cells[debit]),
                amount(cells[credit]),
            )
        )
    return found


def read_beginnings(report: Report) -> list[tuple[Row, Decimal]]:
    """The sections of a GeneralLedger and what each began with, on the account's own side.

    Raises:
        UnreadableReport: a column is missing, or a row ends before it.
    """
    kind, balance = report.required("txn_type"), report.required("rbal_nat_amount")
    found = []
    for row in report.every_row():
        for inner in row.rows:
            cells = inner.ColData
            if cells is None:
                continue
            _check(report, cells, kind, balance)
            if not cells[kind].key and cells[balance].text:
                found.append((row, amount(cells[balance])))
    return found


def _check(report: Report, cells: list[Cell], *columns: int) -> None:
    if len(cells) <= max(columns):
        raise UnreadableReport(f"{report.name} has a row of {len(cells)} cells")


def _cell(report: Report, cells: list[Cell], key: str) -> Cell:
    at = report.position(key)
    return _NO_CELL if at is None or at >= len(cells) else cells[at]


_NO_CELL = Cell("")
