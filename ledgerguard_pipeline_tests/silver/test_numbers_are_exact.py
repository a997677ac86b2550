"""Every field of a row is what decimal arithmetic makes of the payload, by either way of decoding."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, localcontext

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledgerguard_pipeline.silver.decode.chunk import decode
from ledgerguard_pipeline.silver.decode.one_by_one import decode_one_by_one
from ledgerguard_pipeline.silver.decode.rows import Decoded
from ledgerguard_pipeline.silver.layout import tables_of
from ledgerguard_pipeline_tests.silver.books import Books

AWKWARD = (
    "99999999999999.99",
    "0.30000000000000004",
    "12345678901234567.89",
    "1234567890123456789",
    "800042165.01",
    "2.675",
    "100.10",
    "1E+2",
    "1e-7",
    "-0.00",
    "0.000000000000000001",
    "99999999999999999999.999999999999999999",
    "-99999999999999999999",
)
TOO_MUCH = (
    "1234567890123456789012345678901234567890",
    "123456789012345678901234567890",
    "100000000000000000000",
    "1e25",
    "0.0000000000000000001",
    "1.0000000000000000001",
    "1e999999",
)
INVOICE = tables_of("Invoice")

numbers = st.one_of(
    st.sampled_from(AWKWARD),
    st.sampled_from(TOO_MUCH),
    st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?", fullmatch=True),
    st.from_regex(r"-?[1-9](\.[0-9]{1,4})?[eE][+-]?[0-9]{1,2}", fullmatch=True),
)
dates = st.one_of(
    st.dates(date(1, 1, 1), date(9999, 12, 31)).map(date.isoformat),
    st.sampled_from(["2024-02-30", "2024-2-3", "", "yesterday", "2024-02-29"]),
)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


def as_object(pairs: Mapping[str, str]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in pairs.items()) + "}"


members = st.fixed_dictionaries(
    {},
    optional={
        "TotalAmt": numbers,
        "Balance": numbers.map(json.dumps),
        "ExchangeRate": numbers,
        "TxnDate": dates.map(json.dumps),
        "DocNumber": texts.map(json.dumps),
        "ApplyTaxAfterDiscount": st.sampled_from(["true", "false", "null", '"true"', "1"]),
        "CustomerRef": st.sampled_from(
            ['{"value":"1","name":"Ann"}', '{"name":"Ann"}', '{"value":""}', "{}", "null", '"1"']
        ),
        "Unknown": st.sampled_from(['{"a":[1,2,{"b":3}]}', "7", '"x"']),
        "Line": st.lists(
            st.one_of(
                st.fixed_dictionaries(
                    {"DetailType": st.sampled_from(['"SalesItemLineDetail"', '"Novel"', "null"])},
                    optional={
                        "Amount": numbers,
                        "LineNum": st.sampled_from(["1", '"2"', "1.0", "1.5", "9" * 30]),
                        "LinkedTxn": st.sampled_from(["[]", '[{"TxnId":"9"}]', "[null,{}]", "{}"]),
                    },
                ).map(as_object),
                st.sampled_from(["null", "7", "[]"]),
            ),
            max_size=4,
        ).map(lambda lines: f"[{','.join(lines)}]"),
    },
)


def rows(decoded: Decoded) -> dict[str, list[dict[str, object]]]:
    found = {}
    for table in INVOICE.tables:
        rows = decoded.table(table.name)
        keys = ["row", *(["line_no"] if table.name == "invoice_line" else table.key[2:])]
        found[table.name] = (
            [] if rows is None else rows.sort_by([(key, "ascending") for key in keys]).to_pylist()
        )
    return found


def one_by_one(payloads: list[str]) -> Decoded:
    into = Decoded()
    decode_one_by_one(INVOICE, list(enumerate(payloads)), into)
    return into


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(members.map(as_object), min_size=16, max_size=40))
def test_both_ways_of_decoding_agree_on_any_payload(payloads: list[str]) -> None:
    quick, slow = decode(INVOICE, pa.array(payloads)), one_by_one(payloads)
    assert rows(quick) == rows(slow)
    assert sorted(quick.misfits) == sorted(slow.misfits)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(numbers, min_size=20, max_size=40))
def test_an_amount_is_its_own_text_or_a_misfit_and_never_rounded(texts: list[str]) -> None:
    decoded = decode(INVOICE, pa.array([f'{{"TotalAmt":{text}}}' for text in texts]))
    wrong = {each.row: each for each in decoded.misfits}
    with localcontext() as context:
        context.prec = 400
        for row in rows(decoded)["invoice"]:
            position, amount = row["row"], row["total_amt"]
            assert isinstance(position, int)
            sent = Decimal(texts[position])
            holds = (
                abs(sent) < 10**20 and sent == round(sent, 18) if sent.adjusted() < 40 else False
            )
            assert (amount == sent) if holds else (amount is None)
            assert (position in wrong) == (not holds)


@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_amounts_arrive_in_the_table_with_every_digit(books: Books, text: str) -> None:
    books.write("Invoice", {str(id): f'{{"TotalAmt":{text}}}' for id in range(20)})
    assert {row[0] for row in books.rows("invoice", "total_amt")} == {Decimal(text)}


def test_a_number_too_large_is_named_and_the_rest_of_its_row_is_there(books: Books) -> None:
    plain = {str(id): '{"TotalAmt":1,"DocNumber":"7"}' for id in range(20)}
    books.write("Invoice", plain | {"5": f'{{"TotalAmt":{TOO_MUCH[0]},"DocNumber":"7"}}'})
    assert books.rows("invoice", "total_amt", "doc_number", where="id = '5'") == [(None, "7")]
    assert books.misfits() == {("5", "TotalAmt", TOO_MUCH[0])}


def test_the_narrow_view_shows_cents_and_prices(books: Books) -> None:
    books.write("Invoice", {"1": '{"TotalAmt":12.30,"ExchangeRate":1.2345678}'})
    assert books.rows("v_invoice", "total_amt") == [(Decimal("12.30"),)]
    kinds = {
        str(name): kind
        for name, kind in books.store.sql(
            "SELECT column_name, data_type FROM duckdb_columns() "
            "WHERE table_name = 'v_invoice' AND column_name IN ('total_amt', 'exchange_rate')"
        ).rows
    }
    assert kinds == {"total_amt": "DECIMAL(18,2)", "exchange_rate": "DECIMAL(18,7)"}


def test_no_column_is_of_a_type_that_rounds(books: Books) -> None:
    # Parquet has no HUGEINT: DuckLake keeps it as DOUBLE once a row is in a file.
    books.write("Invoice", {"1": '{"TotalAmt":12.30}'})
    kinds = books.store.sql(
        "SELECT DISTINCT data_type FROM duckdb_columns() WHERE schema_name IN ('bronze', 'silver')"
    ).rows
    rounding = ("DOUBLE", "FLOAT", "HUGEINT")
    assert [kind for (kind,) in kinds if any(word in str(kind) for word in rounding)] == []
    assert ("DECIMAL(38,18)",) in kinds
