"""Objects as Intuit's reference shows them and as companies sent them, against values read by eye."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.silver.checks.check import KNOWN
from ledgerguard_pipeline.silver.checks.fields import is_known
from ledgerguard_pipeline.silver.checks.find import check_company
from ledgerguard_pipeline.silver.layout import tables_of
from ledgerguard_pipeline_tests.silver.books import REALM, Books, store_at

PUBLISHED: dict[str, list[dict[str, object]]] = json.loads(
    (Path(__file__).parent / "samples" / "published.json").read_text(encoding="utf-8"),
    parse_float=Decimal,
)
D = Decimal
HEADERS: dict[str, dict[str, object]] = {
    "Account": {
        "name": "MyJobs", "classification": "Asset", "account_type": "Accounts Receivable",
        "account_sub_type": "AccountsReceivable", "current_balance": D(0), "active": True,
        "sub_account": False, "currency_id": "USD", "currency_name": "United States Dollar",
    },
    "Attachable": {"note": "This is an attached note.", "file_name": None},
    "Bill": {
        "vendor_id": "46", "vendor_name": "Norton Lumber and Building Materials",
        "ap_account_id": "33", "txn_date": date(2014, 11, 6), "due_date": date(2014, 12, 6),
        "total_amt": D("103.55"), "sales_term_id": "3",
    },
    "BillPayment": {
        "vendor_id": "56", "total_amt": D(200), "pay_type": "Check", "bank_account_id": "35",
        "bank_account_name": "Checking", "print_status": "NeedToPrint", "private_note": "Acct. 1JK90",
    },
    "Class": {"name": "France", "fully_qualified_name": "France", "sub_class": False},
    "CompanyInfo": {
        "company_name": "Larry's Bakery", "country": "US", "fiscal_year_start_month": "January",
        "company_addr_city": "Mountain View", "legal_addr_postal_code": "94043",
        "primary_phone": "(650)944-4444", "web_addr": None,
    },
    "CreditMemo": {
        "txn_date": date(2014, 9, 2), "total_amt": D(100), "remaining_credit": D(0),
        "doc_number": "1026", "customer_name": "Amy's Bird Sanctuary", "customer_id": "1",
        "customer_memo": "Updated customer memo.",
    },
    "Customer": {
        "display_name": "Bill's Windsurf Shop", "given_name": "Bill", "family_name": "Lucchini",
        "primary_email": "Surf@Intuit.com", "balance_with_jobs": D(85), "balance": D(85),
        "bill_addr_city": "Half Moon Bay", "job": False, "preferred_delivery_method": "Print",
    },
    "Department": {"name": "Marketing Department", "sub_department": False},
    "Deposit": {
        "deposit_to_account_id": "35", "txn_date": date(2014, 12, 22), "total_amt": D("1675.52"),
    },
    "Employee": {
        "display_name": "Bill Miller", "given_name": "Bill", "billable_time": False,
        "primary_phone": "234-525-1234",
    },
    "Estimate": {
        "doc_number": "1001", "txn_status": "Pending", "bill_email": "Cool_Cars@intuit.com",
        "total_amt": D("31.5"), "customer_id": "3", "ship_addr_line1": "65 Ocean Dr.",
    },
    "ExchangeRate": {
        "source_currency_code": "USD", "target_currency_code": "USD", "rate": D(1),
        "as_of_date": date(2019, 12, 17),
    },
    "Invoice": {
        "doc_number": "1037", "txn_date": date(2014, 9, 19), "due_date": date(2014, 10, 19),
        "total_amt": D("362.07"), "balance": D("362.07"), "deposit": D(0), "total_tax": D("26.82"),
        "customer_id": "24", "customer_name": "Sonnenschein Family Store", "txn_tax_code_id": "2",
        "project_id": "39298045", "apply_tax_after_discount": False, "ship_addr_city": "Middlefield",
        "bill_addr_line4": "Middlefield, CA 94303", "email_status": "NotSet", "class_id": None,
    },
    "Item": {"name": "Trees", "type": "Category", "active": True, "unit_price": None},
    "JournalEntry": {"txn_date": date(2015, 6, 29), "total_amt": None},
    "Payment": {
        "total_amt": D(65), "unapplied_amt": D(10), "deposit_to_account_id": "4",
        "deposit_to_account_name": None, "process_payment": False, "txn_date": date(2015, 1, 16),
    },
    "PaymentMethod": {"name": "Diners Club", "type": "CREDIT_CARD", "active": True},
    "Preferences": {
        "home_currency_id": "USD", "multi_currency_enabled": False, "report_basis": "Accrual",
        "track_departments": True, "using_sales_tax": True,
    },
    "Purchase": {
        "payment_type": "Cash", "total_amt": D(10), "account_id": "35", "txn_type_code": 54,
        "txn_date": date(2015, 7, 27),
    },
    "PurchaseOrder": {
        "doc_number": "1005", "po_status": "Open", "po_email": "send_email@intuit.com",
        "vendor_id": "41", "total_amt": D(25), "ship_addr_line1": "Grace Pariente",
    },
    "RefundReceipt": {
        "doc_number": "1020", "total_amt": D("87.5"), "payment_method_name": "Check",
        "customer_id": "15", "bill_addr_line2": "Pye's Cakes",
    },
    "SalesReceipt": {
        "doc_number": "1003", "total_amt": D("337.5"), "payment_ref_num": "10264",
        "deposit_to_account_name": "Checking", "private_note": "A private note.",
    },
    "TaxCode": {"name": "California", "tax_group": True, "taxable": True, "active": True},
    "TaxRate": {"name": "Tucson City", "rate_value": D(2), "agency_id": "1"},
    "Term": {"name": "Net 60", "due_days": 60, "discount_percent": D(0), "type": "STANDARD"},
    "Transfer": {
        "from_account_id": "35", "to_account_id": "36", "amount": D(120),
        "txn_date": date(2015, 2, 6),
    },
    "Vendor": {
        "display_name": "Books by Bessie", "acct_num": "1345", "balance": D(0),
        "vendor1099": False, "primary_phone": "(650) 555-7745", "bill_addr_city": "Palo Alto",
    },
    "VendorCredit": {"vendor_id": "30", "total_amt": D(90), "txn_date": date(2014, 12, 23)},
}  # fmt: skip
CHILDREN: dict[str, tuple[tuple[str, ...], list[tuple[object, ...]]]] = {
    "invoice_line": (
        ("line_no", "line_id", "amount", "detail_type", "item_name", "qty", "unit_price", "tax_code_id"),
        [
            (0, "1", D(275), "SalesItemLineDetail", "Rock Fountain", D(1), D(275), "TAX"),
            (1, "2", D("12.75"), "SalesItemLineDetail", "Pump", D(1), D("12.75"), "TAX"),
            (2, "3", D("47.5"), "SalesItemLineDetail", "Concrete", D(5), D("9.5"), "TAX"),
            (3, None, D("335.25"), "SubTotalLineDetail", None, None, None, None),
        ],
    ),
    "invoice_tax_line": (
        ("tax_rate_id", "percent_based", "tax_percent", "net_amount_taxable", "amount"),
        [("3", True, D(8), D("335.25"), D("26.82"))],
    ),
    "invoice_linked": (
        ("linked_no", "line_no", "txn_id", "txn_type"), [(0, None, "100", "Estimate")]
    ),
    "invoice_custom_field": (
        ("definition_id", "name", "type", "string_value"), [("1", "Crew #", "StringType", "102")]
    ),
    "bill_line": (
        ("amount", "description", "account_id", "tax_code_id", "project_id"),
        [(D("103.55"), "Lumber", "64", "TAX", "39298034")],
    ),
    "bill_payment_linked": (
        ("linked_no", "line_no", "txn_id", "txn_type", "amount"), [(0, 0, "234", "Bill", D(200))]
    ),
    "deposit_linked": (
        ("line_no", "txn_id", "txn_line_id", "txn_type", "amount"),
        [(0, "120", "0", "Payment", D(1675))],
    ),
    "journal_entry_line": (
        ("line_no", "amount", "posting_type", "account_id", "entity_type", "entity_id"),
        [
            (0, D("25.54"), "Debit", "65", "Customer", "1"),
            (1, D("25.54"), "Credit", "44", "Vendor", "2"),
        ],
    ),
    "payment_line_value": (
        ("line_no", "name", "value"),
        [
            (0, "txnId", "70"),
            (0, "txnOpenBalance", "71.00"),
            (0, "txnReferenceNumber", "1024"),
        ],
    ),
    "tax_code_rate": (
        ("side", "tax_rate_id", "tax_type_applicable", "tax_order"),
        [("sales", "3", "TaxOnAmount", 0)],
    ),
    "attachable_ref": (
        ("entity_type", "entity_id", "include_on_send"), [("Invoice", "95", False)]
    ),
    "vendor_credit_line": (
        ("amount", "account_name", "billable_status", "customer_id", "tax_code_id"),
        [(D(90), "Bank Charges", "Billable", "1", "TAX")],
    ),
    "bill_linked": (("linked_no", "txn_id", "txn_type"), [(0, "118", "BillPaymentCheck")]),
    "bill_payment_line": (("line_no", "amount"), [(0, D(200))]),
    "company_name_value": (
        ("name_value_no", "name", "value"),
        [
            (0, "NeoEnabled", "true"),
            (1, "IndustryType", "Bread and Bakery Product Manufacturing"),
            (2, "IndustryCode", "31181"),
            (3, "SubscriptionStatus", "PAID"),
            (4, "OfferingSku", "QuickBooks Online Plus"),
            (5, "PayrollFeature", "true"),
            (6, "AccountantFeature", "false"),
            (7, "IsQbdtMigrated", "true"),
            (8, "MigrationDate", "2024-09-14T01:47:34-07:00"),
            (9, "QBOIndustryType", "Manufacturing Businesses"),
            (10, "AssignedTime", "2024-09-14T01:47:34-07:00"),
        ],
    ),
    "credit_memo_line": (
        ("line_no", "line_id", "amount", "detail_type", "item_name", "qty", "unit_price", "tax_code_id"),
        [
            (0, "1", D(100), "SalesItemLineDetail", "Pest Control", D(1), D(100), "NON"),
            (1, None, D(100), "SubTotalLineDetail", None, None, None, None),
        ],
    ),
    "credit_memo_custom_field": (("definition_id", "name", "string_value"), [("1", "Crew #", None)]),
    "deposit_line": (("line_no", "amount", "detail_type"), [(0, D(1675), None)]),
    "estimate_line": (
        ("line_no", "amount", "detail_type", "item_id", "discount_percent", "percent_based",
         "discount_account_id", "discount_account_name"),
        [
            (0, D(35), "SalesItemLineDetail", "10", None, None, None, None),
            (1, D(35), "SubTotalLineDetail", None, None, None, None, None),
            (2, D("3.5"), "DiscountLineDetail", None, D(10), True, "86", "Discounts given"),
        ],
    ),
    "estimate_tax_line": (
        ("tax_rate_id", "percent_based", "tax_percent", "net_amount_taxable", "amount"),
        [("3", True, D(8), D("335.25"), D("26.82"))],
    ),
    "estimate_linked": (("linked_no", "line_no", "txn_id", "txn_type"), [(0, None, "103", "Invoice")]),
    "estimate_custom_field": (("definition_id", "name", "string_value"), [("1", "Crew #", None)]),
    "item_component": (
        ("component_no", "item_type", "item_id", "item_name", "qty"),
        [
            (0, "Inventory", "11", "Pump", D(1)),
            (1, "Inventory", "5", "Rock Fountain", D(1)),
            (2, "Service", "8", "Lighting", D(2)),
            (3, "Service", "7", "Installation", D(4)),
        ],
    ),
    "payment_line": (("line_no", "amount"), [(0, D(55))]),
    "payment_linked": (
        ("linked_no", "line_no", "txn_id", "txn_type", "amount"), [(0, 0, "70", "Invoice", D(55))]
    ),
    "purchase_line": (
        ("line_id", "amount", "detail_type", "account_id", "account_name", "billable_status",
         "tax_code_id", "project_id"),
        [("1", D(10), "AccountBasedExpenseLineDetail", "13", "Meals and Entertainment",
          "NotBillable", "NON", "39298034")],
    ),
    "purchase_order_line": (
        ("amount", "detail_type", "item_id", "item_name", "qty", "unit_price", "customer_id",
         "customer_name", "billable_status"),
        [(D(25), "ItemBasedExpenseLineDetail", "38", "Garden Supplies", D(1), D(25), "3",
          "Cool Cars", "NotBillable")],
    ),
    "purchase_order_custom_field": (
        ("custom_field_no", "definition_id", "name"), [(0, "1", "Crew #"), (1, "2", "Sales Rep")]
    ),
    "refund_receipt_line": (
        ("line_no", "description", "amount", "item_name", "qty", "unit_price"),
        [
            (0, "Refund- Pest control was ineffective", D("87.5"), "Pest Control", D("2.5"), D(35)),
            (1, None, D("87.5"), None, None, None),
        ],
    ),
    "refund_receipt_custom_field": (("definition_id", "name", "string_value"), [("1", "Crew #", None)]),
    "sales_receipt_line": (
        ("line_no", "description", "amount", "item_name", "qty", "unit_price", "tax_code_id"),
        [
            (0, "Custom Design", D("337.5"), "Design", D("4.5"), D(75), "NON"),
            (1, None, D("337.5"), None, None, None, None),
        ],
    ),
    "sales_receipt_custom_field": (("definition_id", "name", "string_value"), [("1", "Crew #", None)]),
}  # fmt: skip
FIRST = {"estimate_tax_line": "2", "estimate_linked": "1", "item_component": "3"}
"""The first object with such a list, where that is not the very first."""
LONG = {"preferences_name_value", "preferences_custom_field"}
"""Lists of dozens of names of settings; two of each are looked at."""


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Books:
    """All published objects; ids are positions, because some are shown more than once."""
    books = Books(store_at(tmp_path_factory.mktemp("published") / "books.duckdb"))
    for entity, objects in PUBLISHED.items():
        books.write(entity, {str(at): each for at, each in enumerate(objects)})
    return books


def test_there_is_an_expectation_for_every_type_that_was_published() -> None:
    assert set(HEADERS) == set(PUBLISHED)


@pytest.mark.parametrize("entity", sorted(HEADERS))
def test_the_first_object_of_each_type_has_the_values_that_are_printed(
    published: Books, entity: str
) -> None:
    expected = HEADERS[entity]
    table = entity_type(entity).table
    (row,) = published.rows(table, *expected, where="id = '0'")
    assert dict(zip(expected, row, strict=True)) == expected
    assert len(published.rows(table, "id")) == len(PUBLISHED[entity])


@pytest.mark.parametrize("table", sorted(CHILDREN))
def test_lists_inside_them_have_the_values_that_are_printed(published: Books, table: str) -> None:
    columns, expected = CHILDREN[table]
    found = published.rows(table, *columns, where=f"id = '{FIRST.get(table, '0')}'")
    assert sorted(found, key=repr) == sorted(expected, key=repr)


def test_there_is_an_expectation_for_every_list_that_was_published(published: Books) -> None:
    counted = " UNION ALL ".join(
        f"SELECT '{child.name}', count(*) FROM silver.{child.name}"
        for entity in PUBLISHED
        for child in tables_of(entity).children
    )
    filled = {str(name) for name, rows in published.store.sql(counted).rows if rows}
    assert filled == set(CHILDREN) | LONG


def test_names_of_settings_have_the_values_that_are_printed(published: Books) -> None:
    texts = published.rows("preferences_name_value", "name", "value", where="id = '0'")
    assert texts[2:4] == [("DTXCopyMemo", "false"), ("UncategorizedAssetAccount Id", "32")]
    fields = published.rows(
        "preferences_custom_field",
        "form",
        "name",
        "boolean_value",
        "string_value",
        where="id = '0'",
    )
    assert fields[2:4] == [
        ("sales", "SalesFormsPrefs .UseSalesCustom1", True, None),
        ("sales", "SalesFormsPrefs .SalesCustomName1", None, "Crew #"),
    ]


def test_what_is_misspelt_in_one_published_invoice_is_named(published: Books) -> None:
    voided = next(
        str(at)
        for at, each in enumerate(PUBLISHED["Invoice"])
        if "SALES_ITEM_LINE_DETAIL" in json.dumps(each, default=str)
    )
    assert published.misfits() == {
        (voided, f"Line[{line}].DetailType", text)
        for line, text in enumerate(["SALES_ITEM_LINE_DETAIL"] * 5 + ["SUB_TOTAL_LINE_DETAIL"])
    }


@pytest.mark.parametrize("entity", sorted(PUBLISHED))
def test_the_registry_knows_every_field_that_was_published(entity: str) -> None:
    block = tables_of(entity).block
    strange = {path for each in PUBLISHED[entity] for path in paths(each, "")}
    assert sorted(path for path in strange if not is_known(block, path)) == []


@pytest.mark.parametrize(
    "entity, sent, column, value",
    [
        ("Invoice", {"BillEmailCc": {"Address": "c@example.com"}}, "bill_email_cc", "c@example.com"),
        ("Invoice", {"BillEmailBcc": {"Address": "d@example.com"}}, "bill_email_bcc", "d@example.com"),
        *(
            (form, {"TaxExemptionRef": {"value": "99", "name": "Resale"}}, "tax_exemption_id", "99")
            for form in ("Invoice", "Estimate", "CreditMemo", "RefundReceipt")
        ),
        ("Invoice", {"TaxExemptionRef": {}}, "tax_exemption_id", None),
        ("Bill", {"IncludeInAnnualTPAR": True}, "include_in_annual_tpar", True),
        ("VendorCredit", {"IncludeInAnnualTPAR": False}, "include_in_annual_tpar", False),
        ("BillPayment", {"ProcessBillPayment": True}, "process_bill_payment", True),
        ("TimeActivity", {"TransactionLocationType": "OutsideEU"}, "transaction_location_type", "OutsideEU"),
        ("TaxPayment", {"PaymentDate": "2019-08-30"}, "payment_date", date(2019, 8, 30)),
        ("TaxPayment", {"TxnDate": "2019-09-01"}, "payment_date", date(2019, 9, 1)),
    ],
)  # fmt: skip
def test_what_the_reference_lists_and_no_published_object_shows_has_a_column(
    entity: str, sent: dict[str, object], column: str, value: object, tmp_path: Path
) -> None:
    books = Books(store_at(tmp_path / "quickbooks.duckdb"))
    books.write(entity, {"1": sent})
    assert books.rows(entity_type(entity).table, column) == [(value,)]
    (checks,) = check_company(books.store, [entity_type(entity)], REALM).values()
    assert [found.text for found in checks if found.check is KNOWN and not found.passed] == []


def paths(value: object, at: str) -> set[str]:
    """Every path of an object, as Bronze names them."""
    if isinstance(value, dict):
        found = {at} if at else set()
        for name, inner in value.items():
            found |= paths(inner, f"{at}.{name}" if at else name)
        return found
    if isinstance(value, list):
        return {path for inner in value for path in paths(inner, f"{at}[]")} | {at}
    return {at}
