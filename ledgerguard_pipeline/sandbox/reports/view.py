"""What a report sees of the books: accounts, transactions and sums, under the switches in force."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.books.journal import Journal, Transaction
from ledgerguard_pipeline.sandbox.books.json_text import load
from ledgerguard_pipeline.sandbox.books.ledger import NOTHING, Posting, plus, times, total
from ledgerguard_pipeline.sandbox.report_switches import ReportSwitches
from ledgerguard_pipeline.sandbox.reports.layout import Cell, amount_text
from ledgerguard_pipeline.sandbox.reports.words import Words

_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
PROFIT_AND_LOSS = frozenset({"Revenue", "Expense"})
HOME = "USD"
_RISEN = Decimal("0.05")
"""What a unit of any other currency has gained since it was booked, of its worth."""
_CENT = Decimal("0.01")
Sums = dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the chart; ``name`` is its own, ``full`` that with its parents."""

    id: str
    name: str
    full: str
    kind: str
    subtype: str
    classification: str
    parent: str | None
    currency: str

    @property
    def credit_side(self) -> bool:
        """True where a balance is usually a credit."""
        return self.classification in ("Liability", "Equity", "Revenue")


class View:
    """The books of a company at ``now`` (epoch seconds)."""

    def __init__(
        self, company: SandboxCompany, journal: Journal, switches: ReportSwitches, now: float
    ) -> None:
        self.company = company
        self.switches = switches
        self.words = Words(switches.language)
        self.accounts = {each.id: each for each in _accounts(company)}
        self.retained = next(
            each.id for each in self.accounts.values() if each.subtype == "RetainedEarnings"
        )
        self.exchange = company.chart.exchange_gain
        self.transactions = [
            _rounded(each, self.exchange) if switches.rest == "header" else each
            for each in _visible(journal.transactions(), switches, now)
        ]
        info = next(iter(company.tables["CompanyInfo"].rows.values()), None)
        month = "January"
        if info is not None:
            month = load(company.tables["CompanyInfo"].body(info))["FiscalYearStartMonth"]
        self._first_month = _MONTHS.index(month) + 1
        self.names: dict[tuple[str, str], str] = {}
        self._parents: dict[tuple[str, str], str] = {}
        for entity in ("Customer", "Vendor"):
            for id, name, parent in _names(company, entity):
                self.names[entity, id] = name
                if parent is not None:
                    self._parents[entity, id] = parent

    def parents(self, entity: str) -> dict[str, str]:
        """Customers or vendors that stand below another one, with that one."""
        return {id: parent for (kind, id), parent in self._parents.items() if kind == entity}

    def fiscal_year(self, day: date) -> date:
        """The first day of the fiscal year of a day."""
        year = day.year if day.month >= self._first_month else day.year - 1
        return date(year, self._first_month, 1)

    def sums(self, start: date | None, end: date, transactions: Iterable[Transaction] = ()) -> Sums:
        """What every account moved by in a window, debits positive; from the beginning for None."""
        first, last = "" if start is None else start.isoformat(), end.isoformat()
        found: defaultdict[str, Decimal] = defaultdict(Decimal)
        for each in transactions or self.transactions:
            if first <= each.date <= last:
                for leg in legs_of(each):
                    found[leg.account] = plus(found[leg.account], leg.amount)
        return dict(found)

    def gains(self, balances: Sums) -> Sums:
        """What accounts in other currencies are worth more than these balances, debits positive."""
        if self.switches.revaluation == "none":
            return {}
        return {
            id: times(amount, _RISEN).quantize(_CENT)
            for id, amount in balances.items()
            if self.accounts[id].currency != HOME and amount
        }

    def within(self, start: date, end: date) -> list[Transaction]:
        """The transactions of a window, by date."""
        first, last = start.isoformat(), end.isoformat()
        return [each for each in self.transactions if first <= each.date <= last]

    def money(self, value: Decimal, *, zero: str = "0.00") -> Cell:
        """An amount as a cell."""
        return Cell(amount_text(value, self.switches, zero=zero))

    def account(self, id: str) -> Cell:
        """An account by its full name."""
        return Cell(self.accounts[id].full, id)


def legs_of(transaction: Transaction) -> tuple[Posting, ...]:
    """All legs now in the ledger."""
    return transaction.legs + transaction.cost


def _visible(
    transactions: Iterable[Transaction], switches: ReportSwitches, now: float
) -> Iterator[Transaction]:
    for each in transactions:
        key = (each.entity or each.label, each.id)
        if key in switches.hidden:
            continue
        shown = each
        if each.cost and each.created + switches.cost_delay_seconds > now:
            shown = replace(shown, cost=())
        if key in switches.dropped_legs:
            legs = legs_of(shown)[:-1]
            shown = replace(shown, legs=legs, cost=())
        yield shown


def _rounded(each: Transaction, exchange: str) -> Transaction:
    """The transaction with what rounding left on its first leg; a payment's gain is none of it."""
    rest = total(leg.amount for leg in each.legs if leg.account == exchange)
    if each.rate == 1 or each.settles or not rest:
        return each
    first, *others = (leg for leg in each.legs if leg.account != exchange)
    header = Posting(first.account, plus(first.amount, rest), first.party)
    return replace(each, legs=(header, *others))


def _accounts(company: SandboxCompany) -> Iterator[Account]:
    table = company.tables["Account"]
    for row in table.rows.values():
        doc = load(table.body(row))
        yield Account(
            row.id,
            doc["Name"],
            doc["FullyQualifiedName"],
            doc["AccountType"],
            doc["AccountSubType"],
            doc["Classification"],
            doc.get("ParentRef", {}).get("value"),
            doc.get("CurrencyRef", {}).get("value", HOME),
        )


def _names(company: SandboxCompany, entity: str) -> Iterator[tuple[str, str, str | None]]:
    table = company.tables[entity]
    for row in table.rows.values():
        doc = load(table.body(row))
        yield row.id, doc["DisplayName"], doc.get("ParentRef", {}).get("value")


def add(left: Sums, right: Sums) -> Sums:
    """Both sums, account by account."""
    return {
        id: plus(left.get(id, NOTHING), right.get(id, NOTHING)) for id in left.keys() | right.keys()
    }
