"""Views and dated macros in a DuckLake: made once by a writer, asked by read-only connections."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.config.bronze_url import parse_bronze_url
from ledgerguard_pipeline.silver.follow import SilverFollower
from ledgerguard_pipeline.silver.views.catalog import READER_VIEWS
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.lakes import empty_lake
from ledgerguard_pipeline_tests.silver.books import Books


@pytest.mark.slow
def test_a_lake_has_the_views_of_readers_too(tmp_path: Path) -> None:
    with empty_lake(tmp_path / "data") as url:
        address = parse_bronze_url(url)
        books = Books(BronzeStore(address, Environment.SANDBOX, follower=SilverFollower()))
        invoice = {"TxnDate": "2026-01-01", "TotalAmt": Decimal(10), "Balance": Decimal(4)}
        books.write("Invoice", {"1": invoice})
        reader = BronzeStore(address, Environment.SANDBOX)
        for view in READER_VIEWS.values():
            columns = reader.sql(f"SELECT * FROM silver.{view.name} LIMIT 1").columns
            assert columns == [column.name for column in view.columns]
        assert reader.sql(
            "SELECT id, open_amt, bucket FROM silver.ar_open_as_of(DATE '2026-01-15')"
        ).rows == [("1", Decimal(4), "1-30")]
