"""The reports that are kept in Bronze, and how each is asked for.

Accrual always; statements on cash basis too, which cannot be rebuilt from single transactions.
Balances are asked for from the first day of the fiscal year, so that both readings of Intuit's
``start_date`` agree. Lists of transactions are asked for by the columns that are read, with ids of
accounts in every row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from ledgerguard_pipeline.reports.types import ReportRequest, report_request

JOURNAL_COLUMNS = (
    *("tx_date", "txn_type", "doc_num", "name", "memo", "account_name", "debt_amt", "credit_amt"),
)
HOME_COLUMNS = ("debt_home_amt", "credit_home_amt")
"""Asked for besides where a company has several currencies."""
LEDGER_COLUMNS = (
    *("tx_date", "txn_type", "doc_num", "name", "memo", "account_name", "split_acc"),
    *("debt_amt", "credit_amt", "rbal_nat_amount"),
)
_AGED = frozenset({"AgedReceivables", "AgedPayables"})
_LISTS = frozenset({"JournalReport", "GeneralLedger", "TransactionList"})
_ON_BOTH_BASES = frozenset({"ProfitAndLoss", "BalanceSheet"})

STORED_REPORTS: dict[str, str] = {
    "TrialBalance": "What every account stands at, at the end of the window.",
    "JournalReport": "Every leg of every transaction of the window.",
    "GeneralLedger": "Every leg of the window by account, and what each account began with.",
    "ProfitAndLoss": "Income and expenses of the fiscal year, on accrual and on cash basis.",
    "BalanceSheet": "What is owned and owed, on accrual and on cash basis.",
    "CashFlow": "How cash moved in the fiscal year.",
    "AgedReceivables": "What every customer owes, by age.",
    "AgedPayables": "What every vendor is owed, by age.",
    "TransactionList": "The transactions of the window, with the types no entity has.",
}
"""By name, with what each says."""


@dataclass(frozen=True, slots=True)
class Window:
    """What is asked about: a span of days, and the fiscal year its last day lies in."""

    start: date
    end: date
    fiscal_start: date
    several_currencies: bool = False


def stored_requests(name: str, window: Window) -> Iterator[ReportRequest]:
    """How a report of ``STORED_REPORTS`` is asked for: one request, or one for each basis."""
    days: dict[str, object] = {"start_date": window.fiscal_start, "end_date": window.end}
    if name in _AGED:
        days = {"report_date": window.end}
    elif name in _LISTS:
        days = {"start_date": window.start, "end_date": window.end}
        columns = _columns(name)
        if columns:
            home = HOME_COLUMNS if window.several_currencies else ()
            days["columns"] = (*columns, *home)
    yield report_request(name, days)
    if name in _ON_BOTH_BASES:
        yield report_request(name, {**days, "accounting_method": "Cash"})


def _columns(name: str) -> tuple[str, ...]:
    return {"JournalReport": JOURNAL_COLUMNS, "GeneralLedger": LEDGER_COLUMNS}.get(name, ())
