"""A row arrives with what is readable; what is not stands in _misfits with path and text."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pytest

from ledgerguard_pipeline_tests.silver.books import Books

GOOD = '{"DocNumber":"1","TotalAmt":1,"Line":[]}'


def among_good(bad: str) -> dict[str, str]:
    """So that the payload goes the quick way first."""
    return {str(id): GOOD for id in range(20)} | {"bad": bad}


@pytest.mark.parametrize(
    "payload, where, text",
    [
        ("[1,2]", "", "[1,2]"),
        ('"text"', "", "text"),
        ("null", "", "null"),
        ('{"TotalAmt":"a lot"}', "TotalAmt", "a lot"),
        ('{"TotalAmt":{"x":1}}', "TotalAmt", '{"x":1}'),
        ('{"TotalAmt":true}', "TotalAmt", "true"),
        ('{"TxnDate":"2024-02-30"}', "TxnDate", "2024-02-30"),
        ('{"TxnDate":20240229}', "TxnDate", "20240229"),
        ('{"Line":[{"Amount":1}]}', "Line[0].DetailType", ""),
        ('{"Line":[{"DetailType":"Novel"}]}', "Line[0].DetailType", "Novel"),
        ('{"CustomerRef":{"name":"Ann"}}', "CustomerRef", '{"name":"Ann"}'),
        ('{"Line":{"Amount":1}}', "Line", '{"Amount":1}'),
        ('{"Line":[7]}', "Line[0]", "7"),
        ('{"BillAddr":"Main St."}', "BillAddr", "Main St."),
        ('{"DeliveryInfo":{"DeliveryTime":"noon"}}', "DeliveryInfo.DeliveryTime", "noon"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_path(
    books: Books, payload: str, where: str, text: str
) -> None:
    books.write("Invoice", among_good(payload))
    assert len(books.rows("invoice", "id")) == 21
    assert ("bad", where, text) in books.misfits()
    assert {id for id, _, _ in books.misfits()} == {"bad"}


def test_numbers_and_flags_in_quotes_are_read(books: Books) -> None:
    books.write("Invoice", among_good('{"TotalAmt":"12.50","ApplyTaxAfterDiscount":"true"}'))
    assert books.rows("invoice", "total_amt", "apply_tax_after_discount", where="id = 'bad'") == [
        (Decimal("12.5"), True)
    ]
    assert books.misfits() == set()


def test_a_date_with_a_time_is_its_day(books: Books) -> None:
    books.write("Invoice", among_good('{"TxnDate":"2024-02-29T00:00:00-08:00"}'))
    assert books.rows("invoice", "txn_date", where="id = 'bad'") == [(date(2024, 2, 29),)]


def test_of_a_key_that_stands_twice_the_last_counts(books: Books) -> None:
    books.write("Invoice", among_good('{"TotalAmt":1,"TotalAmt":2}'))
    assert books.rows("invoice", "total_amt", where="id = 'bad'") == [(Decimal(2),)]


def test_strange_texts_arrive_as_sent(books: Books) -> None:
    note = 'line\nbreak "quoted" \\ \u2028 \U0001f600 1e5, 12345678901234567890123'
    books.write("Invoice", among_good(json.dumps({"PrivateNote": note})))
    books.write("Invoice", {"pretty": json.dumps({"PrivateNote": note}, indent=2)})
    assert {row[0] for row in books.rows("invoice", "private_note") if row[0]} == {note}


def test_a_document_of_very_many_lines_keeps_them_all(books: Books) -> None:
    line = '{"Amount":1.01,"DetailType":"SalesItemLineDetail"}'
    books.write("Invoice", among_good(f'{{"Line":[{",".join([line] * 200_000)}]}}'))
    found = books.store.sql(
        "SELECT count(*), sum(amount), count(DISTINCT line_no), max(line_no) "
        "FROM silver.invoice_line"
    ).rows
    assert found == [(200_000, Decimal("202000.000000000000000000"), 200_000, 199_999)]


def test_a_misfit_goes_when_its_object_is_mended(books: Books) -> None:
    books.write("Invoice", among_good('{"TotalAmt":"a lot"}'))
    books.write("Invoice", {"bad": '{"TotalAmt":3}'})
    assert books.misfits() == set()
    assert books.rows("invoice", "total_amt", where="id = 'bad'") == [(Decimal(3),)]


def test_personal_numbers_are_in_no_table(books: Books) -> None:
    secret = "987-65-4321"
    books.write(
        "Employee",
        {"1": {"DisplayName": "Ann", "SSN": secret, "BirthDate": "1980-01-02", "Gender": "F"}},
    )
    books.write("Vendor", {"2": {"DisplayName": "Bob", "TaxIdentifier": secret, "BillRate": "x"}})
    books.write(
        "Payment",
        {"3": {"TotalAmt": 1, "CreditCardPayment": {"CreditChargeInfo": {"Number": secret}}}},
    )
    tables = books.store.sql(
        "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'silver' AND estimated_size > 0"
    ).rows
    for (table,) in tables:
        rows = books.store.sql(f'SELECT * FROM silver."{table}"').rows
        assert secret not in str(rows), table
    assert books.misfits() == {("2", "BillRate", "x")}
