"""L3b: does the journal say what Intuit's ProfitAndLoss and BalanceSheet say, account by account.

The year that ends with the last closed month is compared, income and expenses month by month; months that
differ are read again before they are called different. An answer
that Bronze keeps is used as long as it agrees with the journal, so a quiet day costs no call; one that
differs proves nothing about today and is asked for again (decision 74).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

import msgspec

from ledgerguard_pipeline.bronze.read.company_facts import CompanyFacts
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.ingestion.report_loads import ReportLoad, ReportLoads
from ledgerguard_pipeline.reports.journal import exact_sum
from ledgerguard_pipeline.reports.shape import NOTHING, UnreadableReport, read_shape
from ledgerguard_pipeline.reports.statement import Statement, read_statement
from ledgerguard_pipeline.reports.types import ReportRequest, report_request
from ledgerguard_pipeline.tieout.account_levels.accounts import Account
from ledgerguard_pipeline.tieout.account_levels.levels import (
    Compared,
    Levels,
    class_of,
    rolled,
)
from ledgerguard_pipeline.tieout.differences import Difference, Level, TieOut
from ledgerguard_pipeline.tieout.findings import FindingKind, NotCompared
from ledgerguard_pipeline.tieout.journal_store import JournalStore
from ledgerguard_pipeline.tieout.rereading import reread
from ledgerguard_pipeline.tieout.spans import month_end
from ledgerguard_pipeline.values import RealmId

NET_INCOME, TOTAL_ASSETS = "net_income", "total_assets"
MONTHS = 12
_Cells = dict[tuple[date, str], Decimal]
"""Amounts by month end and account, debit positive."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the books on a day; net income is that of the fiscal year up to the day."""

    name: str
    day: date
    ours: Decimal
    theirs: Decimal


@dataclass(frozen=True, slots=True)
class MonthResult:
    """Net income of one month (its first day) by us and by Intuit."""

    month: date
    ours: Decimal
    theirs: Decimal


def trial_figures(last: Compared) -> Iterator[Figure]:
    """Net income of the fiscal year and total assets, added up from balances of accounts."""
    for name, accounts, credit in (
        (NET_INCOME, [each.id for each in last.accounts.values() if each.result], True),
        (TOTAL_ASSETS, [each.id for each in last.accounts.values() if each.asset], False),
    ):
        ours, theirs = (
            exact_sum(balances.get(id, NOTHING) for id in accounts)
            for balances in (last.ours, last.trial.balances)
        )
        if credit:
            ours, theirs = ours.copy_negate(), theirs.copy_negate()
        yield Figure(name, last.end, ours, theirs)


@dataclass(frozen=True, slots=True)
class _Answer:
    """A statement and the id it has in Bronze."""

    statement: Statement
    id: str


@dataclass(slots=True)
class Statements:
    """Compares one company's statements; ``figures`` and ``months`` are those of the last time."""

    loads: ReportLoads
    store: BronzeStore
    realm: RealmId | str
    journal: JournalStore
    levels: Levels
    figures: list[Figure] = field(default_factory=list)
    months: list[MonthResult] = field(default_factory=list)
    checked: Counter[Level] = field(default_factory=Counter)
    """Amounts that were compared: of an account in a month, or on the last day."""

    def compare(self, end: date) -> list[Difference]:
        """Accounts that differ, in months up to the last one closed on that day.

        Raises:
            NotCompared: a statement cannot be read, or Bronze lacks the accounts.
            QBOAPIError, QBOAuthError, BronzeError: a statement could not be read or kept.
        """
        closed = end if end == month_end(end) else end.replace(day=1) - timedelta(days=1)
        found, count = self._compare(closed)
        accounts = self.levels.accounts()
        # What accounts stand at is no matter of one month: L3 finds the one.
        monthly = [each for each in found if accounts[each.key].result]
        if reread(self.levels.sync, self.store, self.realm, monthly):
            found, count = self._compare(closed)
        self.checked[Level.STATEMENTS] += count
        return TieOut(self.store.workspace).keep(self.realm, Level.STATEMENTS, None, found)

    def _compare(self, closed: date) -> tuple[list[Difference], int]:
        """What differs, and how many amounts were compared."""
        accounts, facts = self.levels.accounts(), self.levels.facts()
        count = 0
        first = _months_before(closed, MONTHS - 1)
        moved = self.journal.months(self.realm, first, closed)
        profit = {
            (month_end(month), id): amount
            for (month, id), amount in moved.items()
            if id in accounts and accounts[id].result
        }
        balances = {
            (closed, id): amount
            for id, amount in self._balances(closed, accounts, facts).items()
            if id in accounts and not accounts[id].result
        }
        found: list[Difference] = []
        asked: dict[str, object] = {"start_date": first, "end_date": closed}
        if facts.multicurrency:
            # What no transaction books is no part of what a journal can be compared with.
            asked["adjusted_gain_loss"] = "false"
        year = report_request("ProfitAndLoss", asked | {"summarize_column_by": "Month"})
        sheet = report_request(
            "BalanceSheet", {"start_date": facts.fiscal_year(closed), "end_date": closed}
        )
        self.figures.clear()
        self.months.clear()
        for request, ours in ((year, profit), (sheet, balances)):
            answer, theirs = self._answer(request, ours, accounts, closed)
            self._remember(request.type.name, answer.statement, ours, closed, accounts)
            found += _differences(ours, theirs, accounts, facts, answer.id)
            count += len(ours.keys() | theirs.keys())
        return found, count

    def _balances(
        self, closed: date, accounts: Mapping[str, Account], facts: CompanyFacts
    ) -> dict[str, Decimal]:
        whole, year = (
            {each.account_id: each.amount for each in self.journal.sums(self.realm, closed, start)}
            for start in (None, facts.fiscal_year(closed))
        )
        return rolled(whole, year, accounts)

    def _answer(
        self, request: ReportRequest, ours: _Cells, accounts: Mapping[str, Account], closed: date
    ) -> tuple[_Answer, _Cells]:
        kept = self._kept(request)
        if kept is not None:
            theirs = _cells(kept.statement, accounts, closed)
            if _sound(theirs) == _sound(ours):
                return kept, theirs
        load = self.loads.request(request)
        try:
            answer = _Answer(read_statement(load.answers[0].report), load.report_ids[0])
        except UnreadableReport as error:
            raise self._unusable(load, str(error), FindingKind.REPORT_UNREADABLE) from None
        monthly = "summarize_column_by" in request.params
        if monthly and not any(start for start, _ in answer.statement.periods):
            why = "its columns do not say which month they are of"
            raise self._unusable(load, why, FindingKind.REPORT_UNREADABLE)
        theirs = _cells(answer.statement, accounts, closed)
        if _sound(ours) and not answer.statement.own():
            why = "it shows no account, and the journal has amounts"
            raise self._unusable(load, why, FindingKind.REPORT_EMPTY)
        return answer, theirs

    def _unusable(self, load: ReportLoad, why: str, kind: FindingKind) -> NotCompared:
        return NotCompared(
            f"The {load.report} kept as {load.report_ids[0]} cannot be compared: {why}. "
            "Nothing was concluded from it; run the check again.",
            kind,
            realm_id=str(self.realm),
            entity=load.report,
        )

    def _kept(self, request: ReportRequest) -> _Answer | None:
        """The newest whole answer to this question that Bronze has."""
        params = msgspec.json.encode(dict(request.params), order="sorted").decode()
        for each in self.store.reports.list(self.realm, request.type.name):
            if not each.cut and each.params == params:
                payload = self.store.reports.payload(self.realm, each.report_id)
                try:
                    return _Answer(read_statement(read_shape(payload)), each.report_id)
                except UnreadableReport:
                    return None
        return None

    def _remember(
        self,
        name: str,
        statement: Statement,
        ours: _Cells,
        closed: date,
        accounts: Mapping[str, Account],
    ) -> None:
        if name == "BalanceSheet":
            total = exact_sum(value for (_, id), value in ours.items() if accounts[id].asset)
            theirs = statement.totals.get("TotalAssets", ())
            if theirs:
                self.figures.append(Figure(TOTAL_ASSETS, closed, total, theirs[-1]))
            return
        totals = statement.totals.get("NetIncome", ())
        for at, (start, _) in enumerate(statement.periods):
            if start is None or at >= len(totals):
                continue
            month = date.fromisoformat(start[:10])
            result = exact_sum(value for (end, _), value in ours.items() if end == month_end(month))
            self.months.append(MonthResult(month, result.copy_negate(), totals[at]))


def _differences(
    ours: _Cells,
    theirs: _Cells,
    accounts: Mapping[str, Account],
    facts: CompanyFacts,
    report_id: str,
) -> Iterator[Difference]:
    for end, id in sorted(ours.keys() | theirs.keys()):
        left, right = ours.get((end, id), NOTHING), theirs.get((end, id), NOTHING)
        if left != right:
            known = accounts[id]
            yield Difference(
                Level.STATEMENTS,
                end,
                id,
                known.name,
                left,
                right,
                "",
                class_of(known, facts.home_currency),
                report_id,
            )


def _cells(statement: Statement, accounts: Mapping[str, Account], closed: date) -> _Cells:
    """Amounts of accounts with debits positive, as the journal has them."""
    found: _Cells = {}
    for at, (start, _) in enumerate(statement.periods):
        monthly = any(first is not None for first, _ in statement.periods)
        if monthly and start is None:
            continue  # the total of all months
        end = month_end(date.fromisoformat((start or "")[:10])) if monthly else closed
        for id, amounts in statement.own().items():
            known = accounts.get(id)
            # An unknown account has no side; it is a finding of its own.
            if amounts[at] and known is not None:
                # Arithmetic would round to 28 digits.
                found[end, id] = amounts[at] if known.debit_side else amounts[at].copy_negate()
    return found


def _sound(cells: _Cells) -> _Cells:
    return {key: value for key, value in cells.items() if value}


def _months_before(day: date, count: int) -> date:
    number = day.year * 12 + day.month - 1 - count
    return date(number // 12, number % 12 + 1, 1)
