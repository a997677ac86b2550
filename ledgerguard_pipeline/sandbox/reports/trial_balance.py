"""TrialBalance: the balance of every account on a day. Only the end of the window counts."""

from __future__ import annotations

from decimal import Decimal

from ledgerguard_pipeline.sandbox.books.ledger import NOTHING, minus, plus, total
from ledgerguard_pipeline.sandbox.reports.layout import Cell, Column, Line, Report, Section
from ledgerguard_pipeline.sandbox.reports.request import Asked
from ledgerguard_pipeline.sandbox.reports.view import PROFIT_AND_LOSS, Sums, View, add

UNREALIZED = "Unrealized Gain or Loss"
_GAIN = ""
"""Stands for the row of unrealised gains, which names no account."""


def trial_balance(view: View, asked: Asked) -> Report:
    """One row for each account with a balance, debits and credits apart, and their totals."""
    words = view.words
    columns = [
        Column("account", "", "Account"),
        Column("debit", words("Debit"), "Money"),
        Column("credit", words("Credit"), "Money"),
    ]
    report = Report(columns, [], keyed=False)
    sides = [NOTHING, NOTHING]
    balances = balances_at(view, asked)
    gains = view.gains(balances)
    balances = add(balances, gains)
    gained = minus(NOTHING, total(gains.values()))
    if view.switches.revaluation == "account":
        balances = add(balances, {view.exchange: gained})
        gained = NOTHING
    for id in (*view.accounts, _GAIN):
        balance = gained if id == _GAIN else balances.get(id, NOTHING)
        if not balance:
            continue
        side = 0 if balance > 0 else 1
        sides[side] = plus(sides[side], balance.copy_abs())
        name = Cell(words(UNREALIZED)) if id == _GAIN else view.account(id)
        cells = [name, Cell(), Cell()]
        cells[1 + side] = view.money(balance.copy_abs())
        report.units.append([Line(cells)])
    report.empty = not report.units
    summary = [Cell(words("TOTAL")), view.money(sides[0]), view.money(sides[1])]
    report.units.append([Section(summary=summary, group="GrandTotal", fixed=True)])
    return report


def balances_at(view: View, asked: Asked) -> Sums:
    """Balances at the end of the window; earlier years' result is in Retained Earnings."""
    balances = view.sums(None, asked.end)
    if view.switches.roll == "never":
        return balances
    year = view.sums(view.fiscal_year(asked.end), asked.end)
    earlier: Decimal = NOTHING
    for id, account in view.accounts.items():
        if account.classification in PROFIT_AND_LOSS and id in balances:
            kept = year.get(id, NOTHING)
            earlier = plus(earlier, minus(balances[id], kept))
            balances[id] = kept
    balances[view.retained] = plus(balances.get(view.retained, NOTHING), earlier)
    return balances
