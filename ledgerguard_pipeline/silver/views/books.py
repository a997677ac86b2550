"""The books by month from the journal: what every account moved, and both statements.

Accrual, in home currency. Income and expenses restart each fiscal year, and Retained Earnings takes the
years before, as Intuit's TrialBalance and BalanceSheet have it without any transaction.
"""

from __future__ import annotations

from ledgerguard_pipeline.silver.views.fiscal import FIRST_MONTHS
from ledgerguard_pipeline.silver.views.form import COMPANY, ReaderView, day, money, text, whole

NET_INCOME = "NetIncome"
"""Stands for the result of the fiscal year, which is no account; Intuit's name of that line."""

GL_MONTH = ReaderView(
    "gl_month",
    "The general ledger by month, from `silver.journal`: what moved each account, and what it stands "
    "at on the last day of the month as Intuit's TrialBalance shows it.",
    "one account in one month, from the first month it was used in (Retained Earnings from the first of "
    "all) to the last month of the company's journal",
    ("realm_id", "account_id", "month"),
    (
        COMPANY,
        text("account_id", "Joins `dim_account`."),
        day("month", "First day of the month."),
        day("month_end", "Last day of the month; balances are as of then."),
        day("fiscal_year", "First day of the fiscal year that the month lies in."),
        money("debit", "Debits of the month."),
        money("credit", "Credits of the month."),
        money("net", "Debits less credits."),
        money(
            "balance",
            "Debits less credits up to the end of the month; of income and expenses those of the "
            "fiscal year, which Retained Earnings takes when the year is over.",
        ),
    ),
    f"""
WITH fiscal AS ({FIRST_MONTHS}
), moved AS (
    SELECT realm_id, account_id, CAST(date_trunc('month', posted_on) AS DATE) AS month,
        sum(debit) AS debit, sum(credit) AS credit, sum(amount) AS net
    FROM silver.journal GROUP BY ALL
), span AS (
    SELECT realm_id, min(month) AS first, max(month) AS last FROM moved GROUP BY realm_id
), typed AS (
    SELECT realm_id, id AS account_id, account_sub_type = 'RetainedEarnings' AS retained,
        coalesce(classification IN ('Revenue', 'Expense'), account_type IN ('Income',
            'Other Income', 'Cost of Goods Sold', 'Expense', 'Other Expense'), false) AS result
    FROM silver.account
), retained AS (
    SELECT realm_id, arg_min(account_id, (length(account_id), account_id)) AS account_id
    FROM typed WHERE retained GROUP BY realm_id
), used AS (
    SELECT realm_id, account_id, min(month) AS month FROM (
        SELECT realm_id, account_id, month FROM moved
        UNION ALL
        SELECT retained.realm_id, retained.account_id, span.first FROM retained
            JOIN span ON span.realm_id = retained.realm_id
    ) GROUP BY realm_id, account_id
), grid AS (
    SELECT used.realm_id, used.account_id,
        CAST(unnest(generate_series(used.month, span.last, INTERVAL 1 MONTH)) AS DATE) AS month
    FROM used JOIN span ON span.realm_id = used.realm_id
), filled AS (
    SELECT grid.realm_id, grid.account_id, grid.month, coalesce(typed.result, false) AS result,
        make_date(year(grid.month) - CASE WHEN month(grid.month) < coalesce(fiscal.first_month, 1)
            THEN 1 ELSE 0 END, coalesce(fiscal.first_month, 1), 1) AS fiscal_year,
        coalesce(moved.debit, 0) AS debit, coalesce(moved.credit, 0) AS credit,
        coalesce(moved.net, 0) AS net
    FROM grid
        LEFT JOIN moved ON moved.realm_id = grid.realm_id
            AND moved.account_id = grid.account_id AND moved.month = grid.month
        LEFT JOIN typed ON typed.realm_id = grid.realm_id AND typed.account_id = grid.account_id
        LEFT JOIN fiscal ON fiscal.realm_id = grid.realm_id
), years AS (
    SELECT realm_id, fiscal_year, sum(net) AS result FROM filled WHERE result
    GROUP BY realm_id, fiscal_year
), earlier AS (
    SELECT later.realm_id, later.fiscal_year, sum(years.result) AS result
    FROM (SELECT DISTINCT realm_id, fiscal_year FROM filled) AS later
        JOIN years ON years.realm_id = later.realm_id AND years.fiscal_year < later.fiscal_year
    GROUP BY later.realm_id, later.fiscal_year
)
SELECT filled.realm_id, filled.account_id, filled.month, last_day(filled.month) AS month_end,
    filled.fiscal_year, debit, credit, net,
    CASE WHEN filled.result THEN sum(net) OVER (PARTITION BY filled.realm_id, filled.account_id,
            filled.fiscal_year ORDER BY filled.month)
        ELSE sum(net) OVER (PARTITION BY filled.realm_id, filled.account_id ORDER BY filled.month)
            + CASE WHEN retained.account_id IS NULL THEN 0 ELSE coalesce(earlier.result, 0) END
        END AS balance
FROM filled
    LEFT JOIN retained ON retained.realm_id = filled.realm_id
        AND retained.account_id = filled.account_id
    LEFT JOIN earlier ON earlier.realm_id = filled.realm_id
        AND earlier.fiscal_year = filled.fiscal_year
""",
    "SELECT account_id, debit, credit, balance FROM silver.gl_month "
    "WHERE month = DATE '2026-10-01' ORDER BY account_id",
)

_PL_SECTION = """CASE {0}.account_type WHEN 'Income' THEN 'Income'
        WHEN 'Cost of Goods Sold' THEN 'COGS' WHEN 'Expense' THEN 'Expenses'
        WHEN 'Other Income' THEN 'OtherIncome' WHEN 'Other Expense' THEN 'OtherExpenses' END"""
_BS_SECTION = """CASE {0}.account_type WHEN 'Bank' THEN 'BankAccounts'
        WHEN 'Accounts Receivable' THEN 'AR' WHEN 'Other Current Asset' THEN 'OtherCurrentAssets'
        WHEN 'Fixed Asset' THEN 'FixedAssets' WHEN 'Other Asset' THEN 'OtherAssets'
        WHEN 'Accounts Payable' THEN 'AP' WHEN 'Credit Card' THEN 'CreditCards'
        WHEN 'Other Current Liability' THEN 'OtherCurrentLiabilities'
        WHEN 'Long Term Liability' THEN 'LongTermLiabilities' WHEN 'Equity' THEN 'Equity' END"""

# Each account with every account above it of the same type, and itself: what a total adds up.
_ABOVE = """
WITH RECURSIVE above AS (
    SELECT realm_id, account_id, account_id AS top_id, parent_id AS next_id, account_type, 0 AS steps
    FROM silver.dim_account
    UNION ALL
    SELECT above.realm_id, above.account_id, parent.account_id, parent.parent_id,
        above.account_type, above.steps + 1
    FROM above JOIN silver.dim_account AS parent
        ON parent.realm_id = above.realm_id AND parent.account_id = above.next_id
            AND parent.account_type = above.account_type
    WHERE above.steps < 20 AND parent.account_id <> above.account_id
)"""

PL_MONTH = ReaderView(
    "pl_month",
    "ProfitAndLoss by month, accrual, as a tree. Net income is the sum of `effect`.",
    "one account of income or expense in one month in which it, or an account below it, moved",
    ("realm_id", "month", "account_id"),
    (
        COMPANY,
        day("month", "First day of the month."),
        text(
            "section", "Income, COGS, Expenses, OtherIncome or OtherExpenses, as Intuit groups it."
        ),
        text("account_id", "Joins `dim_account`."),
        text("path", "Names from the top account down."),
        whole("level", "0 for a top account."),
        text("parent_id", "The account above."),
        money("amount", "Its own, positive on its own side: income earned, expenses spent."),
        money("total", "Its own and that of all accounts below it."),
        money("effect", "What its own amount adds to net income; expenses are negative."),
    ),
    f"""{_ABOVE}, own AS (
    SELECT gl.realm_id, gl.account_id, gl.month, -gl.net AS effect
    FROM silver.gl_month AS gl WHERE gl.debit <> 0 OR gl.credit <> 0
), summed AS (
    SELECT own.realm_id, own.month, above.top_id AS account_id, sum(own.effect) AS total,
        sum(CASE WHEN above.top_id = own.account_id THEN own.effect ELSE 0 END) AS effect
    FROM own JOIN above ON above.realm_id = own.realm_id AND above.account_id = own.account_id
    GROUP BY ALL
)
SELECT summed.realm_id, summed.month, {_PL_SECTION.format("account")} AS section,
    summed.account_id, account.path, account.level, account.parent_id,
    CASE WHEN account.sign = 1 THEN -summed.effect ELSE summed.effect END AS amount,
    CASE WHEN account.sign = 1 THEN -summed.total ELSE summed.total END AS total, summed.effect
FROM summed JOIN silver.dim_account AS account
    ON account.realm_id = summed.realm_id AND account.account_id = summed.account_id
WHERE section IS NOT NULL
""",
    "SELECT month, sum(effect) AS net_income FROM silver.pl_month GROUP BY month ORDER BY month",
)

BS_MONTH = ReaderView(
    "bs_month",
    "BalanceSheet at the end of every month, accrual, as a tree. The sum of assets equals that of "
    "liabilities and equity.",
    "one account of assets, liabilities or equity, or the year's net income, at the end of one month",
    ("realm_id", "month", "account_id"),
    (
        COMPANY,
        day("month", "First day of the month."),
        day("month_end", "Last day of the month; amounts are as of then."),
        text("side", "Asset, Liability or Equity."),
        text(
            "section", "BankAccounts, AR, FixedAssets, AP, Equity and so on, as Intuit groups it."
        ),
        text("account_id", f"Joins `dim_account`; `{NET_INCOME}` for the year's result."),
        text("path", "Names from the top account down."),
        whole("level", "0 for a top account."),
        text("parent_id", "The account above."),
        money("amount", "Its own, positive on its own side: what is owned, owed or held."),
        money("total", "Its own and that of all accounts below it."),
    ),
    f"""{_ABOVE}, summed AS (
    SELECT gl.realm_id, gl.month, above.top_id AS account_id, sum(gl.balance) AS total,
        sum(CASE WHEN above.top_id = gl.account_id THEN gl.balance ELSE 0 END) AS amount
    FROM silver.gl_month AS gl
        JOIN above ON above.realm_id = gl.realm_id AND above.account_id = gl.account_id
    GROUP BY ALL
), results AS (
    SELECT gl.realm_id, gl.month, -sum(gl.balance) AS amount
    FROM silver.gl_month AS gl JOIN silver.dim_account AS account
        ON account.realm_id = gl.realm_id AND account.account_id = gl.account_id
    WHERE account.root_type IN ('Revenue', 'Expense') GROUP BY ALL
)
SELECT summed.realm_id, summed.month, last_day(summed.month) AS month_end,
    account.root_type AS side, {_BS_SECTION.format("account")} AS section, summed.account_id,
    account.path, account.level, account.parent_id,
    account.sign * summed.amount AS amount, account.sign * summed.total AS total
FROM summed JOIN silver.dim_account AS account
    ON account.realm_id = summed.realm_id AND account.account_id = summed.account_id
WHERE section IS NOT NULL
UNION ALL
SELECT realm_id, month, last_day(month), 'Equity', 'Equity', '{NET_INCOME}', 'Net Income', 0,
    NULL, amount, amount
FROM results
""",
    "SELECT month_end, sum(amount) AS total_assets FROM silver.bs_month "
    "WHERE side = 'Asset' GROUP BY month_end ORDER BY month_end",
)
