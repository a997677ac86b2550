"""TrialBalance and the aging reports: one row for each account, customer or vendor.

Intuit's documented samples name their money columns by title only. Where an answer has no keys, the
documented order is all there is: debit before credit, buckets from young to old, then the total; the
sums of the answer then have to confirm it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ledgerguard_pipeline.reports.cut import CREDITS, DEBITS
from ledgerguard_pipeline.reports.journal import exact_sum
from ledgerguard_pipeline.reports.shape import Cell, Report, Row, UnreadableReport, amount


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """One account of a TrialBalance; without an id what QuickBooks values without booking it."""

    id: str
    name: str
    debit: Decimal
    credit: Decimal

    @property
    def balance(self) -> Decimal:
        """Debit less credit."""
        return exact_sum((self.debit, self.credit.copy_negate()))


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """The accounts, and what the report's own total says (None without one)."""

    accounts: list[AccountBalance]
    total_debit: Decimal | None
    total_credit: Decimal | None

    def faults(self) -> list[str]:
        """What does not add up, in words; empty for a sound one."""
        debit = exact_sum(each.debit for each in self.accounts)
        credit = exact_sum(each.credit for each in self.accounts)
        found = []
        if debit != credit:
            found.append(f"debits {debit} and credits {credit} differ")
        if self.total_debit is not None and self.total_debit != debit:
            found.append(f"its total of debits says {self.total_debit}, its rows say {debit}")
        if self.total_credit is not None and self.total_credit != credit:
            found.append(f"its total of credits says {self.total_credit}, its rows say {credit}")
        return found


@dataclass(frozen=True, slots=True)
class Aged:
    """What one customer owes, or one vendor is owed, by age: ``buckets`` from young to old."""

    id: str
    name: str
    buckets: tuple[Decimal, ...]
    total: Decimal


@dataclass(frozen=True, slots=True)
class AgingReading:
    """All of them; ``buckets`` are the titles for people, ``total`` the report's own."""

    buckets: tuple[str, ...]
    parties: list[Aged]
    total: Decimal | None


def read_trial_balance(report: Report) -> TrialBalance:
    """The accounts of a TrialBalance; one that is missing stands at zero.

    Raises:
        UnreadableReport: the columns cannot be distinguished, or an account stands twice.
    """
    account, debit, credit = _sides(report)
    accounts: list[AccountBalance] = []
    seen: set[str] = set()
    for cells in report.data_rows():
        _check(report, cells)
        if not any(cell.text or cell.key for cell in cells):
            continue  # stands between accounts
        if cells[account].key in seen:
            who = f"account {cells[account].key}" if cells[account].key else "what names no account"
            raise UnreadableReport(f"{report.name} states {who} twice")
        seen.add(cells[account].key)
        accounts.append(
            AccountBalance(
                cells[account].key,
                cells[account].text,
                amount(cells[debit]),
                amount(cells[credit]),
            )
        )
    total = _grand_total(report)
    if total is None:
        return TrialBalance(accounts, None, None)
    return TrialBalance(accounts, amount(total[debit]), amount(total[credit]))


def read_aging(report: Report) -> AgingReading:
    """The rows of AgedReceivables or AgedPayables.

    A customer with others below it is a section. What it owes itself stands in the section's header,
    or nowhere but in its sum.

    Raises:
        UnreadableReport: there is no total, or something does not add up.
    """
    party = next((at for at, each in enumerate(report.columns) if each.kind != "Money"), None)
    money = [at for at, each in enumerate(report.columns) if each.kind == "Money"]
    if party is None or len(money) < 2:  # a bucket and a total
        raise UnreadableReport(f"{report.name} has no buckets")
    whole = report.position("total")
    whole = money[-1] if whole is None else whole
    ages = [at for at in money if at != whole]
    reading = _Aging(report, party, ages, whole)
    found = list(reading.parties(report.rows))
    last = _grand_total(report)
    total = None if last is None else amount(last[whole])
    listed = exact_sum(each.total for each in found)
    if total not in (None, listed):
        raise UnreadableReport(f"{report.name}: its total says {total}, its rows say {listed}")
    return AgingReading(tuple(report.columns[at].title for at in ages), found, total)


@dataclass(frozen=True, slots=True)
class _Aging:
    """The positions of an aging report: the party, the buckets, and the total."""

    report: Report
    party: int
    ages: Sequence[int]
    whole: int

    def parties(self, rows: Sequence[Row]) -> Iterator[Aged]:
        """Those of rows and sections, a section's own first."""
        for row in rows:
            if row.ColData is not None:
                yield self._aged(row.ColData, row.ColData)
                continue
            below = list(self.parties(row.rows))
            if row.header and row.header[min(self.party, len(row.header) - 1)].key:
                own = self._own(row, below)
                if own.total or any(own.buckets):
                    yield own
            yield from below

    def _own(self, row: Row, below: Sequence[Aged]) -> Aged:
        stated = self._aged(row.header, row.header)
        if not row.summary:
            return stated
        whole = self._aged(row.header, row.summary)
        rest = Aged(
            whole.id,
            whole.name,
            tuple(
                exact_sum((each, *(other.buckets[at].copy_negate() for other in below)))
                for at, each in enumerate(whole.buckets)
            ),
            exact_sum((whole.total, *(other.total.copy_negate() for other in below))),
        )
        if stated.total and stated != rest:
            raise UnreadableReport(
                f"{self.report.name}: what is below {whole.id} does not add up to its sum"
            )
        return rest

    def _aged(self, named: list[Cell], cells: list[Cell]) -> Aged:
        for each in (named, cells):
            _check(self.report, each)
        buckets = tuple(amount(cells[at]) for at in self.ages)
        found = Aged(
            named[self.party].key, named[self.party].text, buckets, amount(cells[self.whole])
        )
        if exact_sum(buckets) != found.total:
            raise UnreadableReport(
                f"{self.report.name}: the buckets of {found.id or 'a row'} do not add up"
            )
        return found


def _sides(report: Report) -> tuple[int, int, int]:
    account = report.position("account", "account_name")
    if account is None:
        account = next((at for at, each in enumerate(report.columns) if each.kind == "Account"), 0)
    debit, credit = report.position(*DEBITS), report.position(*CREDITS)
    if debit is None or credit is None:
        money = [at for at, each in enumerate(report.columns) if each.kind == "Money"]
        if len(money) != 2 or any(report.columns[at].key for at in money):
            raise UnreadableReport(f"{report.name} does not say which column is the debit")
        debit, credit = money
    return account, debit, credit


def _check(report: Report, cells: list[Cell]) -> None:
    if len(cells) < len(report.columns):
        raise UnreadableReport(f"{report.name} has a row of {len(cells)} cells")


def _grand_total(report: Report) -> list[Cell] | None:
    """The cells of the total, which closes the report and names nobody."""
    for row in reversed(report.rows):
        if row.summary and not row.header and len(row.summary) == len(report.columns):
            return row.summary
    return None
