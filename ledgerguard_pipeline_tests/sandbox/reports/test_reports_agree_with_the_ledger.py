"""Every report says what the ledger says, in both shapes, whatever is unstable about it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal, localcontext
from typing import Any

import pytest

from ledgerguard_pipeline.sandbox.books.company import SandboxCompany
from ledgerguard_pipeline.sandbox.seed.build import build_company
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.sandbox.books.proof import NOW
from ledgerguard_pipeline_tests.sandbox.reports.asking import Reporter, headers, money, rows, sides

LOOKS: list[dict[str, Any]] = [
    {"shape": "modern", "zeros": "blank", "order": "books", "language": "en"},
    {"shape": "modern", "zeros": "blank", "order": "shuffled", "language": "fr"},
    {"shape": "old", "zeros": "text", "order": "books", "language": "fr"},
    {"shape": "old", "zeros": "text", "order": "shuffled", "language": "en"},
]
FIRST, LAST = "2025-01-01", "2026-12-31"


@pytest.fixture(scope="module")
def reporter() -> Iterator[Reporter]:
    company = build_company(varied=True, invoices=40, now=NOW)
    with SandboxServer([company]) as sandbox:
        sandbox.set(limits=False)
        yield Reporter(sandbox)


@pytest.fixture(autouse=True)
def exact() -> Iterator[None]:
    with localcontext() as context:
        context.prec = 60
        yield


@pytest.fixture(params=LOOKS, ids=lambda look: "-".join(look.values()))
def look(request: pytest.FixtureRequest, reporter: Reporter) -> dict[str, Any]:
    reporter.sandbox.set(reports=request.param)
    return dict(request.param)


def books(reporter: Reporter) -> SandboxCompany:
    return next(iter(reporter.sandbox.world.companies.values()))


def test_the_journal_adds_up_to_the_ledger_account_by_account(
    reporter: Reporter, look: dict[str, Any]
) -> None:
    report = reporter.get("JournalReport", start_date=FIRST, end_date=LAST)
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for cells in rows(report):
        if cells[5].get("id"):
            sums[cells[5]["id"]] += sides(cells)
    ledger = books(reporter).ledger.accounts
    assert {k: v for k, v in sums.items() if v} == {k: v for k, v in ledger.items() if v}


def test_a_trial_balance_moves_earlier_years_into_retained_earnings(
    reporter: Reporter, look: dict[str, Any]
) -> None:
    report = reporter.get("TrialBalance", start_date="2026-01-01", end_date=LAST)
    found = {cells[0]["id"]: sides(cells) for cells in rows(report)}
    assert sum(found.values()) == 0
    company = books(reporter)
    whole = {k: v for k, v in company.ledger.accounts.items() if v}
    differing = {id for id in found.keys() | whole.keys() if found.get(id) != whole.get(id)}
    kinds = {cells["id"] for cells in accounts(reporter, ("Revenue", "Expense", "Equity"))}
    assert differing
    assert differing <= kinds
    reporter.sandbox.set(reports=look | {"roll": "never"})
    report = reporter.get("TrialBalance", start_date="2026-01-01", end_date=LAST)
    assert {cells[0]["id"]: sides(cells) for cells in rows(report)} == whole


def accounts(reporter: Reporter, classes: tuple[str, ...]) -> list[dict[str, str]]:
    bodies = reporter.sandbox.truth("Account").bodies()
    docs = [(id, json.loads(body)) for id, body in bodies.items()]
    return [{"id": id} for id, doc in docs if doc["Classification"] in classes]


def test_balance_sheet_and_profit_and_loss_say_what_the_trial_balance_says(
    reporter: Reporter, look: dict[str, Any]
) -> None:
    window = {"start_date": "2026-01-01", "end_date": LAST}
    trial = {cells[0]["id"]: sides(cells) for cells in rows(reporter.get("TrialBalance", **window))}
    profit, sheet = (reporter.get(name, **window) for name in ("ProfitAndLoss", "BalanceSheet"))
    stated: dict[str, Decimal] = {}
    result = None
    for report in (profit, sheet):
        for name, amount in named(report["Rows"]["Row"]):
            if name is None:
                result = amount
            else:
                stated[name] = amount
    assert {k for k, v in stated.items() if v} == set(trial)
    assert all(abs(stated[id]) == abs(amount) for id, amount in trial.items())
    net = next(row for row in profit["Rows"]["Row"] if row.get("group") == "NetIncome")
    assert money(net["Summary"]["ColData"][1]) == result
    totals = {row["group"]: money(row["Summary"]["ColData"][1]) for row in sheet["Rows"]["Row"]}
    assert totals["TotalAssets"] == totals["TotalLiabilitiesAndEquity"] != 0


def named(found: Any) -> Iterator[tuple[str | None, Decimal]]:
    """Own amounts by account id; None for the result inside the balance sheet."""
    for row in found:
        cells = row.get("ColData") or row.get("Header", {}).get("ColData") or []
        if row.get("group") == "NetIncome" and "ColData" in row:
            yield None, money(cells[1])
        elif cells and cells[0].get("id"):
            yield cells[0]["id"], money(cells[1])
        yield from named(row.get("Rows", {}).get("Row", []))


def test_aging_adds_up_to_receivables_and_payables(
    reporter: Reporter, look: dict[str, Any]
) -> None:
    company = books(reporter)
    for name, own, others, sign in (
        ("AgedReceivables", company.chart.receivable, company.chart.receivables, 1),
        ("AgedPayables", company.chart.payable, company.chart.payables, -1),
    ):
        report = reporter.get(name, report_date=LAST)
        # Who has others below has its own balance in the header of their section.
        found = [*rows(report), *headers(report)]
        assert sign < 0 or any(money(cells[-1]) for cells in headers(report))
        totals = [money(cells[-1]) for cells in found]
        ids = [own, *others.values()]
        assert sum(totals) == sign * sum(company.ledger.balance(id) for id in ids)
        for cells in found:
            assert sum(map(money, cells[1:-1])) == money(cells[-1])
            party = (("Customer" if sign > 0 else "Vendor"), cells[0]["id"])
            assert money(cells[-1]) == sign * company.ledger.parties[party]


def test_a_general_ledger_begins_in_balance_and_moves_as_the_journal(
    reporter: Reporter, look: dict[str, Any]
) -> None:
    window = {"start_date": "2026-03-01", "end_date": "2026-04-30"}
    keys = ("tx_date", "txn_type", "account_name", "debt_amt", "credit_amt")
    report = reporter.get("GeneralLedger", columns=",".join(keys), **window)
    legs = [cells for cells in rows(report) if cells[1].get("id")]
    journal = reporter.get("JournalReport", **window)
    expected = sorted((c[1]["id"], c[5]["id"], sides(c)) for c in rows(journal) if c[5].get("id"))
    found = sorted((c[1]["id"], c[2]["id"], sides(c)) for c in legs)
    assert found == expected
    begins = Decimal(0)
    usual = reporter.get("GeneralLedger", **window)
    side = {each["id"]: -1 for each in accounts(reporter, ("Liability", "Equity", "Revenue"))}
    for section in usual["Rows"]["Row"]:
        opening = [
            row["ColData"] for row in section["Rows"]["Row"] if not row["ColData"][1].get("id")
        ]
        id = section["Header"]["ColData"][0]["id"]
        begins += sum(side.get(id, 1) * money(cells[-1]) for cells in opening)
    assert begins == 0


def test_a_transaction_list_names_what_posts_and_what_does_not(
    reporter: Reporter, look: dict[str, Any]
) -> None:
    report = reporter.get("TransactionList", start_date=FIRST, end_date=LAST)
    posting = "Oui" if look["language"] == "fr" else "Yes"
    listed = list(rows(report))
    company = books(reporter)
    quiet = sum(
        len(company.tables[name].rows) for name in ("Estimate", "PurchaseOrder", "TimeActivity")
    )
    assert len([cells for cells in listed if cells[3]["value"] != posting]) == quiet
    pay = {each.id for each in company.ledger_only}
    assert pay <= {cells[1]["id"] for cells in listed}
    assert len(pay) == 19


def test_a_cash_flow_ends_with_the_cash_there_is(reporter: Reporter, look: dict[str, Any]) -> None:
    report = reporter.get("CashFlow", start_date="2026-01-01", end_date=LAST)
    ends = next(row for row in report["Rows"]["Row"] if row.get("group") == "EndingCash")
    company = books(reporter)
    banks = [
        id
        for id, body in reporter.sandbox.truth("Account").bodies().items()
        if b'"AccountType":"Bank"' in body
    ]
    assert money(ends["Summary"]["ColData"][1]) == sum(company.ledger.balance(id) for id in banks)


@pytest.mark.parametrize("name", ["CustomerSales", "ItemSales", "DepartmentSales", "ClassSales"])
def test_sales_add_up_to_the_same_whatever_they_are_sorted_by(
    reporter: Reporter, look: dict[str, Any], name: str
) -> None:
    window = {"start_date": FIRST, "end_date": LAST}
    by_item = sum(money(cells[1]) for cells in rows(reporter.get("ItemSales", **window)))
    report = reporter.get(name, **window)
    assert report["Header"]["ReportName"] == name
    assert sum(money(cells[1]) for cells in rows(report)) == by_item > 0


def test_a_list_of_accounts_shows_what_each_stands_at(
    reporter: Reporter, look: dict[str, Any]
) -> None:
    company = books(reporter)
    found = {cells[0]["id"]: money(cells[-1]) for cells in rows(reporter.get("AccountList"))}
    assert found.keys() == company.tables["Account"].rows.keys()
    bank = company.chart.undeposited
    assert found[bank] == company.ledger.balance(bank)


@pytest.mark.parametrize("name", ["SalesByCustomer", "SalesByProduct", "AccountListDetail"])
def test_names_of_pages_in_the_reference_are_no_addresses(reporter: Reporter, name: str) -> None:
    assert reporter.ask(name, start_date=FIRST, end_date=LAST).status == 400
