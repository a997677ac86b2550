"""On a DuckLake Silver follows Bronze as it does in a file, and goes along into copies."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.silver.books_tables import JOURNAL
from ledgerguard_pipeline.silver.follow import SilverFollower
from ledgerguard_pipeline.silver.rebuild import make_alike, rebuild
from ledgerguard_pipeline.silver.views.catalog import READER_VIEWS
from ledgerguard_pipeline.tieout import tables as tieout_tables
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
        assert connection.execute("SELECT sum(amount) FROM silver.v_invoice_line").fetchone() == (
            Decimal("0.60"),
        )


def test_a_copy_of_a_lake_has_what_readers_ask(lake: Books, tmp_path: Path) -> None:
    lake.write("Customer", {"7": {"DisplayName": "Acme"}}, realm=OTHER_REALM)
    leg = dict.fromkeys(JOURNAL.types) | {"realm_id": REALM, "txn_id": "1", "leg_no": 0}

    def tied_out(session: OpenStore, _: object) -> None:
        for statement in (
            *tieout_tables.create(session.catalog),
            *tieout_tables.create(session.catalog, tieout_tables.POSTING_TABLES),
        ):
            session.connection.execute(statement)
        marks = ", ".join("?" * len(leg))
        session.connection.execute(
            f"INSERT INTO {session.catalog}.silver.journal VALUES ({marks})", list(leg.values())
        )

    lake.store.beside(tied_out)
    tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'silver'"
    there = {name for (name,) in lake.store.sql(tables).rows}
    assert {"postings", "tie_out", "tax_account", "_journal_windows"} <= there

    copy = lake.store.snapshot(tmp_path / "readers.duckdb")

    with duckdb.connect(str(copy), read_only=True) as connection:
        assert {name for (name,) in connection.execute(tables).fetchall()} == there
        for view in READER_VIEWS:
            connection.execute(f"SELECT * FROM silver.{view}").fetchall()
        parties = connection.execute("SELECT party_id FROM silver.dim_party").fetchall()
        assert parties == [("7",)]
        connection.execute("FROM silver.ar_open_as_of(DATE '2026-01-01')").fetchall()
        assert connection.execute("SELECT txn_id, leg_no FROM silver.journal").fetchall() == [
            ("1", 0)
        ]
