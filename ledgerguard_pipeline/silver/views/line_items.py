"""What was sold and what was bought, line by line, with signs that add up."""

from __future__ import annotations

from ledgerguard_pipeline.silver.views.form import (
    COMPANY,
    ReaderView,
    day,
    home,
    money,
    number,
    text,
    whole,
)

_NO_AMOUNT = "('SubTotalLineDetail', 'DescriptionOnly', 'DescriptionLineDetail', 'TaxLineDetail')"

_SALES = (
    ("Invoice", "invoice", 1),
    ("SalesReceipt", "sales_receipt", 1),
    ("CreditMemo", "credit_memo", -1),
    ("RefundReceipt", "refund_receipt", -1),
)
_SPENDING = (("Bill", "bill"), ("Purchase", "purchase"), ("VendorCredit", "vendor_credit"))


def _counted(table: str) -> str:
    """The lines that bear an amount of their own.

    A bundle's line repeats what its inner lines add up to, so it counts only where it has none.
    """
    return (
        f"coalesce(line.detail_type, '') NOT IN {_NO_AMOUNT} AND "
        "(coalesce(line.detail_type, '') <> 'GroupLineDetail' OR NOT EXISTS ("
        f"SELECT 1 FROM silver.{table}_line AS inner_line WHERE inner_line.realm_id = "
        "line.realm_id AND inner_line.id = line.id AND inner_line.parent_line_no = line.line_no))"
    )


def _sold(txn_type: str, table: str, sign: int) -> str:
    return f"""
    SELECT line.realm_id, '{txn_type}' AS txn_type, line.id, line.line_no, line.parent_line_no,
        head.doc_number, head.txn_date, line.service_date, head.customer_id, head.customer_name,
        line.item_id, line.item_name, coalesce(line.class_id, head.class_id) AS class_id,
        CASE WHEN line.class_id IS NULL THEN head.class_name ELSE line.class_name END
            AS class_name, head.department_id, head.department_name, line.description,
        line.detail_type, line.qty, line.unit_price, line.amount,
        coalesce(line.item_account_id, line.discount_account_id) AS account_id, line.tax_code_id,
        head.currency_id, head.exchange_rate,
        CASE WHEN line.detail_type = 'DiscountLineDetail' THEN {-sign} ELSE {sign} END AS sign
    FROM silver.{table}_line AS line JOIN silver.{table} AS head
        ON head.realm_id = line.realm_id AND head.id = line.id
    WHERE head.state <> 'voided' AND {_counted(table)}"""


def _bought(txn_type: str, table: str) -> str:
    sign = {"Bill": "1", "VendorCredit": "-1"}.get(
        txn_type, "CASE WHEN coalesce(head.credit, false) THEN -1 ELSE 1 END"
    )
    payee = (
        "head.entity_type AS payee_type, head.entity_id AS payee_id, head.entity_name AS payee_name"
        if txn_type == "Purchase"
        else "'Vendor' AS payee_type, head.vendor_id AS payee_id, head.vendor_name AS payee_name"
    )
    return f"""
    SELECT line.realm_id, '{txn_type}' AS txn_type, line.id, line.line_no, line.parent_line_no,
        head.doc_number, head.txn_date, {payee}, line.account_id, line.account_name, line.item_id,
        line.item_name, line.customer_id, line.customer_name, line.class_id, line.class_name,
        head.department_id, head.department_name, line.billable_status, line.description,
        line.detail_type, line.qty, line.unit_price, line.amount, line.tax_code_id,
        head.currency_id, head.exchange_rate, {sign} AS sign
    FROM silver.{table}_line AS line JOIN silver.{table} AS head
        ON head.realm_id = line.realm_id AND head.id = line.id
    WHERE head.state <> 'voided' AND {_counted(table)}"""


_LINE = (
    COMPANY,
    text("txn_type", "Type of the document."),
    text("id", "Id of the document, unique within its type."),
    whole("line_no", "Position of the line, from 0."),
    whole("parent_line_no", "Line of the bundle it is in; NULL outside bundles."),
    text("doc_number", "Number on the form."),
    day("txn_date", "Date of the transaction."),
)
_WHERE = (
    text("class_id", "Class of the line, or of its document where the line has none: id."),
    text("class_name", "Class of the line or document: name as printed."),
    text("department_id", "Department (location): id."),
    text("department_name", "Department (location): name as printed."),
)
_HOW_MUCH = (
    text("description", "Text of the line."),
    text("detail_type", "Intuit's kind of line."),
    number("qty", "Quantity, with the sign of the amount."),
    number("unit_price", "Price of one, as printed."),
    money("amount", "Amount without tax, in the transaction's currency."),
    money("home_amount", "The same in home currency, at the document's rate."),
    text("currency_id", "Currency of `amount`."),
    number("exchange_rate", "Home currency per unit of that currency."),
    text("account_id", "Account it is booked to, where the line or its item says so."),
    text("tax_code_id", "Tax code of the line."),
)

SALES_LINE = ReaderView(
    "sales_line",
    "What was sold: lines of invoices and sales receipts, less credit memos, refunds and discounts.",
    "one line with an amount of its own; bundles by their inner lines, no subtotals",
    ("realm_id", "txn_type", "id", "line_no"),
    (
        *_LINE,
        day("service_date", "Day the service was done."),
        text("customer_id", "Customer: id."),
        text("customer_name", "Customer: name as printed."),
        text("item_id", "Item: id; NULL for discounts."),
        text("item_name", "Item: name as printed."),
        *_WHERE,
        *_HOW_MUCH,
    ),
    f"""
WITH sold AS ({" UNION ALL ".join(_sold(*each) for each in _SALES)}
)
SELECT sold.realm_id, sold.txn_type, sold.id, sold.line_no, sold.parent_line_no, sold.doc_number,
    sold.txn_date, sold.service_date, sold.customer_id, sold.customer_name, sold.item_id,
    sold.item_name, sold.class_id, sold.class_name, sold.department_id, sold.department_name,
    sold.description, sold.detail_type, sold.sign * sold.qty AS qty, sold.unit_price,
    sold.sign * sold.amount AS amount,
    {home("sold.sign * sold.amount", "sold.exchange_rate")} AS home_amount, sold.currency_id,
    sold.exchange_rate, coalesce(sold.account_id, item.income_account_id) AS account_id,
    sold.tax_code_id
FROM sold LEFT JOIN silver.item AS item
    ON item.realm_id = sold.realm_id AND item.id = sold.item_id
""",
    "SELECT item_name, sum(home_amount) AS revenue FROM silver.sales_line "
    "GROUP BY item_name ORDER BY revenue DESC",
)

SPEND_LINE = ReaderView(
    "spend_line",
    "What was bought: lines of bills, checks, cash and card purchases, less vendor and card credits.",
    "one line with an amount of its own; bundles by their inner lines, no subtotals",
    ("realm_id", "txn_type", "id", "line_no"),
    (
        *_LINE,
        text("payee_type", "Vendor, Customer or Employee; NULL where nobody is named."),
        text("payee_id", "Payee: id within that type."),
        text("payee_name", "Payee: name as printed."),
        text("account_name", "Account: name as printed, where the line says so."),
        text("item_id", "Item: id."),
        text("item_name", "Item: name as printed."),
        text("customer_id", "Customer it was bought for: id."),
        text("customer_name", "Customer it was bought for: name as printed."),
        text("billable_status", "NotBillable, Billable or HasBeenBilled."),
        *_WHERE,
        *_HOW_MUCH,
    ),
    f"""
WITH bought AS ({" UNION ALL ".join(_bought(*each) for each in _SPENDING)}
)
SELECT bought.realm_id, bought.txn_type, bought.id, bought.line_no, bought.parent_line_no,
    bought.doc_number, bought.txn_date, bought.payee_type, bought.payee_id, bought.payee_name,
    coalesce(bought.account_name, CASE WHEN item.track_qty_on_hand THEN item.asset_account_name
        ELSE item.expense_account_name END) AS account_name, bought.item_id, bought.item_name,
    bought.customer_id, bought.customer_name, bought.billable_status, bought.class_id,
    bought.class_name, bought.department_id, bought.department_name, bought.description,
    bought.detail_type, bought.sign * bought.qty AS qty, bought.unit_price,
    bought.sign * bought.amount AS amount,
    {home("bought.sign * bought.amount", "bought.exchange_rate")} AS home_amount,
    bought.currency_id, bought.exchange_rate,
    coalesce(bought.account_id, CASE WHEN item.track_qty_on_hand THEN item.asset_account_id
        ELSE item.expense_account_id END) AS account_id, bought.tax_code_id
FROM bought LEFT JOIN silver.item AS item
    ON item.realm_id = bought.realm_id AND item.id = bought.item_id
""",
    "SELECT payee_name, date_trunc('month', txn_date) AS month, sum(home_amount) AS spent "
    "FROM silver.spend_line GROUP BY ALL ORDER BY spent DESC",
)
