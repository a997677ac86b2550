"""``ledgerguard silver check`` names what is wrong; ``silver rebuild`` makes the tables anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline_tests.cli.conftest import Ledgerguard
from ledgerguard_pipeline_tests.silver.books import OTHER_REALM, REALM, Books, store_at

LINE = {"Amount": 5, "DetailType": "SalesItemLineDetail"}
GOOD = {"TotalAmt": 5, "Balance": 5, "Line": [LINE]}


@pytest.fixture
def books(home: Path) -> Books:
    home.mkdir()
    found = Books(store_at(load_settings().bronze_path))
    found.write("Customer", {"7": {"DisplayName": "Ann"}})
    found.write("Invoice", {"1": GOOD})
    found.write("Invoice", {"1": GOOD | {"TotalAmt": 6}, "2": GOOD}, realm=OTHER_REALM)
    return found


def alter(books: Books, statement: str) -> None:
    def work(session: OpenStore, _: set[str]) -> None:
        session.connection.execute(statement.replace("silver.", f'"{session.catalog}".silver.'))

    books.store.beside(work)


def test_every_company_is_checked_and_what_fails_is_named(
    ledgerguard: Ledgerguard, books: Books
) -> None:
    found = ledgerguard("silver", "check")
    assert found.code == 1
    said = "warning lines_add_up, 1 found: 1: total 6, lines and tax 5"
    assert f"{OTHER_REALM} Invoice: {said}" in found.out
    alter(books, "DELETE FROM silver.invoice WHERE id = '2'")
    found = ledgerguard("silver", "check", "--json", "--entity", "Invoice")
    answer = json.loads(found.out)
    assert (found.code, answer["sound"]) == (1, False)
    assert {one["realm_id"]: one["failed"] for one in answer["companies"]} == {
        REALM: [],
        OTHER_REALM: [
            {
                "entity": "Invoice",
                "check": "level_with_bronze",
                "severity": "error",
                "cases": 1,
                "first": ["2 is missing or old"],
            },
            {
                "entity": "Invoice",
                "check": "lines_add_up",
                "severity": "warning",
                "cases": 1,
                "first": ["1: total 6, lines and tax 5"],
            },
        ],
    }
    sound = ledgerguard("silver", "check", "--company", REALM)
    assert sound.code == 0
    assert sound.out.endswith("checks, 0 failed.\n")


def test_a_table_that_is_gone_is_made_anew_for_every_company(
    ledgerguard: Ledgerguard, books: Books
) -> None:
    lines = "SELECT realm_id, id, amount::INT FROM silver.invoice_line ORDER BY 1, 2"
    before = books.store.sql(lines).rows
    assert len(before) == 3
    alter(books, "DROP TABLE silver.invoice_line")

    done = ledgerguard("silver", "rebuild", "--company", OTHER_REALM, "--entity", "Invoice")

    assert done.code == 0, done.err
    assert books.store.sql(lines).rows == before


def test_what_somebody_broke_is_made_anew(ledgerguard: Ledgerguard, books: Books) -> None:
    alter(books, "UPDATE silver.invoice SET total_amt = 1")
    alter(books, "UPDATE silver.customer SET display_name = 'Bob'")
    one = ledgerguard(
        "silver", "rebuild", "--json", "--company", OTHER_REALM, "--entity", "invoice"
    )
    assert one.code == 0, one.err
    assert json.loads(one.out) == {"entities": [{"entity": "Invoice", "objects": 2, "misfits": 0}]}
    totals = "SELECT realm_id, id, total_amt::INT FROM silver.invoice ORDER BY 1, 2"
    assert books.store.sql(totals).rows == [
        (REALM, "1", 1),
        (OTHER_REALM, "1", 6),
        (OTHER_REALM, "2", 5),
    ]
    alter(books, "DROP TABLE silver.invoice_line")
    whole = ledgerguard("silver", "rebuild")
    assert whole.code == 0, whole.err
    assert "Invoice: 3 objects" in whole.out
    assert books.store.sql(totals).rows[0] == (REALM, "1", 5)
    assert books.store.sql("SELECT display_name FROM silver.customer").rows == [("Ann",)]
    assert books.store.sql("SELECT count(*) FROM silver.invoice_line").rows == [(3,)]


@pytest.mark.parametrize("verb", ["check", "rebuild"])
def test_bad_input_is_one_sentence(
    ledgerguard: Ledgerguard, books: Books, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    strange = ledgerguard("silver", verb, "--company", "1")
    assert strange.code == 2
    assert f"Nothing was loaded of company 1; Bronze holds {REALM}, {OTHER_REALM}." in strange.err
    assert ledgerguard("silver", verb, "--entity", "Invoise").code == 2
    monkeypatch.setenv("LEDGERGUARD_SILVER", "off")
    off = ledgerguard("silver", verb)
    assert (off.code, len(off.err.splitlines())) == (2, 1)
