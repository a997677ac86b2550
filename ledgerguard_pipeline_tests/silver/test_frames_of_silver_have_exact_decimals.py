"""``frame(..., layer="silver")``: typed columns in pandas, every digit of a number."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from ledgerguard_pipeline import DuckDBStorage
from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline_tests.silver.books import OTHER_REALM, REALM, Books

AWKWARD = ["99999999999999.99", "0.1", "100", "0.000000000000000001", "-12345678901234567890.12"]


@pytest.fixture
def storage(path: Path) -> DuckDBStorage:
    return DuckDBStorage(path, "sandbox")


def test_frames_of_silver_have_exact_decimals(storage: DuckDBStorage) -> None:
    books = Books(storage)
    lines = [
        {"Amount": Decimal(text), "DetailType": "SalesItemLineDetail"} for text in (*AWKWARD, "1")
    ]
    books.write(
        "Invoice",
        {
            "10": {"TxnDate": "2026-03-01", "Line": lines, "AllowOnlinePayment": True},
            "9": {"TotalAmt": Decimal("1E+2")},
        },
    )
    books.write("Invoice", {"1": {}}, realm=OTHER_REALM)
    frame = storage.frame("invoice", REALM, layer="silver")
    assert list(frame["id"]) == ["9", "10"]
    assert str(frame["total_amt"][0]) == "100"
    assert frame["total_amt"][1] is None
    assert frame["txn_date"][1] == date(2026, 3, 1)
    assert frame["loaded_at"][0] < datetime.now(UTC)
    assert str(frame["allow_online_payment"].dtype) == "boolean"
    found = storage.frame("invoice_line", layer="silver")
    assert [format(each, "f") for each in found["amount"]] == [*AWKWARD, "1"]
    assert list(storage.frame("sales_line", layer="silver")["amount"]) == list(found["amount"])
    assert list(storage.frame("Invoice", layer="silver", limit=1)["realm_id"]) == [OTHER_REALM]


def test_what_was_never_loaded_is_an_empty_frame_with_all_columns(storage: DuckDBStorage) -> None:
    empty = storage.frame("transfer", layer="silver")
    assert len(empty) == 0
    Books(storage).write("Customer", {"1": {}})
    assert list(storage.frame("Transfer", layer="silver").columns) == list(empty.columns)
    assert {"realm_id", "amount", "from_account_id"} <= set(empty.columns)
    assert storage.frame("Customer").columns[0] == "realm_id"


@pytest.mark.parametrize(
    "name, options, said",
    [
        ("invoyce", {}, "silver.invoice"),
        ("ar_open_as_of", {}, "no table or view"),
        ("invoice", {"as_of": datetime(2026, 1, 1, tzinfo=UTC)}, "layer='bronze'"),
        ("invoice", {"layer": "gold"}, "gold"),
        ("invoice", {"limit": 0}, "`limit`"),
    ],
)
def test_wrong_use_gets_a_sentence(
    storage: DuckDBStorage, name: str, options: dict[str, object], said: str
) -> None:
    with pytest.raises(BadInputError) as error:
        storage.frame(name, **{"layer": "silver", **options})  # type: ignore[arg-type]  # wrong on purpose
    assert said in str(error.value)


def test_a_store_without_silver_says_so(path: Path) -> None:
    without = DuckDBStorage(path, "sandbox", silver=False)
    Books(without).write("Invoice", {"1": {}})
    with pytest.raises(BadInputError, match="LEDGERGUARD_SILVER"):
        without.frame("invoice", layer="silver")
