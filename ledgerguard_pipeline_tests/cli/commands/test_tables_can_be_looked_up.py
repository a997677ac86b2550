"""``ledgerguard tables`` lists what can be asked, and ``sql`` names the nearest table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.silver.relations import relations
from ledgerguard_pipeline_tests.cli.conftest import Ledgerguard
from ledgerguard_pipeline_tests.silver.books import Books, store_at


@pytest.fixture
def books(home: Path) -> Books:
    home.mkdir()
    books = Books(store_at(load_settings().bronze_path))
    books.write("Invoice", {"1": {"TxnDate": "2026-01-01", "Balance": 5}})
    return books


def test_every_table_of_a_store_is_listed_with_the_columns_it_has(
    ledgerguard: Ledgerguard, books: Books
) -> None:
    outcome = ledgerguard("tables", "--json")
    listed = {each["name"]: each for each in json.loads(outcome.out)}
    for schema, name, column in books.store.sql(
        "SELECT table_schema, table_name, column_name FROM information_schema.columns "
        "WHERE table_schema IN ('bronze', 'silver') ORDER BY ALL"
    ).rows:
        if name != "_reader_views" and not str(name).startswith("_"):
            each = listed[f"{schema}.{name}"]
            assert column in [one["name"] for one in each["columns"]]
            assert each["grain"]
            assert each["key"]
    assert {"silver.ar_open", "silver.ar_open_as_of", "silver._misfits", "bronze._loads"} <= set(
        listed
    )


def test_every_example_runs_where_its_table_is_there(books: Books) -> None:
    there = {
        f"{schema}.{name}"
        for schema, name in books.store.sql(
            "SELECT table_schema, table_name FROM information_schema.tables"
        ).rows
    }
    ran = [each for each in relations().values() if each.full_name in there]
    assert len(ran) > 100
    for name in ("silver.ar_open_as_of", *(each.full_name for each in ran[::7])):
        assert books.store.sql(relations()[name].example).columns


def test_one_table_is_described_with_grain_key_columns_and_an_example(
    ledgerguard: Ledgerguard,
) -> None:
    outcome = ledgerguard("tables", "AR_Open")
    assert outcome.code == 0
    for said in ("silver.ar_open (view)", "One row is one Invoice", "Key: realm_id, txn_type"):
        assert said in outcome.out
    for said in ("days_past_due", "DECIMAL(38,18)", "Example: SELECT bucket"):
        assert said in outcome.out
    assert "silver.invoice (table)" in ledgerguard("tables", "invoice").out
    assert "bronze.invoice (table)" in ledgerguard("tables", "bronze.invoice").out


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("tables", "arr_open"), "silver.ar_open"),
        (("sql", "FROM silver.ar_opn"), "silver.ar_open"),
        (("sql", "FROM invoce"), "silver.invoice"),
        (("sql", "FROM ar_open"), "write silver.ar_open"),
        (("sql", "FROM silver.ar_open_as_off(current_date)"), "silver.ar_open_as_of"),
        (("sql", "FROM silver.budget"), "nothing of its kind was loaded"),
        (("sql", "FROM zzzzqqqq"), "`ledgerguard tables` lists all"),
    ],
)
def test_an_unknown_table_is_answered_with_the_nearest(
    ledgerguard: Ledgerguard, books: Books, arguments: tuple[str, ...], said: str
) -> None:
    outcome = ledgerguard(*arguments)
    assert outcome.code == 2
    assert said in outcome.err
    assert len(outcome.err.splitlines()) == 1
