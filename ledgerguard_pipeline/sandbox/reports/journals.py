"""JournalReport, TransactionList and GeneralLedger: the reports of single transactions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

from ledgerguard_pipeline.sandbox.books.journal import Transaction
from ledgerguard_pipeline.sandbox.books.ledger import NOTHING, Posting, minus, plus, signed, total
from ledgerguard_pipeline.sandbox.books.pacific_time import day_text
from ledgerguard_pipeline.sandbox.reports.layout import Cell, Column, Line, Report, Row, Section
from ledgerguard_pipeline.sandbox.reports.request import Asked
from ledgerguard_pipeline.sandbox.reports.view import PROFIT_AND_LOSS, Account, View, legs_of

_TITLES = {
    "tx_date": ("Date", "Date"),
    "txn_type": ("Transaction Type", "String"),
    "doc_num": ("Num", "String"),
    "name": ("Name", "String"),
    "memo": ("Memo/Description", "String"),
    "account_name": ("Account", "String"),
    "debt_amt": ("Debit", "Money"),
    "credit_amt": ("Credit", "Money"),
    "debt_home_amt": ("Debit", "Money"),
    "credit_home_amt": ("Credit", "Money"),
    "is_no_post": ("Posting", "Boolean"),
    "other_account": ("Split", "String"),
    "split_acc": ("Split", "String"),
    "subt_nat_amount": ("Amount", "Money"),
    "subt_nat_home_amount": ("Amount", "Money"),
    "rbal_nat_amount": ("Balance", "Money"),
}
_JOURNAL = (
    *("tx_date", "txn_type", "doc_num", "name", "memo", "account_name", "debt_amt", "credit_amt"),
)
_LIST = (
    *("tx_date", "txn_type", "doc_num", "is_no_post", "name", "memo", "account_name"),
    *("other_account", "subt_nat_amount"),
)
_LEDGER = (
    *("tx_date", "txn_type", "doc_num", "name", "memo", "split_acc", "subt_nat_amount"),
    "rbal_nat_amount",
)


def _columns(asked: Asked, usual: Sequence[str], view: View) -> list[Column]:
    keys = [key for key in asked.columns(tuple(usual)) if key in _TITLES]
    return [Column(key, view.words(_TITLES[key][0]), _TITLES[key][1]) for key in keys]


def journal_report(view: View, asked: Asked) -> Report:
    """Every leg of every transaction; without dates it answers nothing."""
    columns = _columns(asked, _JOURNAL, view)
    report = Report(columns, [], key_as_type=True)
    found = view.within(asked.start, asked.end) if asked.dated else []
    shown = view.switches.void_rows == "shown"
    every = [each for each in found if each.posts and (legs_of(each) or shown)]
    modern = view.switches.shape == "modern"
    blank = [Cell() for _ in columns]
    whole = NOTHING
    for each in every:
        legs = legs_of(each)
        debits = total(leg.amount for leg in legs if leg.amount > 0)
        credits_ = signed(total(leg.amount for leg in legs if leg.amount < 0), -1)
        whole = plus(whole, debits)
        if (each.entity or each.label, each.id) in view.switches.lost:
            continue
        unit: list[Row] = [
            Line([_journal_cell(view, column.key, each, leg, index) for column in columns])
            for index, leg in enumerate(legs or (None,))
        ]
        unit.append(
            Section(summary=[_side(view, each_.key, debits, credits_) for each_ in columns])
        )
        report.units.append(unit if modern else [*unit, Line(blank)])
    if every:
        cells = [_side(view, column.key, whole, whole) for column in columns]
        cells[0] = Cell(view.words("TOTAL"))
        report.units.append([Section(summary=cells, group="GrandTotal", fixed=True)])
    report.empty = not every
    return report


def _side(view: View, key: str, debits: Decimal, credits_: Decimal) -> Cell:
    if key.startswith("debt"):
        return view.money(debits, zero=".00")
    if key.startswith("credit"):
        return view.money(credits_, zero=".00")
    return Cell()


def _journal_cell(view: View, key: str, each: Transaction, leg: Posting | None, index: int) -> Cell:
    """A cell of a leg. The old service names date, type and number on the first one only."""
    first = index == 0 or view.switches.shape == "modern"
    amount = NOTHING if leg is None else leg.amount
    match key:
        case "tx_date":
            return Cell(each.date if first else "0-00-00")
        case "txn_type":
            return Cell(view.words(each.label) if first else "", each.id)
        case "doc_num":
            return Cell(each.number if first else "")
        case "name":
            return Cell(each.party[1], each.party[0]) if first else Cell("", "")
        case "memo":
            return Cell(each.memo)
        case "account_name":
            return Cell("", "") if leg is None else view.account(leg.account)
        case _ if key.startswith("debt"):
            return view.money(amount, zero=".00") if amount > 0 else Cell()
        case _:
            return view.money(signed(amount, -1), zero=".00") if amount < 0 else Cell()


def transaction_list(view: View, asked: Asked) -> Report:
    """One row for each transaction of the window, also those that do not post.

    ``start_moddate`` and ``end_moddate`` keep to what was written or changed in those days.
    """
    columns = _columns(asked, _LIST, view)
    report = Report(columns, [])
    for each in view.within(asked.start, asked.end):
        if not _changed_within(each, asked["start_moddate"], asked["end_moddate"]):
            continue
        report.units.append([Line([_list_cell(view, column.key, each) for column in columns])])
    report.empty = not report.units
    return report


def _changed_within(each: Transaction, first: str, last: str) -> bool:
    day = day_text(each.updated)
    return (not first or first[:10] <= day) and (not last or day <= last[:10])


def _list_cell(view: View, key: str, each: Transaction) -> Cell:
    legs = legs_of(each)
    accounts = list(dict.fromkeys(leg.account for leg in legs[1:]))
    match key:
        case "tx_date":
            return Cell(each.date)
        case "txn_type":
            return Cell(view.words(each.label), each.id)
        case "doc_num":
            return Cell(each.number)
        case "is_no_post":
            return Cell(view.words("Yes" if each.posts else "No"))
        case "name":
            return Cell(each.party[1], each.party[0])
        case "memo":
            return Cell(each.memo)
        case "account_name":
            return view.account(legs[0].account) if legs else Cell("", "")
        case "other_account" | "split_acc":
            return _split(view, accounts)
        case _:
            return view.money(each.total)


def _split(view: View, accounts: Sequence[str]) -> Cell:
    if len(accounts) == 1:
        return view.account(accounts[0])
    modern = view.switches.shape == "modern"
    return Cell("" if modern or not accounts else view.words("-Split-"), "")


def general_ledger(view: View, asked: Asked) -> Report:
    """A section for each account: what it began with, each leg, and what they add up to."""
    columns = _columns(asked, _LEDGER, view)
    report = Report(columns, [], key_as_type=True)
    begins = _beginnings(view, asked.start)
    legs: dict[str, list[tuple[Transaction, Posting]]] = {}
    for each in view.within(asked.start, asked.end):
        for leg in legs_of(each):
            legs.setdefault(leg.account, []).append((each, leg))
    chosen = {part for part in asked["account"].split(",") if part}
    for account in view.accounts.values():
        begin, moved = begins.get(account.id, NOTHING), legs.get(account.id, [])
        if (chosen and account.id not in chosen) or (not begin and not moved):
            continue
        report.units.append([_ledger_section(view, columns, account, begin, moved)])
    report.empty = not report.units
    return report


def _beginnings(view: View, start: date) -> dict[str, Decimal]:
    """Balances before a day: income and expenses of the fiscal year only, the rest is retained."""
    before = start - timedelta(days=1)
    year = view.fiscal_year(start)
    found = view.sums(None, before)
    this_year = view.sums(year, before) if year <= before else {}
    for id, account in view.accounts.items():
        if account.classification in PROFIT_AND_LOSS and id in found:
            kept = this_year.get(id, NOTHING)
            earlier = minus(found[id], kept)
            found[id] = kept
            found[view.retained] = plus(found.get(view.retained, NOTHING), earlier)
    return found


def _ledger_section(
    view: View,
    columns: list[Column],
    account: Account,
    begin: Decimal,
    moved: list[tuple[Transaction, Posting]],
) -> Section:
    sign = -1 if account.credit_side else 1
    balance = signed(begin, sign)
    opening = [
        view.money(balance) if column.key == "rbal_nat_amount" else Cell() for column in columns
    ]
    opening[0] = Cell(view.words("Beginning Balance"))
    rows: list[Row] = [Line(opening)]
    whole = NOTHING
    for each, leg in moved:
        natural = signed(leg.amount, sign)
        whole, balance = plus(whole, natural), plus(balance, natural)
        amounts = {"subt_nat_amount": natural, "rbal_nat_amount": balance}
        others = [other.account for other in legs_of(each) if other.account != account.id]
        rows.append(
            Line(
                [
                    view.money(amounts[column.key])
                    if column.key in amounts
                    else _split(view, list(dict.fromkeys(others)))
                    if column.key == "split_acc"
                    else _journal_cell(view, column.key, each, leg, 0)
                    for column in columns
                ]
            )
        )
    summary = [view.money(whole) if c.key == "subt_nat_amount" else Cell() for c in columns]
    summary[0] = Cell(view.words.total(account.name, of=True))
    header = [Cell(account.name, _header_id(view, account)), *(Cell() for _ in columns[1:])]
    return Section(header, rows, summary)


def _header_id(view: View, account: Account) -> str | None:
    """The id a section carries; that of its first child where the switch says so."""
    if view.switches.header_ids == "none":
        return None
    if view.switches.header_ids == "child":
        if account.parent is not None:
            return None
        children = [each.id for each in view.accounts.values() if each.parent == account.id]
        return children[0] if children else account.id
    return account.id
