"""From a request to the bytes of a report."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from random import Random

from ledgerguard_pipeline.sandbox.answers.refusals import Refusal, TimedOut
from ledgerguard_pipeline.sandbox.answers.replies import Answer, dumps
from ledgerguard_pipeline.sandbox.answers.request import Request
from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.books.journal import Journal
from ledgerguard_pipeline.sandbox.books.pacific_time import day_text, write_time
from ledgerguard_pipeline.sandbox.report_switches import ReportSwitches
from ledgerguard_pipeline.sandbox.reports.aging import aged
from ledgerguard_pipeline.sandbox.reports.cut import cut
from ledgerguard_pipeline.sandbox.reports.journals import (
    general_ledger,
    journal_report,
    transaction_list,
)
from ledgerguard_pipeline.sandbox.reports.layout import (
    Json,
    Report,
    shuffled,
    write_locally,
    written,
)
from ledgerguard_pipeline.sandbox.reports.request import Asked, read
from ledgerguard_pipeline.sandbox.reports.sales import SALES, account_list, sales
from ledgerguard_pipeline.sandbox.reports.statements import (
    balance_sheet,
    cash_flow,
    profit_and_loss,
)
from ledgerguard_pipeline.sandbox.reports.trial_balance import trial_balance
from ledgerguard_pipeline.sandbox.reports.view import View

_MAKERS: dict[str, Callable[[View, Asked], Report]] = {
    "TrialBalance": trial_balance,
    "JournalReport": journal_report,
    "TransactionList": transaction_list,
    "GeneralLedger": general_ledger,
    "AgedReceivables": aged,
    "AgedPayables": aged,
    "BalanceSheet": balance_sheet,
    "ProfitAndLoss": profit_and_loss,
    "CashFlow": cash_flow,
    "AccountList": account_list,
    **dict.fromkeys(SALES, sales),
}
_WITHOUT_BASIS = frozenset(
    {"JournalReport", "TransactionList", "AgedReceivables", "AgedPayables", "AccountList"}
)
_ECHOED = ("customer", "vendor", "class", "department", "item")
_SUMMARIZED = frozenset({"ProfitAndLoss", "BalanceSheet", "CashFlow"})


class Reports:
    """Makes the reports of one company."""

    def __init__(self, company: SandboxCompany) -> None:
        self._company = company
        self._journal = Journal(company)
        self._answers = 0

    def answer(self, request: Request, name: str, switches: ReportSwitches, now: float) -> Answer:
        """One report. The caller holds the company's lock.

        Raises:
            Refusal: Intuit would not make it.
        """
        if name in switches.denied:
            raise Refusal("5020", "Permission Denied Error", f"Permission Denied Error : {name}")
        asked = read(name, request.params, date.fromisoformat(day_text(int(now))))
        if switches.slow_beyond_days is not None and asked.days > switches.slow_beyond_days:
            raise TimedOut
        view = View(self._company, self._journal, switches, now)
        report = _MAKERS[name](view, asked)
        if name in switches.empty:
            report.units, report.empty = [], True
        self._answers += 1
        if switches.order == "shuffled":
            shuffled(report, Random(self._answers))
        if name in switches.written_locally:
            write_locally(report)
        if name in switches.undated:
            report.columns = [each._replace(span=None) for each in report.columns]
        cut(report, switches)
        if name in switches.without_body:
            return Answer(200, b"")
        rows = sum(len(unit) for unit in report.units)
        body = dumps({"Header": _header(asked, report, now), **written(report, switches)})
        answer = Answer(200, body, rows=rows)
        if switches.shape == "modern":
            answer.headers["v3modernResponse"] = "true"
        return answer


def _header(asked: Asked, report: Report, now: float) -> Json:
    options = {**report.options, "NoReportData": "true" if report.empty else "false"}
    header: Json = {"Time": write_time(int(now)), "ReportName": asked.name}
    if asked["date_macro"]:
        header["DateMacro"] = asked["date_macro"].lower()
    if asked.name not in _WITHOUT_BASIS:
        header["ReportBasis"] = asked.basis
    header |= {"StartPeriod": asked.start.isoformat(), "EndPeriod": asked.end.isoformat()}
    if asked.name in _SUMMARIZED:
        header["SummarizeColumnsBy"] = asked["summarize_column_by"] or "Total"
    header["Currency"] = "USD"
    header |= {key.capitalize(): asked[key] for key in _ECHOED if asked[key]}
    return header | {"Option": [{"Name": k, "Value": v} for k, v in options.items()]}
