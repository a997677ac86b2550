from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.bronze.maintenance.copy_tables import Content
from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.tieout import tables
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.cli.bronze_file import REALM, make_bronze
from ledgerguard_pipeline_tests.cli.conftest import Ledgerguard
from ledgerguard_pipeline_tests.lakes import empty_lake, lake_address


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with empty_lake(tmp_path / "lake") as lake:
        yield lake


@pytest.fixture
def bronze(home: Path) -> BronzeStore:
    home.mkdir()
    return make_bronze(load_settings().bronze_path)


def test_everything_arrives_verified_and_every_command_goes_on_in_the_lake(
    ledgerguard: Ledgerguard, bronze: BronzeStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bronze.beside(_with_a_journal)
    reported = ledgerguard("bronze", "migrate", "--to", url, "--json")
    assert reported.code == 0, reported.err
    moved = json.loads(reported.out)
    assert moved["verified"] is True
    assert moved["tables"]["customer"] == 1
    assert moved["rows"] == sum(moved["tables"].values())

    again = ledgerguard("bronze", "migrate", "--to", url)
    assert again.code == 2
    assert "already holds a Bronze store" in again.err

    before = bronze.sql("SELECT * FROM customer").rows
    monkeypatch.setenv("LEDGERGUARD_BRONZE_URL", url)
    lake = BronzeStore(lake_address(url), Environment.SANDBOX)
    assert lake.sql("SELECT * FROM customer").rows == before
    assert lake.watermarks(REALM) == bronze.watermarks(REALM)
    assert lake.sql("SELECT realm_id, id FROM silver.v_customer").rows == [(REALM, "1")]
    assert lake.sql("SELECT count(*) FROM silver.dim_party").rows == [(1,)]
    assert lake.sql("SELECT txn_id FROM silver.journal").rows == [("9",)]
    checked = ledgerguard("silver", "check")
    assert checked.code == 0, checked.out
    asked = ledgerguard("sql", "SELECT id FROM bronze.customer_current", "--json")
    assert json.loads(asked.out)["rows"] == [{"id": "1"}]
    kept = ledgerguard("bronze", "maintain")
    assert kept.code == 0, kept.err
    assert "rows moved from the catalog into files" in kept.out
    copied = ledgerguard("snapshot", "books.duckdb")
    assert copied.code == 0, copied.err
    copy = BronzeStore(Path("books.duckdb"), Environment.SANDBOX)
    assert copy.sql("SELECT * FROM customer").rows == before
    assert "Customer" in str(copy.counts())
    assert copy.sql("SELECT txn_id FROM silver.journal").rows == [("9",)]


def _with_a_journal(session: OpenStore, _: object) -> None:
    for statement in tables.create(session.catalog):
        session.connection.execute(statement)
    journal = tables.at(session.catalog, "journal")
    session.connection.execute(f"INSERT INTO {journal} (realm_id, txn_id) VALUES (?, '9')", [REALM])


def test_a_copy_that_differs_is_not_kept(
    ledgerguard: Ledgerguard, bronze: BronzeStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([{"customer": Content(1, 7, 0)}, {"customer": Content(1, 8, 0)}])
    monkeypatch.setattr(
        "ledgerguard_pipeline.bronze.maintenance.migration.contents", lambda *_given: next(answers)
    )
    reported = ledgerguard("bronze", "migrate", "--to", url)
    assert reported.code == 1
    assert "copy of customer differs" in reported.err
    assert BronzeStore(lake_address(url), Environment.SANDBOX).counts() == {}
    assert bronze.counts() == {"Customer": 1}


@pytest.mark.parametrize(
    "to, expected",
    [
        ("duckdb:///elsewhere.duckdb", "only be moved into a DuckLake"),
        ("ducklake:postgres:host=x dbname=y", "without its data path"),
        ("ducklake:postgres:host=x;data=/data/lake", "names no database"),
        ("ducklake:postgres:host=x dbname=y;data=s3://", "names no bucket"),
        ("ducklake:postgres:host=x dbname=y;data=gs://b/c", "a folder or s3://"),
        ("ducklake:sqlite:x;data=/data/lake", "must look like"),
    ],
)
def test_where_it_cannot_go(
    ledgerguard: Ledgerguard, bronze: BronzeStore, to: str, expected: str
) -> None:
    reported = ledgerguard("bronze", "migrate", "--to", to)
    assert reported.code == 2
    assert len(reported.err.splitlines()) == 1
    assert expected in reported.err


@pytest.mark.parametrize(
    "url",
    [
        "ducklake:postgres:host=db user=me password=hidden-word dbname=lake;data=/data/lake",
        "ducklake:postgres:postgresql://me:hidden-word@db/lake;data=/data/lake",
        "ducklake:postgresql://me:hidden-word@db/lake;data=/data/lake",
    ],
)
def test_all_spellings_mean_the_same_and_show_no_password(url: str) -> None:
    address = lake_address(url)
    assert dict(address.catalog) == {"host": "db", "user": "me", "dbname": "lake"}
    assert address.password == "hidden-word"
    assert str(address) == "DuckLake db/lake with data in /data/lake/"
    assert "hidden-word" not in repr(address)


def test_a_machine_without_the_extensions_learns_what_to_install(
    ledgerguard: Ledgerguard, url: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_bronze(home / "quickbooks.duckdb")
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    reported = ledgerguard("bronze", "migrate", "--to", url)
    assert reported.code == 2
    assert "scripts/setup scale" in reported.err
