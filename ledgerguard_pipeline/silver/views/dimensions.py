"""Who and what the books are about: accounts, parties, items and days."""

from __future__ import annotations

from ledgerguard_pipeline.silver.views.fiscal import FIRST_MONTHS
from ledgerguard_pipeline.silver.views.form import (
    COMPANY,
    ReaderView,
    day,
    flag,
    money,
    number,
    text,
    whole,
)

FIRST_DAY, LAST_DAY = "1990-01-01", "2059-12-31"
"""The days of ``dim_date``: from before the oldest imported books to after any due date."""

DIM_ACCOUNT = ReaderView(
    "dim_account",
    "The chart of accounts as a tree.",
    "one account of a company, inactive ones included",
    ("realm_id", "account_id"),
    (
        COMPANY,
        text("account_id", "Joins `account_id` of other tables."),
        text("account_number", "Number in the chart of accounts, where numbers are used."),
        text("name", "Name of the account itself."),
        text("path", "Names from the top account down, with colons between them."),
        whole("level", "0 for a top account, 1 below it, and so on."),
        text("parent_id", "The account above; NULL for a top account."),
        text("root_id", "The top account of the branch; the account itself if it is one."),
        text("root_name", "Name of the top account."),
        text("root_type", "Asset, Liability, Equity, Revenue or Expense."),
        text("account_type", "Intuit's type, such as Bank or Accounts Receivable."),
        text("account_sub_type", "Intuit's subtype."),
        whole("sign", "1 where debits raise the balance (assets, expenses), -1 elsewhere."),
        text("currency_id", "Currency of the account; the home currency where it names none."),
        flag("active", "False once made inactive."),
        money("current_balance", "Balance as Intuit last sent it; it can lag behind postings."),
    ),
    # Climbing from each account, so that one whose parent is missing or circular has its row too.
    """
WITH RECURSIVE climb AS (
    SELECT realm_id, id, id AS top_id, name AS top_name, parent_id AS next_id, name AS path,
        0 AS level
    FROM silver.account
    UNION ALL
    SELECT climb.realm_id, climb.id, above.id, above.name, above.parent_id,
        concat(above.name, ':', climb.path), climb.level + 1
    FROM climb JOIN silver.account AS above
        ON above.realm_id = climb.realm_id AND above.id = climb.next_id
    WHERE climb.level < 20 AND above.id <> climb.id
), tree AS (
    SELECT realm_id, id, max(level) AS level, arg_max(path, level) AS path,
        arg_max(top_id, level) AS root_id, arg_max(top_name, level) AS root_name
    FROM climb GROUP BY realm_id, id
), home AS (
    SELECT realm_id, any_value(home_currency_id) AS currency_id
    FROM silver.preferences GROUP BY realm_id
), typed AS (
    SELECT *, coalesce(classification, CASE
        WHEN account_type IN ('Bank', 'Accounts Receivable', 'Other Current Asset',
            'Fixed Asset', 'Other Asset') THEN 'Asset'
        WHEN account_type IN ('Accounts Payable', 'Credit Card', 'Other Current Liability',
            'Long Term Liability') THEN 'Liability'
        WHEN account_type = 'Equity' THEN 'Equity'
        WHEN account_type IN ('Income', 'Other Income') THEN 'Revenue'
        WHEN account_type IN ('Expense', 'Other Expense', 'Cost of Goods Sold') THEN 'Expense'
        END) AS root_type
    FROM silver.account
)
SELECT typed.realm_id, typed.id AS account_id, typed.acct_num AS account_number, typed.name,
    tree.path, tree.level, typed.parent_id, tree.root_id, tree.root_name, typed.root_type,
    typed.account_type, typed.account_sub_type,
    CASE WHEN typed.root_type IN ('Asset', 'Expense') THEN 1
        WHEN typed.root_type IS NOT NULL THEN -1 END AS sign,
    coalesce(typed.currency_id, home.currency_id) AS currency_id, typed.active,
    typed.current_balance
FROM typed JOIN tree ON tree.realm_id = typed.realm_id AND tree.id = typed.id
    LEFT JOIN home ON home.realm_id = typed.realm_id
""",
    "SELECT path, account_type, current_balance FROM silver.dim_account "
    "WHERE root_type = 'Asset' AND active ORDER BY path",
)

_PARTIES = (
    (
        "Customer",
        "fully_qualified_name",
        "parent_id",
        "coalesce(job, false)",
        "currency_id",
        "balance",
    ),
    ("Vendor", "fully_qualified_name", "parent_id", "false", "currency_id", "balance"),
    ("Employee", "display_name", "NULL", "false", "NULL", "NULL"),
)

DIM_PARTY = ReaderView(
    "dim_party",
    "Customers (with their jobs and projects), vendors and employees in one list.",
    "one customer, vendor or employee of a company, inactive ones included",
    ("realm_id", "party_type", "party_id"),
    (
        COMPANY,
        text("party_type", "Customer, Vendor or Employee; ids are unique within one type only."),
        text("party_id", "Joins `customer_id`, `vendor_id`, `employee_id` of other tables."),
        text("name", "Name as displayed."),
        text("path", "Name with the customers above it, with colons between them."),
        text("company_name", "Name of the firm."),
        text("parent_id", "The customer a job or project belongs to."),
        flag("job", "True for a job or project."),
        flag("active", "False once made inactive."),
        text("email", "First e-mail address."),
        text("phone", "First phone number."),
        text("currency_id", "Currency of the party's transactions."),
        money("balance", "What is open, in the party's currency, as Intuit last sent it."),
    ),
    "\nUNION ALL\n".join(
        f"SELECT realm_id, '{kind}' AS party_type, id AS party_id, display_name AS name, "
        f"coalesce({path}, display_name) AS path, "
        f"{'NULL' if kind == 'Employee' else 'company_name'} AS company_name, "
        f"{parent} AS parent_id, {job} AS job, active, primary_email AS email, "
        f"primary_phone AS phone, {currency} AS currency_id, {balance} AS balance "
        f"FROM silver.{kind.lower()}"
        for kind, path, parent, job, currency, balance in _PARTIES
    ),
    "SELECT party_type, count(*) FROM silver.dim_party WHERE active GROUP BY party_type",
)

DIM_ITEM = ReaderView(
    "dim_item",
    "Products and services, with categories and bundles.",
    "one item of a company, inactive ones included",
    ("realm_id", "item_id"),
    (
        COMPANY,
        text("item_id", "Joins `item_id` of other tables."),
        text("name", "Name of the item itself."),
        text("path", "Name with the categories above it, with colons between them."),
        text("type", "Service, Inventory, NonInventory, Group (a bundle) or Category."),
        text("sku", "Stock keeping unit."),
        text("parent_id", "The category or item above."),
        text("parent_name", "Name of that."),
        flag("active", "False once made inactive."),
        flag("taxable", "Whether sales of it are taxed."),
        number("unit_price", "Price it is sold at."),
        number("purchase_cost", "Price it is bought at."),
        flag("tracked", "Whether a quantity on hand is kept."),
        number("qty_on_hand", "Quantity on hand as Intuit last sent it."),
        text("income_account_id", "Account of its sales."),
        text("income_account_name", "Name of that account."),
        text("expense_account_id", "Account of its purchases or cost of sales."),
        text("expense_account_name", "Name of that account."),
        text("asset_account_id", "Account of its stock."),
        text("asset_account_name", "Name of that account."),
    ),
    """
SELECT realm_id, id AS item_id, name, coalesce(fully_qualified_name, name) AS path, type, sku,
    parent_id, parent_name, active, taxable, unit_price, purchase_cost,
    coalesce(track_qty_on_hand, false) AS tracked, qty_on_hand, income_account_id,
    income_account_name, expense_account_id, expense_account_name, asset_account_id,
    asset_account_name
FROM silver.item
""",
    "SELECT type, count(*) AS items FROM silver.dim_item WHERE active GROUP BY type",
)

DIM_DATE = ReaderView(
    "dim_date",
    f"Days from {FIRST_DAY} to {LAST_DAY} with the fiscal year of each company.",
    "one day of a company",
    ("realm_id", "date"),
    (
        COMPANY,
        day("date", "The day; joins `txn_date` and others."),
        whole("year", "Calendar year."),
        whole("quarter", "Calendar quarter, 1 to 4."),
        whole("month", "Calendar month, 1 to 12."),
        text("month_name", "Name of the month."),
        day("month_start", "First day of the month."),
        day("month_end", "Last day of the month."),
        whole("iso_year", "Year of the ISO 8601 week."),
        whole("iso_week", "Number of the ISO 8601 week."),
        whole("weekday", "Day of the week, 1 Monday to 7 Sunday."),
        flag("weekend", "Saturday or Sunday."),
        whole("fiscal_year", "Fiscal year, called after the calendar year it ends in."),
        whole("fiscal_quarter", "Quarter of the fiscal year, 1 to 4."),
        whole("fiscal_month", "Month of the fiscal year, 1 to 12."),
        day("fiscal_year_start", "First day of the fiscal year."),
        day("fiscal_year_end", "Last day of the fiscal year."),
    ),
    f"""
WITH company AS ({FIRST_MONTHS}
), days AS (
    SELECT realm_id, CAST(stamp AS DATE) AS date, (13 - first_month) % 12 AS ahead
    FROM company, range(TIMESTAMP '{FIRST_DAY}', TIMESTAMP '{LAST_DAY}' + INTERVAL 1 DAY,
        INTERVAL 1 DAY) AS every(stamp)
), shifted AS (
    SELECT *, CAST(date_trunc('month', date) AS DATE) AS month_start,
        CAST(date_trunc('month', date) + to_months(CAST(ahead AS INTEGER)) AS DATE) AS fiscal
    FROM days
)
SELECT realm_id, date, year(date) AS year, quarter(date) AS quarter, month(date) AS month,
    monthname(date) AS month_name, month_start, last_day(date) AS month_end,
    isoyear(date) AS iso_year, weekofyear(date) AS iso_week, isodow(date) AS weekday,
    isodow(date) > 5 AS weekend, year(fiscal) AS fiscal_year, quarter(fiscal) AS fiscal_quarter,
    month(fiscal) AS fiscal_month,
    CAST(make_date(year(fiscal), 1, 1) - to_months(CAST(ahead AS INTEGER)) AS DATE)
        AS fiscal_year_start,
    CAST(make_date(year(fiscal) + 1, 1, 1) - to_months(CAST(ahead AS INTEGER))
        - INTERVAL 1 DAY AS DATE) AS fiscal_year_end
FROM shifted
""",
    "SELECT fiscal_year, min(date), max(date) FROM silver.dim_date "
    "WHERE date = fiscal_year_start GROUP BY fiscal_year ORDER BY fiscal_year DESC LIMIT 5",
)
