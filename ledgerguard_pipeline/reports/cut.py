"""Whether an answer was cut at Intuit's limit of 400,000 cells.

Intuit answers HTTP 200 and leaves out the rest, if need be in the middle of a transaction. Mostly a
row, a summary or the header says that more data cannot be displayed, in the company's language;
sometimes nothing does. What is complete closes its sections and its transactions balance
(decision 64).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from ledgerguard_pipeline.reports.shape import Cell, Report, Row, UnreadableReport, amount

CELL_LIMIT = 400_000
_NEAR = CELL_LIMIT * 9 // 10
_NOTICE = re.compile(
    r"more data|too (?:much|many) (?:data|rows)|reduce the (?:date )?range|report is too (?:big|large)"
    r"|plus de donn[ée]es|m[áa]s datos|mais dados|weitere daten|mehr daten",
    re.IGNORECASE,
)
_CLOSED = frozenset({"GeneralLedger", "ProfitAndLoss", "BalanceSheet", "CashFlow"})
"""Reports every section of which ends with a summary."""


def why_cut(report: Report) -> str | None:
    """The sign that a report was cut, fit for a message; None without one."""
    if any(_NOTICE.search(text) for text in report.header_texts):
        return "its header says that more data cannot be displayed"
    near = report.cells >= _NEAR
    for row in report.every_row():
        for cells in (row.ColData or (), row.header, row.summary):
            if _is_notice(cells):
                return "a row says that more data cannot be displayed"
        if report.name in _CLOSED and row.Header is not None and row.Summary is None:
            name = row.header[0].text if row.header else ""
            return f"its section {name[:40]!r} does not end"
    if report.name == "JournalReport":
        return _torn(report) or _unfinished(report, near=near)
    if near:
        return f"it has {report.cells:,} cells, about as many as fit"
    return None


def _is_notice(cells: Sequence[Cell]) -> bool:
    """A sentence that stands alone in its row and names nothing; memos stand beside other cells."""
    alone: Cell | None = None
    for cell in cells:
        if cell.value:
            if alone is not None:
                return False
            alone = cell
    return alone is not None and not alone.key and _NOTICE.search(alone.text) is not None


def _unfinished(report: Report, *, near: bool) -> str | None:
    """A journal that closes its transactions and not itself.

    Whether every release writes a total is not known, so a single day without one counts as long
    as it is far from the limit.
    """
    closed = [row for row in report.rows if row.summary]
    if not closed or any(row.summary[0].text or row.group == "GrandTotal" for row in closed[-1:]):
        return None
    if near or report.start != report.end:
        return f"it has {report.cells:,} cells and no total"
    return None


def _torn(report: Report) -> str | None:
    """A transaction at the end that is not closed, or whose debits and credits differ."""
    debit, credit = report.position(*DEBITS), report.position(*CREDITS)
    kind = report.position("txn_type")
    if debit is None or credit is None or kind is None:
        return None
    open_rows: list[Row] = []
    for row in reversed(report.rows):
        if row.ColData is None:
            break
        open_rows.append(row)
    legs = [row.ColData or [] for row in open_rows if any(cell.text for cell in row.ColData or ())]
    if not legs:
        return None
    balance = Decimal(0)
    try:
        for cells in legs:
            balance += amount(cells[debit]) - amount(cells[credit])
    except (UnreadableReport, IndexError):
        return "its last rows cannot be read"
    if balance:
        return "the debits and credits of its last transaction differ"
    # Where no transaction is closed at all, that is how this release writes them.
    return "its last transaction is not closed" if any(row.summary for row in report.rows) else None


DEBITS = ("debt_home_amt", "debt_amt", "debit")
CREDITS = ("credit_home_amt", "credit_amt", "credit")
"""Keys of debits and credits, in home currency first."""
