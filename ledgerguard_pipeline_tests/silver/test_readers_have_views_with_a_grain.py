"""Dimensions, sales and spending: one row per what the grain says, and sums that add up."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from ledgerguard_pipeline.silver.views.catalog import READER_VIEWS
from ledgerguard_pipeline.values import State
from ledgerguard_pipeline_tests.silver.books import OTHER_REALM, REALM, Books, store_at

D = Decimal


def line(amount: str, kind: str = "SalesItemLineDetail", **detail: object) -> dict[str, object]:
    return {"Amount": D(amount), "DetailType": kind, kind: detail}


def ref(id: str, name: str = "") -> dict[str, str]:
    return {"value": id, "name": name or f"Name {id}"}


def rows(books: Books, query: str) -> list[tuple[object, ...]]:
    return books.store.sql(query).rows


def test_every_view_can_be_asked_after_the_first_commit_of_anything(books: Books) -> None:
    books.write("Term", {"1": {"Name": "Net 30"}})
    for view in READER_VIEWS.values():
        answer = books.store.sql(f"SELECT * FROM silver.{view.name} LIMIT 0")
        assert answer.columns == [column.name for column in view.columns]
        assert books.store.sql(view.example).columns
    assert rows(books, "SELECT count(*) FROM silver.dim_date") == [(25567,)]


def test_every_column_has_the_type_it_is_said_to_have_and_none_is_a_float(books: Books) -> None:
    books.write("Term", {"1": {"Name": "Net 30"}})
    for view in READER_VIEWS.values():
        for name, narrow in ((view.name, False), (f"v_{view.name}", True)):
            if narrow and not view.exact:
                continue
            found = {row[0]: row[1] for row in rows(books, f"DESCRIBE silver.{name}")}
            assert found == {
                column.name: column.kind.narrow if narrow else column.kind.sql
                for column in view.columns
            }
            assert not {"DOUBLE", "FLOAT"} & set(found.values())


def test_an_account_knows_its_path_root_sign_and_currency(books: Books) -> None:
    books.write("Preferences", {"1": {"CurrencyPrefs": {"HomeCurrency": {"value": "USD"}}}})
    bank = {"AccountType": "Bank", "Classification": "Asset", "Active": True}
    books.write(
        "Account",
        {
            "1": {**bank, "Name": "Cash"},
            "2": {**bank, "Name": "Till", "ParentRef": ref("1"), "CurrencyRef": ref("EUR")},
            "3": {**bank, "Name": "Drawer", "ParentRef": ref("2")},
            "4": {"Name": "Loans", "AccountType": "Long Term Liability"},
            "5": {"Name": "Sales", "AccountType": "Income", "Classification": "Revenue"},
            "6": {**bank, "Name": "Orphan", "ParentRef": ref("99")},
            "7": {**bank, "Name": "Ring", "ParentRef": ref("8")},
            "8": {**bank, "Name": "Gnir", "ParentRef": ref("7")},
        },
    )
    books.write("Account", {"1": {**bank, "Name": "Other company's"}}, realm=OTHER_REALM)
    found = {
        str(row[0]): row[1:]
        for row in rows(
            books,
            "SELECT account_id, path, level, root_id, root_type, sign, currency_id "
            f"FROM silver.dim_account WHERE realm_id = '{REALM}'",
        )
    }
    assert found["1"] == ("Cash", 0, "1", "Asset", 1, "USD")
    assert found["2"] == ("Cash:Till", 1, "1", "Asset", 1, "EUR")
    assert found["3"] == ("Cash:Till:Drawer", 2, "1", "Asset", 1, "USD")
    assert found["4"] == ("Loans", 0, "4", "Liability", -1, "USD")
    assert found["5"] == ("Sales", 0, "5", "Revenue", -1, "USD")
    assert found["6"] == ("Orphan", 0, "6", "Asset", 1, "USD")
    assert set(found) == {str(id) for id in range(1, 9)}


def test_customers_vendors_and_employees_with_one_id_are_three_parties(books: Books) -> None:
    books.write(
        "Customer",
        {
            "1": {"DisplayName": "Kookies", "FullyQualifiedName": "Kookies", "Balance": D("7.25")},
            "2": {
                "DisplayName": "Roof",
                "FullyQualifiedName": "Kookies:Roof",
                "Job": True,
                "ParentRef": ref("1"),
            },
        },
    )
    books.write("Vendor", {"1": {"DisplayName": "Norton", "Active": False}}, state=State.INACTIVE)
    books.write("Employee", {"1": {"DisplayName": "Emily"}})
    assert rows(
        books,
        "SELECT party_type, party_id, path, job, parent_id, balance FROM silver.dim_party "
        "ORDER BY party_type, party_id",
    ) == [
        ("Customer", "1", "Kookies", False, None, D("7.25")),
        ("Customer", "2", "Kookies:Roof", True, "1", None),
        ("Employee", "1", "Emily", False, None, None),
        ("Vendor", "1", "Norton", False, None, None),
    ]


@pytest.mark.parametrize(
    "entity, payload, expected",
    [
        ("CompanyInfo", {"FiscalYearStartMonth": "July"}, (2027, 1, 1, date(2026, 7, 1), date(2027, 6, 30))),
        (
            "Preferences",
            {"AccountingInfoPrefs": {"FirstMonthOfFiscalYear": "April"}},
            (2027, 2, 4, date(2026, 4, 1), date(2027, 3, 31)),
        ),
        ("CompanyInfo", {"CompanyName": "Says none"}, (2026, 3, 7, date(2026, 1, 1), date(2026, 12, 31))),
    ],
    ids=["company", "preferences", "neither"],
)  # fmt: skip
def test_a_day_is_in_the_fiscal_year_of_its_company(
    books: Books, entity: str, payload: dict[str, object], expected: tuple[object, ...]
) -> None:
    books.write(entity, {"1": payload})
    assert rows(
        books,
        "SELECT fiscal_year, fiscal_quarter, fiscal_month, fiscal_year_start, fiscal_year_end "
        "FROM silver.dim_date WHERE date = DATE '2026-07-31'",
    ) == [expected]
    assert rows(
        books,
        "SELECT count(*), count(DISTINCT date), bool_and(date BETWEEN fiscal_year_start AND "
        "fiscal_year_end) FROM silver.dim_date",
    ) == [(25567, 25567, True)]


@pytest.mark.parametrize(
    "company, preferences, month",
    [
        ({"FiscalYearStartMonth": "July"}, {}, 7),
        ({"FiscalYearStartMonth": "JULY"}, {}, 7),
        ({"FiscalYearStartMonth": 7}, {"MultiCurrencyEnabled": None}, 7),
        ({}, {"FirstMonthOfFiscalYear": "April"}, 4),
        ({"FiscalYearStartMonth": "Soon"}, {"FirstMonthOfFiscalYear": "april "}, 4),
        ({"FiscalYearStartMonth": "13"}, {}, 1),
        ({}, {}, 1),
    ],
)
def test_views_and_comparisons_begin_the_fiscal_year_in_the_same_month(
    books: Books, path: Path, company: dict[str, object], preferences: dict[str, object], month: int
) -> None:
    """What a company leaves out or writes otherwise is no reason for two answers."""
    currency = {"MultiCurrencyEnabled": preferences.get("MultiCurrencyEnabled", "true")}
    home = {"HomeCurrency": {"value": "CAD"}}
    books.write("CompanyInfo", {"1": company})
    books.write(
        "Preferences", {"1": {"AccountingInfoPrefs": preferences, "CurrencyPrefs": currency | home}}
    )
    with duckdb.connect(path) as connection:
        connection.execute(
            "INSERT INTO silver.journal (realm_id, txn_type, txn_id, leg_no, account_id, txn_date, "
            f"posted_on, debit, credit, amount) VALUES ('{REALM}', 'Bill', '1', 0, '1', "
            "DATE '2026-02-03', DATE '2026-02-03', 1, 0, 1)"
        )
    begin = date(2026 if month <= 2 else 2025, month, 1)
    assert rows(books, "SELECT fiscal_year FROM silver.gl_month") == [(begin,)]
    assert rows(
        books, "SELECT fiscal_year_start FROM silver.dim_date WHERE date = DATE '2026-02-03'"
    ) == [(begin,)]
    facts = books.store.reports.company_facts(REALM)
    assert facts.fiscal_year(date(2026, 2, 3)) == begin
    assert (facts.home_currency, facts.loaded) == ("CAD", True)
    assert facts.multicurrency is (currency["MultiCurrencyEnabled"] == "true")


def test_a_bundle_is_sold_once_and_subtotals_and_descriptions_are_not_sold(books: Books) -> None:
    bundle = line("30", "GroupLineDetail", Line=[line("10"), line("20")])
    empty_bundle = line("8", "GroupLineDetail")
    books.write(
        "Invoice",
        {
            "1": {
                "TxnDate": "2026-01-05",
                "Line": [
                    line("5"),
                    bundle,
                    empty_bundle,
                    {"DetailType": "DescriptionOnly", "Description": "Thanks"},
                    line("3", "DiscountLineDetail"),
                    line("43", "SubTotalLineDetail"),
                ],
            }
        },
    )
    found = rows(books, "SELECT amount, parent_line_no FROM silver.sales_line ORDER BY line_no")
    assert found == [(D(5), None), (D(8), None), (D(-3), None), (D(10), 1), (D(20), 1)]


def test_credits_refunds_and_voids_count_against_sales(books: Books) -> None:
    form = {"TxnDate": "2026-01-05", "Line": [line("10", Qty=D(2), UnitPrice=D(5))]}
    credit = {"TxnDate": "2026-01-05", "Line": [line("4"), line("1", "DiscountLineDetail")]}
    books.write("Invoice", {"1": form})
    books.write("Invoice", {"2": form}, state=State.VOIDED)
    books.write("SalesReceipt", {"1": form})
    books.write("CreditMemo", {"1": credit})
    books.write("RefundReceipt", {"1": form})
    assert rows(
        books, "SELECT txn_type, sum(amount), sum(qty) FROM silver.sales_line GROUP BY 1 ORDER BY 1"
    ) == [
        ("CreditMemo", D(-3), None),
        ("Invoice", D(10), D(2)),
        ("RefundReceipt", D(-10), D(-2)),
        ("SalesReceipt", D(10), D(2)),
    ]


def test_amounts_are_in_home_currency_too_in_cents_and_without_a_rate_digit_for_digit(
    books: Books,
) -> None:
    odd = "99999999999999.990000001"
    books.write(
        "Invoice",
        {
            "1": {"ExchangeRate": D("1.234567"), "Line": [line("10.05")]},
            "2": {"Line": [line(odd)]},
            "3": {"ExchangeRate": D(1), "Line": [line(odd)]},
            "4": {"ExchangeRate": D("99999999.5"), "Line": [line("99999999999999999999")]},
        },
    )
    found = rows(books, "SELECT id, amount, home_amount FROM silver.sales_line ORDER BY id")
    # 10.05 x 1.234567 = 12.40739835
    assert found[0] == ("1", D("10.05"), D("12.41"))
    assert found[1:3] == [("2", D(odd), D(odd)), ("3", D(odd), D(odd))]
    assert found[3] == ("4", D("99999999999999999999"), None)


def test_spending_has_the_account_of_the_line_or_of_its_item(books: Books) -> None:
    books.write(
        "Item",
        {
            "1": {"Name": "Nails", "ExpenseAccountRef": ref("60", "Supplies")},
            "2": {
                "Name": "Pump",
                "TrackQtyOnHand": True,
                "ExpenseAccountRef": ref("50", "Cost of sales"),
                "AssetAccountRef": ref("81", "Stock"),
            },
        },
    )
    cost = "AccountBasedExpenseLineDetail"
    item = "ItemBasedExpenseLineDetail"
    books.write(
        "Bill",
        {
            "1": {
                "VendorRef": ref("7", "Norton"),
                "Line": [
                    line("9", cost, AccountRef=ref("70", "Rent")),
                    line("2", item, ItemRef=ref("1")),
                    line("3", item, ItemRef=ref("2")),
                ],
            }
        },
    )
    books.write("VendorCredit", {"1": {"VendorRef": ref("7", "Norton"), "Line": [line("4", cost)]}})
    card = {
        "EntityRef": {"value": "7", "name": "Norton", "type": "Vendor"},
        "Line": [line("5", cost)],
    }
    books.write("Purchase", {"1": {**card, "Credit": False}, "2": {**card, "Credit": True}})
    assert rows(
        books,
        "SELECT txn_type, payee_type, payee_name, account_id, account_name, amount "
        "FROM silver.spend_line ORDER BY txn_type, id, line_no",
    ) == [
        ("Bill", "Vendor", "Norton", "70", "Rent", D(9)),
        ("Bill", "Vendor", "Norton", "60", "Supplies", D(2)),
        ("Bill", "Vendor", "Norton", "81", "Stock", D(3)),
        ("Purchase", "Vendor", "Norton", None, None, D(5)),
        ("Purchase", "Vendor", "Norton", None, None, D(-5)),
        ("VendorCredit", "Vendor", "Norton", None, None, D(-4)),
    ]


def test_tables_that_come_later_are_in_the_views_at_once(books: Books) -> None:
    books.write("Invoice", {"1": {"Line": [line("1")]}})
    books.write("CreditMemo", {"1": {"Line": [line("1")]}})
    assert rows(books, "SELECT sum(amount) FROM silver.sales_line") == [(D(0),)]


def test_views_of_another_release_are_made_anew_by_the_next_process(
    books: Books, path: Path
) -> None:
    books.write("Invoice", {"1": {"Line": [line("1")]}})
    with duckdb.connect(path) as connection:
        connection.execute("CREATE OR REPLACE VIEW silver._reader_views AS SELECT 'old' AS made_of")
        connection.execute("CREATE OR REPLACE VIEW silver.sales_line AS SELECT 1 AS amount")
        connection.execute("DROP TABLE silver.credit_memo_line")
    Books(store_at(path)).write("Invoice", {"1": {"Line": [line("2")]}})
    assert rows(books, "SELECT txn_type, amount FROM silver.sales_line") == [("Invoice", D(2))]
