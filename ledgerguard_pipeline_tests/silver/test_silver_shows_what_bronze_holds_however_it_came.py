"""Who edits or restores a table of Bronze by hand leaves no note; Silver is held against it all the same."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from ledgerguard_pipeline.silver.rebuild import make_alike
from ledgerguard_pipeline_tests.silver.books import OTHER_REALM, REALM, Books, store_at

EDITED = "UPDATE invoice SET payload = replace(payload, '12', '13') WHERE id = '1'"
HIDDEN = "DELETE FROM invoice WHERE id = '1'"
STALE = (
    "DELETE FROM invoice WHERE id = '1' AND loaded_at = "
    "(SELECT max(loaded_at) FROM invoice WHERE id = '1')"
)
DOUBLED = (
    "INSERT INTO invoice SELECT * REPLACE ('77' AS id) FROM invoice WHERE id = '2' AND realm_id = "
    f"'{REALM}'"
)


@pytest.fixture
def books(tmp_path: Path) -> Books:
    made = Books(store_at(tmp_path / "bronze.duckdb"))
    made.write("Invoice", {"1": {"TotalAmt": 11}, "2": {"TotalAmt": 2}})
    made.write("Invoice", {"1": {"TotalAmt": 12}})
    made.write("Customer", {"5": {"DisplayName": "Anna"}})
    made.write("Invoice", {"9": {"TotalAmt": 9}}, realm=OTHER_REALM)
    assert make_alike(made.store, REALM) == []
    return made


@pytest.mark.parametrize(
    "change, totals",
    [
        (EDITED, [("1", 13), ("2", 2), ("9", 9)]),
        (HIDDEN, [("2", 2), ("9", 9)]),
        (STALE, [("1", 11), ("2", 2), ("9", 9)]),
        (DOUBLED, [("1", 12), ("2", 2), ("77", 2), ("9", 9)]),
    ],
    ids=["edited", "hidden", "stale", "doubled"],
)
def test_what_was_done_to_bronze_by_hand_is_shown(
    books: Books, change: str, totals: list[tuple[str, int]]
) -> None:
    books.store.workspace.write(
        REALM, lambda session: session.connection.execute(change).fetchall()
    )
    assert make_alike(books.store, OTHER_REALM) == []
    assert make_alike(books.store, REALM) == ["Invoice"]
    assert make_alike(books.store, REALM) == [], "once is enough"
    expected = [(id, Decimal(total)) for id, total in totals]
    assert sorted(books.rows("invoice", "id", "total_amt")) == expected


def test_a_sound_silver_is_left_alone(books: Books) -> None:
    books.bury("Invoice", "2")
    before = books.store.sql("SELECT max(silver_at) FROM silver._applied").rows
    assert make_alike(books.store, REALM) == []
    assert books.store.sql("SELECT max(silver_at) FROM silver._applied").rows == before
