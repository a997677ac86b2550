"""Silver holds what exists now, after every commit of Bronze."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.values import Environment, State
from ledgerguard_pipeline_tests.silver.books import OTHER_REALM, REALM, Books, store_at


def invoice(total: str, *lines: str, number: str = "1") -> dict[str, object]:
    return {
        "DocNumber": number,
        "TotalAmt": Decimal(total),
        "Line": [
            {"Amount": Decimal(amount), "DetailType": "SalesItemLineDetail"} for amount in lines
        ],
    }


def amounts(books: Books) -> list[tuple[object, ...]]:
    return books.rows("invoice_line", "id", "line_no", "amount")


def test_new_objects_arrive_with_their_lines(books: Books) -> None:
    books.write("Invoice", {"1": invoice("3.5", "1", "2.5"), "2": invoice("7", "7")})
    assert books.rows("invoice", "realm_id", "id", "total_amt", "state") == [
        (REALM, "1", Decimal("3.5"), "active"),
        (REALM, "2", Decimal(7), "active"),
    ]
    assert amounts(books) == [
        ("1", 0, Decimal(1)),
        ("1", 1, Decimal("2.5")),
        ("2", 0, Decimal(7)),
    ]


def test_a_changed_object_replaces_its_row_and_all_its_lines(books: Books) -> None:
    books.write("Invoice", {"1": invoice("3", "1", "2"), "2": invoice("7", "7")})
    books.write("Invoice", {"1": invoice("9", "9")})
    assert books.rows("invoice", "id", "total_amt") == [("1", Decimal(9)), ("2", Decimal(7))]
    assert amounts(books) == [("1", 0, Decimal(9)), ("2", 0, Decimal(7))]


def test_deleted_and_merged_objects_leave_and_voided_ones_stay(books: Books) -> None:
    books.write("Invoice", {str(id): invoice("1", "1") for id in range(4)})
    books.bury("Invoice", "0")
    books.bury("Invoice", "1", state=State.MERGED)
    books.write("Invoice", {"2": invoice("0", "0")}, state=State.VOIDED)
    assert books.rows("invoice", "id", "state") == [("2", "voided"), ("3", "active")]
    assert [row[0] for row in amounts(books)] == ["2", "3"]


def test_an_object_that_comes_back_is_there_again(books: Books) -> None:
    books.write("Invoice", {"1": invoice("1", "1")})
    books.bury("Invoice", "1")
    assert books.rows("invoice", "id") == []
    books.write("Invoice", {"1": invoice("2", "2")})
    assert amounts(books) == [("1", 0, Decimal(2))]


def test_companies_with_the_same_ids_do_not_touch_each_other(books: Books) -> None:
    books.write("Invoice", {"1": invoice("1", "1")})
    books.write("Invoice", {"1": invoice("2", "2")}, realm=OTHER_REALM)
    books.bury("Invoice", "1")
    assert books.rows("invoice", "realm_id", "total_amt") == [(OTHER_REALM, Decimal(2))]


def test_a_store_without_silver_writes_none_and_one_with_it_catches_up(path: Path) -> None:
    without = Books(BronzeStore(path, Environment.SANDBOX))
    without.write("Invoice", {"1": invoice("1", "1"), "2": invoice("2", "2")})
    without.bury("Invoice", "1")
    assert without.store.sql(
        "SELECT count(*) FROM duckdb_schemas() WHERE schema_name = 'silver'"
    ).rows == [(0,)]
    with_silver = Books(store_at(path))
    with_silver.write("Customer", {"9": {"DisplayName": "Ann"}})
    assert with_silver.rows("invoice", "id", "total_amt") == [("2", Decimal(2))]
    assert with_silver.rows("customer", "display_name") == [("Ann",)]


def test_a_sync_that_brings_nothing_leaves_silver_alone(books: Books) -> None:
    books.write("Invoice", {"1": invoice("1", "1")})
    before = books.rows("invoice", "silver_at")
    books.store.commit([])
    outcome = books.commit("Invoice", [])
    assert outcome.written == 0
    assert books.rows("invoice", "silver_at") == before


@pytest.mark.parametrize("many", [1, 40], ids=["one-by-one", "in-columns"])
def test_every_way_of_decoding_keeps_positions_of_lines_and_bundles(
    books: Books, many: int
) -> None:
    """Inner lines are numbered after all others and name the line of their bundle."""
    bundle = {
        "Amount": 9,
        "DetailType": "GroupLineDetail",
        "GroupLineDetail": {
            "GroupItemRef": {"value": "7", "name": "Kit"},
            "Quantity": 3,
            "Line": [
                {"Amount": 4, "DetailType": "SalesItemLineDetail"},
                {
                    "Amount": 5,
                    "DetailType": "SalesItemLineDetail",
                    "LinkedTxn": [{"TxnId": "66", "TxnType": "Estimate"}],
                    "CustomField": [{"DefinitionId": "1", "StringValue": "blue"}],
                },
            ],
        },
    }
    plain = {
        "Amount": 1,
        "DetailType": "SalesItemLineDetail",
        "LinkedTxn": [{"TxnId": "55", "TxnType": "Estimate"}],
    }
    document = {"Line": [plain, bundle, plain], "LinkedTxn": [{"TxnId": "8", "TxnType": "Payment"}]}
    books.write("Invoice", {str(id): document for id in range(many)})
    for id in map(str, range(many)):
        assert books.rows(
            "invoice_line", "line_no", "parent_line_no", "amount", "group_qty", where=f"id = '{id}'"
        ) == [
            (0, None, 1, None),
            (1, None, 9, 3),
            (2, None, 1, None),
            (3, 1, 4, None),
            (4, 1, 5, None),
        ]
        assert books.rows(
            "invoice_linked", "linked_no", "line_no", "txn_id", "amount", where=f"id = '{id}'"
        ) == [(0, None, "8", None), (1, 0, "55", 1), (2, 2, "55", 1), (3, 4, "66", 5)]
        assert books.rows(
            "invoice_custom_field", "line_no", "string_value", where=f"id = '{id}'"
        ) == [(4, "blue")]
