"""gl_month, pl_month and bs_month: Intuit's TrialBalance, ProfitAndLoss and BalanceSheet, by tree."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import pytest

from ledgerguard_pipeline.reports.balances import read_trial_balance
from ledgerguard_pipeline.reports.shape import Cell, Report, Row, amount
from ledgerguard_pipeline.silver.views.books import NET_INCOME
from ledgerguard_pipeline.storage import DuckDBStorage
from ledgerguard_pipeline_tests.tieout.books import OCTOBER, TODAY, Books, open_books, open_sandbox

FIRST, LAST = date(2025, 9, 1), OCTOBER
SHAPES = ({"shape": "modern"}, {"shape": "old", "zeros": "text", "order": "shuffled"})
Table = dict[tuple[str, str], tuple[Decimal, Decimal]]
"""Own amount and total, by month's first day and account."""


@pytest.fixture(scope="module", params=[1, 2, 3], ids=lambda seed: f"seed{seed}")
def books(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Books]:
    """Books whose journal and Silver are level with the sandbox."""
    file = tmp_path_factory.mktemp("statements") / "books.duckdb"
    with (
        open_sandbox(seed=request.param, varied=request.param != 3) as sandbox,
        open_books(sandbox, file) as opened,
    ):
        opened.sync.bring_up_to_date(TODAY)
        # The same file with Silver on: one commit brings its tables level and makes the views.
        opened.store = DuckDBStorage(file, "sandbox")
        opened.sync_entities("Account", "CompanyInfo", "Preferences")
        yield opened


def by_tree(report: Report) -> Table:
    """Own amounts and totals of accounts, as the rows of a statement nest them."""
    found: Table = {}
    columns = [at for at, each in enumerate(report.columns) if each.kind == "Money" and each.start]
    months = {at: (report.columns[at].start or "")[:10] for at in columns}

    def put(id: str, own: list[Cell], whole: list[Cell]) -> None:
        for at in columns:
            pair = (amount(own[at]), amount(whole[at]))
            if any(pair):
                found[months[at], id] = pair

    def walk(row: Row) -> None:
        if row.ColData is not None:
            id = row.ColData[0].key or (NET_INCOME if row.group == NET_INCOME else "")
            if id:
                put(id, row.ColData, row.ColData)
        elif row.header and row.header[0].key:
            put(row.header[0].key, row.header, row.summary)
        for each in row.rows:
            walk(each)

    for row in report.rows:
        walk(row)
    return found


def of_view(books: Books, view: str) -> Table:
    rows = books.store.sql(
        f"SELECT month, account_id, amount, total FROM silver.{view} "
        f"WHERE month BETWEEN '{FIRST}' AND '{LAST}' AND (amount <> 0 OR total <> 0)"
    ).rows
    return {(str(row[0]), str(row[1])): (Decimal(row[2]), Decimal(row[3])) for row in rows}  # type: ignore[arg-type]  # decimals


@pytest.mark.parametrize("switches", SHAPES, ids=["modern", "old"])
@pytest.mark.parametrize(
    "report, view", [("ProfitAndLoss", "pl_month"), ("BalanceSheet", "bs_month")]
)
def test_a_statement_equals_quickbooks_by_tree(
    books: Books, report: str, view: str, switches: dict[str, str]
) -> None:
    books.sandbox.set(reports=switches)
    answer = books.client.report(
        report, start_date=FIRST, end_date=LAST, summarize_column_by="Month"
    )
    theirs = by_tree(answer.report)
    assert len({month for month, _ in theirs}) == 14
    assert of_view(books, view) == theirs


def test_the_general_ledger_equals_the_trial_balance_across_fiscal_years(books: Books) -> None:
    books.sandbox.set(reports={})
    for end in (date(2025, 12, 31), date(2026, 1, 31), OCTOBER):
        answer = books.client.report(
            "TrialBalance", start_date=end.replace(month=1, day=1), end_date=end
        )
        theirs = {
            each.id: each.balance
            for each in read_trial_balance(answer.report).accounts
            if each.balance
        }
        rows = books.store.sql(
            "SELECT account_id, balance FROM silver.gl_month "
            f"WHERE month_end = '{end}' AND balance <> 0"
        ).rows
        assert {str(row[0]): row[1] for row in rows} == theirs


def test_every_month_balances(books: Books) -> None:
    wrong = books.store.sql(
        "SELECT month FROM silver.bs_month GROUP BY month "
        "HAVING sum(CASE side WHEN 'Asset' THEN amount ELSE -amount END) <> 0"
    ).rows
    assert wrong == []
