"""Every published sample is read; what has to come out was written down by hand."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from ledgerguard_pipeline.reports.balances import read_aging, read_trial_balance
from ledgerguard_pipeline.reports.cut import why_cut
from ledgerguard_pipeline.reports.journal import read_journal
from ledgerguard_pipeline.reports.shape import Cell, Report, Row, UnreadableReport, amount, iso_day
from ledgerguard_pipeline.reports.statement import read_statement
from ledgerguard_pipeline.reports.table import flat, titles
from ledgerguard_pipeline.reports.transactions import read_transactions
from ledgerguard_pipeline_tests.reports.samples import FOLDER, sample

D = Decimal
ALL = sorted(path.stem for path in FOLDER.iterdir() if path.suffix in (".json", ".xml"))


@pytest.mark.parametrize("name", ALL)
def test_every_sample_opens_with_columns_and_is_whole(name: str) -> None:
    report = sample(name)
    assert report.columns
    assert report.time
    assert report.currency in ("USD", "CAD")
    assert why_cut(report) is None
    if not report.no_data:
        assert flat(report)
        assert len(titles(report)) == len(flat(report)[-1].values)


def test_there_are_twelve_samples() -> None:
    assert len(ALL) == 12


def test_a_journal_is_read_transaction_by_transaction() -> None:
    reading = read_journal(sample("journal_report_2019_documented"))
    found = {(each.type, each.id): each for each in reading.transactions}
    assert list(found) == [
        ("Expense", "63"),
        ("Expense", "64"),
        ("Invoice", "65"),
        ("Inventory Starting Value", "73"),
        ("Inventory Starting Value", "76"),
        ("Inventory Starting Value", "79"),
        ("Inventory Qty Adjust", "68"),
        ("Inventory Qty Adjust", "67"),
        ("Invoice", "72"),
        ("Invoice", "75"),
        ("Invoice", "78"),
        ("Invoice", "81"),
        ("Payment", "82"),
    ]
    expense = found["Expense", "63"]
    assert (expense.date, expense.number, expense.name_id) == ("2019-05-07", "", "8")
    legs = [(leg.account_id, leg.debit, leg.credit) for leg in expense.legs]
    assert legs == [("35", D(0), D("30.00")), ("31", D("30.00"), D(0))]
    invoice = found["Invoice", "72"]
    assert len(invoice.legs) == 11
    taxes = [leg.credit for leg in invoice.legs if leg.account_id == "38"]
    assert taxes == [D("1.56"), D("0.25"), D("0.44")]
    assert found["Inventory Starting Value", "79"].number == "START"
    assert found["Inventory Qty Adjust", "67"].legs[0].memo == "Motors - Quantity adjustment"
    # A payment that links credits: its first row names no account, its second no amount.
    link = found["Payment", "82"]
    assert [(leg.account_id, leg.amount) for leg in link.legs] == [("36", D(0))]
    assert all(each.difference == 0 for each in reading.transactions)
    assert (reading.total_debit, reading.total_credit) == (D("2311.55"), D("2311.55"))
    assert reading.faults() == []
    lacking = replace(reading, transactions=reading.transactions[1:])
    rest = D("2311.55") - sum(leg.debit for leg in reading.transactions[0].legs)
    assert lacking.faults() == [
        f"its total of {side} says 2311.55, its rows say {rest}" for side in ("debits", "credits")
    ]
    # Another release may close the last transaction in the same words.
    own = sum((leg.debit for leg in reading.transactions[-1].legs), D(0))
    assert replace(reading, total_debit=own, total_credit=own).faults() == []


def test_a_trial_balance_without_keys_is_read_in_the_documented_order() -> None:
    trial = read_trial_balance(sample("trial_balance_2016_documented"))
    assert [(each.id, each.name, each.balance) for each in trial.accounts] == [
        ("35", "Checking", D("4151.74")),
        ("13", "Meals and Entertainment", D("-46.00")),
        ("93", "QuickBooks Payments Fees", D("0.44")),
    ]
    assert (trial.total_debit, trial.total_credit) == (D("36587.47"), D("36587.47"))
    # The reference leaves rows out, which is what an answer that lost rows looks like.
    assert trial.faults() == [
        "debits 4152.18 and credits 46.00 differ",
        "its total of debits says 36587.47, its rows say 4152.18",
        "its total of credits says 36587.47, its rows say 46.00",
    ]


@pytest.mark.parametrize("id, said", [("35", "account 35"), ("", "what names no account")])
def test_a_trial_balance_that_states_something_twice_is_refused(id: str, said: str) -> None:
    trial = sample("trial_balance_2016_documented")
    row = Row(ColData=[Cell("Checking", id), Cell("1.00"), Cell("")])
    with pytest.raises(UnreadableReport, match=f"states {said} twice"):
        read_trial_balance(replace(trial, rows=(row, *trial.rows, row)))


def test_aging_is_read_by_customer_and_age() -> None:
    aging = read_aging(sample("aged_receivables_2015_documented"))
    assert aging.buckets == ("Current", "1 - 30", "31 - 60", "61 - 90", "91 and over")
    (one,) = aging.parties
    assert (one.id, one.name) == ("4", "Customer Four")
    assert one.buckets == (D(0), D(0), D(0), D(0), D("37.50"))
    assert one.total == aging.total == D("37.50")


def test_a_balance_sheet_states_each_account_once_and_its_totals_by_group() -> None:
    statement = read_statement(sample("balance_sheet_2026_captured"))
    assert statement.periods == ((None, None),)
    own = {id: amounts[0] for id, amounts in statement.own().items()}
    assert own == {
        "35": D("1201.00"),
        "36": D("800.00"),
        "84": D("5281.52"),
        "81": D("596.25"),
        "4": D("2062.52"),
        "37": D(0),
        "38": D("13495.00"),
        "33": D("1602.67"),
        "41": D("157.72"),
        "89": D(0),
        "90": D("370.94"),
        "43": D("4000.00"),
        "44": D("25000.00"),
        "34": D("-9337.50"),
        "2": D("1642.46"),
    }
    totals = {group: amounts[0] for group, amounts in statement.totals.items()}
    assert totals["TotalAssets"] == totals["TotalLiabilitiesAndEquity"] == D("23436.29")
    assert totals["BankAccounts"] == D("2001.00")
    assert totals["Equity"] == D("-7695.04")
    assert totals["NetIncome"] == 0
    result = [line for line in statement.lines if "NetIncome" in line.groups]
    assert [(line.account_id, line.name, line.amounts) for line in result] == [
        ("", "Net Income", (D(0),))
    ]


def test_a_parents_own_amount_stands_in_the_header_of_its_section() -> None:
    statement = read_statement(sample("profit_and_loss_2025_captured"))
    own = {id: amounts[0] for id, amounts in statement.own().items()}
    assert own["45"] == D("1477.50")
    assert own["46"] == 0
    assert own["55"] == D("113.96")
    assert own["86"] == D("-89.50")
    assert sum(
        own[id] for id in ("82", "86", "45", "48", "49", "50", "52", "53", "54", "79", "1")
    ) == D("10200.77")
    totals = {group: amounts[0] for group, amounts in statement.totals.items()}
    assert totals == {
        "Income": D("10200.77"),
        "COGS": D("405.00"),
        "GrossProfit": D("9795.77"),
        "Expenses": D("5237.31"),
        "NetOperatingIncome": D("4558.46"),
        "OtherExpenses": D("2916.00"),
        "NetOtherIncome": D("-2916.00"),
        "NetIncome": D("1642.46"),
    }


def test_a_balance_sheet_by_year_has_a_period_for_each_column() -> None:
    statement = read_statement(sample("balance_sheet_by_year_2015_captured"))
    assert statement.periods[:2] == (("2013-07-04", "2013-12-31"), ("2014-01-01", "2014-12-31"))
    own = statement.own()
    assert own["35"] == (D(0), D(0), D("1201.00"))
    assert own["36"] == (D("19.99"), D("19.99"), D("819.99"))
    assert statement.totals["TotalAssets"] == (D(0), D(0), D("23470.29"))
    assert statement.totals["TotalLiabilitiesAndEquity"] == (D(0), D(0), D("23470.29"))


def test_a_report_without_data_is_empty_and_not_unreadable() -> None:
    report = sample("profit_and_loss_no_data_2020_captured")
    assert report.no_data
    statement = read_statement(report)
    assert statement.lines == []
    assert statement.totals["NetIncome"] == (D(0),)


def test_a_transaction_list_keeps_line_breaks_and_ids() -> None:
    (one,) = read_transactions(sample("transaction_list_2021_captured"))
    assert (one.type, one.id, one.date) == ("Invoice", "100", "2020-01-01")
    assert one.number == "10\nID#112233"
    assert (one.posting, one.name_id, one.account_id) == ("Yes", "12", "67")
    assert one.amount == D("300.00")


def test_a_list_with_splits_is_read_under_its_accounts() -> None:
    (one,) = read_transactions(sample("transaction_list_with_splits_2020_documented"))
    assert (one.type, one.id, one.name_id, one.account_id) == ("Bill", "257", "56", "33")
    assert one.amount == D("200.00")


def column(report: Report, key: str) -> list[str]:
    at = report.required(key)
    return [cells[at].text for cells in report.data_rows()]


def test_reports_without_a_reading_of_their_own_are_read_by_key() -> None:
    stock = sample("inventory_valuation_detail_2024_documented")
    assert column(stock, "home_amount") == ["200.00"]
    assert column(stock, "qty_on_hand") == ["10.00"]
    (cells,) = stock.data_rows()
    assert cells[stock.required("txn_type")].key == "1455000001"
    owed = sample("aged_payable_detail_2018_captured")
    assert column(owed, "subt_neg_open_bal") == ["-12345678.00", "100.00"]
    assert [amount(cells[-1]) for cells in owed.data_rows()] == [D("-12345678.00"), D("100.00")]
    assert [row.group for row in flat(owed)] == [""] * 5


@pytest.mark.parametrize(
    "text, value",
    [("1,234,567.89", "1234567.89"), ("-1,234", "-1234"), ("12345.5", "12345.5"), (".25", "0.25")],
)
def test_commas_part_thousands(text: str, value: str) -> None:
    assert amount(Cell(text)) == Decimal(value)


@pytest.mark.parametrize("text", ["1,50", "1.234,50", "1,2345", "12,34,567", ",5", "1 234,50"])
def test_an_amount_in_the_manner_of_another_language_is_not_read_as_a_larger_one(text: str) -> None:
    with pytest.raises(UnreadableReport, match="where a number belongs"):
        amount(Cell(text))


@pytest.mark.parametrize("text", ["31/10/2026", "10/31/2026", "31 oct. 2026", "2026-02-30", ""])
def test_a_date_in_the_manner_of_another_language_is_none(text: str) -> None:
    with pytest.raises(UnreadableReport, match="where a date belongs"):
        iso_day(text)
