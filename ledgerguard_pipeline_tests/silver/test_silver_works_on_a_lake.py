"""On a DuckLake Silver follows Bronze as it does in a file, and goes along into copies."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.silver.follow import SilverFollower
from ledgerguard_pipeline.silver.rebuild import make_alike, rebuild
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.lakes import empty_lake, lake_address
from ledgerguard_pipeline_tests.silver.books import OTHER_REALM, REALM, Books


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    with empty_lake(tmp_path_factory.mktemp("lake")) as url:
        address = lake_address(url)
        yield Books(BronzeStore(address, Environment.SANDBOX, follower=SilverFollower()))


def test_changes_rebuilds_and_copies_agree_on_a_lake(lake: Books, tmp_path: Path) -> None:
    line = {"Amount": Decimal("0.30000000000000004"), "DetailType": "SalesItemLineDetail"}
    lake.write("Invoice", {"1": {"TotalAmt": 1, "Line": [line]}, "2": {"TotalAmt": 2}})
    lake.write("Invoice", {"1": {"TotalAmt": 9}}, realm=OTHER_REALM)
    lake.write("Invoice", {"1": {"TotalAmt": "a lot", "Line": [line, line]}})
    lake.bury("Invoice", "2")
    expected = [("1", None), ("1", Decimal(9))]
    assert lake.rows("invoice", "id", "total_amt") == expected
    lines = [("1", 0, line["Amount"]), ("1", 1, line["Amount"])]
    assert lake.rows("invoice_line", "id", "line_no", "amount") == lines
    assert lake.misfits() == {("1", "TotalAmt", "a lot")}

    assert make_alike(lake.store, REALM) == []
    rebuild(lake.store)
    assert lake.rows("invoice", "id", "total_amt") == expected
    assert lake.rows("invoice_line", "id", "line_no", "amount") == lines

    copy = lake.store.snapshot(tmp_path / "copy.duckdb")
    with duckdb.connect(str(copy), read_only=True) as connection:
        assert (
            connection.execute(
                "SELECT id, total_amt FROM silver.invoice ORDER BY realm_id, id"
            ).fetchall()
            == expected
        )
        assert connection.execute(
            "SELECT sum(amount) FROM silver.invoice_line_narrow"
        ).fetchone() == (Decimal("0.60"),)
