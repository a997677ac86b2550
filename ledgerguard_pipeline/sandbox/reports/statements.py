"""BalanceSheet, ProfitAndLoss and CashFlow: trees of sections, with the groups of captured ones.

A parent account with postings of its own shows them in its section's header. On cash basis open
documents count for nothing and paid ones on their own day; the service's rule, which moves income to
the day of payment, is not rebuilt here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

from ledgerguard_pipeline.sandbox.books.journal import Transaction
from ledgerguard_pipeline.sandbox.books.ledger import NOTHING, minus, plus, signed, times, total
from ledgerguard_pipeline.sandbox.reports.layout import Cell, Column, Line, Report, Row, Section
from ledgerguard_pipeline.sandbox.reports.request import Asked
from ledgerguard_pipeline.sandbox.reports.trial_balance import UNREALIZED
from ledgerguard_pipeline.sandbox.reports.view import PROFIT_AND_LOSS, Account, Sums, View, add

_CENT = Decimal("0.01")
Amounts = list[Decimal]
"""One for each column."""
_WORKING = ("Accounts Receivable", "Other Current Asset", "Accounts Payable", "Credit Card",
            "Other Current Liability")  # fmt: skip
_DEBTS = frozenset({"Accounts Receivable", "Accounts Payable"})


class Tree:
    """Builds the sections of a statement; ``sums`` are what the accounts say, a dict a column."""

    def __init__(self, view: View, sums: Sequence[Sums]) -> None:
        self.view = view
        self._sums = sums
        self._width = len(sums)

    @property
    def nothing(self) -> Amounts:
        return [NOTHING] * self._width

    def cells(self, name: str, amounts: Amounts | None, id: str | None = None) -> list[Cell]:
        """A row's cells; blank ones where there are no amounts."""
        values = (
            [Cell()] * self._width
            if amounts is None
            else [self.view.money(each) for each in amounts]
        )
        return [Cell(self.view.words(name), id), *values]

    def own(self, account: Account) -> Amounts:
        """The balance of an account itself, positive on its own side."""
        sign = -1 if account.credit_side else 1
        return [signed(each.get(account.id, NOTHING), sign) for each in self._sums]

    def accounts(self, kinds: Sequence[str]) -> tuple[list[Row], Amounts]:
        """The accounts of these types, nested, and what they add up to."""
        rows: list[Row] = []
        whole = self.nothing
        every = self.view.accounts
        for account in every.values():
            inside = account.parent is not None and every[account.parent].kind == account.kind
            if account.kind in kinds and not inside:
                row, amounts = self._account(account)
                whole = _sum(whole, amounts)
                rows += [] if row is None else [row]
        return rows, whole

    def _account(self, account: Account) -> tuple[Row | None, Amounts]:
        own = self.own(account)
        children = [
            self._account(each)
            for each in self.view.accounts.values()
            if each.parent == account.id and each.kind == account.kind
        ]
        rows = [row for row, _ in children if row is not None]
        if not rows:
            if not any(each.get(account.id) is not None for each in self._sums):
                return None, own  # never used: not shown
            return Line(self.cells(account.name, own, account.id)), own
        whole = own
        for _, amounts in children:
            whole = _sum(whole, amounts)
        header = self.cells(account.name, own if any(own) else None, account.id)
        summary = self.cells(self.view.words.total(account.name), whole)
        return Section(header, rows, summary), whole

    def section(
        self, name: str, group: str, rows: list[Row], amounts: Amounts, title: str | None = None
    ) -> Section:
        """A named section with its total."""
        words = self.view.words
        return Section(
            self.cells(name, None),
            rows or None,
            self.cells(words.total(words(title or name)), amounts),
            group,
        )

    def computed(self, name: str, group: str, amounts: Amounts) -> Section:
        """A row that is computed: only a summary."""
        return Section(summary=self.cells(name, amounts), group=group, fixed=True)


def _sum(left: Amounts, right: Amounts) -> Amounts:
    return [plus(*pair) for pair in zip(left, right, strict=True)]


def _less(left: Amounts, right: Amounts) -> Amounts:
    return [minus(*pair) for pair in zip(left, right, strict=True)]


def _periods(asked: Asked) -> list[tuple[date, date]]:
    """The columns of a statement: the whole window, or its months, quarters or years."""
    months = {"Month": 1, "Quarter": 3, "Year": 12}.get(asked["summarize_column_by"])
    if months is None:
        return [(asked.start, asked.end)]
    found = []
    at = asked.start
    while at <= asked.end:
        number = (at.year * 12 + at.month - 1) // months * months + months
        next_ = date(number // 12, number % 12 + 1, 1)
        found.append((at, min(asked.end, next_ - timedelta(days=1))))
        at = next_
    return found


def _columns(view: View, periods: Sequence[tuple[date, date]], asked: Asked) -> list[Column]:
    named = bool(asked["summarize_column_by"]) and asked["summarize_column_by"] != "Total"
    columns = [Column("account", "", "Account")]
    for first, last in periods:
        span = (first.isoformat(), last.isoformat())
        title = f"{first:%b %Y}" if named else view.words("Total")
        key = span[0] if named else "total"
        columns.append(Column(key, title, "Money", span if named else None))
    return columns


def profit_and_loss(view: View, asked: Asked) -> Report:
    """Income less cost and expenses of the window, by account."""
    periods = _periods(asked)
    books = _on_basis(view, asked)
    sums = [view.sums(first, last, books) for first, last in periods]
    gained = [NOTHING for _ in periods]
    if asked["adjusted_gain_loss"] != "false":
        gained = [_gained(view, first, last, books) for first, last in periods]
    if view.switches.revaluation == "account":
        for each, gain in zip(sums, gained, strict=True):
            each[view.exchange] = minus(each.get(view.exchange, NOTHING), gain)
    tree = Tree(view, sums)
    income, earned = tree.accounts(["Income"])
    goods, cost = tree.accounts(["Cost of Goods Sold"])
    spending, spent = tree.accounts(["Expense"])
    other_in, other_earned = tree.accounts(["Other Income"])
    other_out, other_spent = tree.accounts(["Other Expense"])
    if view.switches.revaluation == "row" and any(gained):
        lost = [signed(gain, -1) for gain in gained]
        other_out.append(Line(tree.cells(UNREALIZED, lost)))
        other_spent = _sum(other_spent, lost)
    gross = _less(earned, cost)
    net = _less(gross, spent)
    rest = _less(other_earned, other_spent)
    sections = [
        tree.section("Income", "Income", income, earned),
        *([tree.section("Cost of Goods Sold", "COGS", goods, cost)] if goods else []),
        tree.computed("Gross Profit", "GrossProfit", gross),
        tree.section("Expenses", "Expenses", spending, spent),
        tree.computed("Net Operating Income", "NetOperatingIncome", net),
        *([tree.section("Other Income", "OtherIncome", other_in, other_earned)] if other_in else []),
        *([tree.section("Other Expenses", "OtherExpenses", other_out, other_spent)] if other_out else []),
        *([tree.computed("Net Other Income", "NetOtherIncome", rest)] if other_in or other_out else []),
        tree.computed("Net Income", "NetIncome", _sum(net, rest)),
    ]  # fmt: skip
    report = Report(_columns(view, periods, asked), [[each] for each in sections])
    report.options = {"AccountingStandard": "GAAP"}
    report.empty = not any((income, goods, spending, other_in, other_out))
    return report


def balance_sheet(view: View, asked: Asked) -> Report:
    """What is owned and owed at the end of the window, or of each of its columns."""
    periods = _periods(asked)
    books = _on_basis(view, asked)
    sums: list[Sums] = []
    profits: Amounts = []
    for _, last in periods:
        balances, profit = _closed(view, last, books)
        sums.append(balances)
        profits.append(profit)
    tree = Tree(view, sums)
    assets, owned = _assets(tree)
    owed, owing = _liabilities(tree)
    rows, held = tree.accounts(["Equity"])
    # As captured: a data row that names no account.
    rows.append(Line(tree.cells("Net Income", profits), group="NetIncome"))
    held = _sum(held, profits)
    equity = tree.section("Equity", "Equity", rows, held)
    rest = tree.section(
        "LIABILITIES AND EQUITY",
        "TotalLiabilitiesAndEquity",
        [owed, equity],
        _sum(owing, held),
    )
    top = tree.section("ASSETS", "TotalAssets", assets, owned)
    report = Report(_columns(view, periods, asked), [[top], [rest]])
    report.options = {"AccountingStandard": "GAAP"}
    return report


def _closed(view: View, day: date, books: Sequence[Transaction]) -> tuple[Sums, Decimal]:
    """Balances on a day with earlier years' result retained, and the result of this year."""
    balances = view.sums(None, day, books)
    year = view.sums(view.fiscal_year(day), day, books)
    result = earlier = NOTHING
    for id, account in view.accounts.items():
        if account.classification in PROFIT_AND_LOSS and id in balances:
            kept = year.get(id, NOTHING)
            result = minus(result, kept)
            earlier = plus(earlier, minus(balances.pop(id), kept))
    balances[view.retained] = plus(balances.get(view.retained, NOTHING), earlier)
    gains = view.gains(balances)
    return add(balances, gains), plus(result, total(gains.values()))


def _gained(view: View, first: date, last: date, books: Sequence[Transaction]) -> Decimal:
    """What accounts in other currencies gained in a window without a transaction."""
    before, after = (
        total(view.gains(view.sums(None, day, books)).values())
        for day in (first - timedelta(days=1), last)
    )
    return minus(after, before)


def _assets(tree: Tree) -> tuple[list[Row], Amounts]:
    rows, current = _groups(
        tree,
        ("Bank Accounts", "BankAccounts", "Bank"),
        ("Accounts Receivable", "AR", "Accounts Receivable"),
        ("Other Current Assets", "OtherCurrentAssets", "Other Current Asset"),
    )
    fixed, worth = tree.accounts(["Fixed Asset"])
    found: list[Row] = [tree.section("Current Assets", "CurrentAssets", rows, current)]
    found.append(tree.section("Fixed Assets", "FixedAssets", fixed, worth))
    return found, _sum(current, worth)


def _liabilities(tree: Tree) -> tuple[Section, Amounts]:
    rows, current = _groups(
        tree,
        ("Accounts Payable", "AP", "Accounts Payable"),
        ("Credit Cards", "CreditCards", "Credit Card"),
        ("Other Current Liabilities", "OtherCurrentLiabilities", "Other Current Liability"),
    )
    long, later = tree.accounts(["Long Term Liability"])
    whole = _sum(current, later)
    inner: list[Row] = [
        tree.section("Current Liabilities", "CurrentLiabilities", rows, current),
        tree.section("Long-Term Liabilities", "LongTermLiabilities", long, later),
    ]
    return tree.section("Liabilities", "Liabilities", inner, whole), whole


def _groups(tree: Tree, *groups: tuple[str, str, str]) -> tuple[list[Row], Amounts]:
    rows: list[Row] = []
    whole = tree.nothing
    for name, group, kind in groups:
        inner, amounts = tree.accounts([kind])
        if inner:
            rows.append(tree.section(name, group, inner, amounts))
            whole = _sum(whole, amounts)
    return rows, whole


def cash_flow(view: View, asked: Asked) -> Report:
    """How cash moved in the window: by operating, investing and financing."""
    sums = view.sums(asked.start, asked.end)
    tree = Tree(view, [sums])
    kinds = {id: each.kind for id, each in view.accounts.items()}
    net = total(
        amount for id, amount in sums.items() if view.accounts[id].classification in PROFIT_AND_LOSS
    )
    result = signed(net, -1)

    def part(*fits: str) -> tuple[list[Row], Decimal]:
        rows: list[Row] = [
            Line(tree.cells(view.accounts[id].full, [signed(sums[id], -1)], id))
            for id in view.accounts
            if sums.get(id) and kinds[id] in fits
        ]
        return rows, signed(total(sums[id] for id in sums if kinds[id] in fits), -1)

    adjusting, operating = part(*_WORKING)
    investing, invested = part("Fixed Asset")
    financing, financed = part("Long Term Liability", "Equity")
    moved = total((result, operating, invested, financed))
    before = view.sums(None, asked.start - timedelta(days=1))
    began = total(amount for id, amount in before.items() if kinds[id] == "Bank")
    sections = [
        tree.section(
            "OPERATING ACTIVITIES",
            "OperatingActivities",
            [tree.computed("Net Income", "NetIncome", [result]), *adjusting],
            [plus(result, operating)],
        ),
        tree.section("INVESTING ACTIVITIES", "InvestingActivities", investing, [invested]),
        tree.section("FINANCING ACTIVITIES", "FinancingActivities", financing, [financed]),
        tree.computed("Net cash increase for period", "CashIncrease", [moved]),
        tree.computed("Cash at beginning of period", "BeginningCash", [began]),
        tree.computed("Cash at end of period", "EndingCash", [plus(began, moved)]),
    ]
    report = Report(
        _columns(view, [(asked.start, asked.end)], asked), [[each] for each in sections]
    )
    report.empty = not sums
    return report


def _on_basis(view: View, asked: Asked) -> list[Transaction]:
    """The transactions, on cash basis without what is not paid yet."""
    if asked.basis == "Accrual":
        return view.transactions
    paid: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for each in view.transactions:
        if each.date <= asked.end.isoformat():
            for entity, id, amount in each.settles:
                paid[entity, id] = plus(paid[entity, id], amount)
    return [
        replace(each, cost=())
        for each in view.transactions
        if _is_paid(view, each, paid[each.entity, each.id])
    ]


def _is_paid(view: View, each: Transaction, paid: Decimal) -> bool:
    """True for what does not touch receivables or payables, and for what is settled in full."""
    touches = [leg for leg in each.legs if view.accounts[leg.account].kind in _DEBTS]
    if not touches or each.settles:
        return True
    return times(paid, each.rate).quantize(_CENT) == total(leg.amount for leg in touches).copy_abs()
