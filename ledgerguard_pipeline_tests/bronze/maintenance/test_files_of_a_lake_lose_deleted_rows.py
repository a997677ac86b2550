"""Maintenance writes files without the rows that were deleted from them; older snapshots stay as they were."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.bronze.backends.ducklake import DuckLake
from ledgerguard_pipeline.bronze.maintenance import rewriting, upkeep
from ledgerguard_pipeline.clock import SYSTEM_CLOCK
from ledgerguard_pipeline.config.bronze_url import LakeAddress
from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.values import Environment, RealmId
from ledgerguard_pipeline_tests.bronze.records import OTHER_REALM, REALM, after, load, record
from ledgerguard_pipeline_tests.lakes import lake_address

PRICES = "ledgerguard.silver.price"
ALL = 600


@pytest.fixture
def lake(lake_url: str) -> BronzeStore:
    return BronzeStore(lake_address(lake_url), Environment.SANDBOX)


def write(lake: BronzeStore, *statements: str) -> None:
    """In one transaction, as Silver is written."""

    def work(session: OpenStore, _: object) -> None:
        for statement in ("BEGIN", *statements, "COMMIT"):
            session.connection.execute(statement)

    lake.beside(work)


def change(lake: BronzeStore, ids: Sequence[int], amount: int) -> None:
    """Rows are replaced, as those of changed objects."""
    listed = ", ".join(map(str, ids))
    values = ", ".join(f"('{REALM}', {each}, {amount})" for each in ids)
    write(
        lake,
        f"DELETE FROM {PRICES} WHERE id IN ({listed})",
        f"INSERT INTO {PRICES} VALUES {values}",
    )


def files(lake: BronzeStore, table: str = "price", schema: str = "silver") -> tuple[int, int]:
    """Files of a table, and how many of them have deleted rows."""
    found: list[tuple[int, int]] = []

    def work(session: OpenStore, _: object) -> None:
        asked = session.connection.execute(
            "SELECT count(*), count(delete_file) "
            f"FROM ducklake_list_files('ledgerguard', '{table}', schema => '{schema}')"
        )
        found.extend(asked.fetchall())

    lake.beside(work)
    return found[-1]


def snapshots(lake: BronzeStore) -> dict[int, object]:
    """What each snapshot shows of the table: rows, what a filter finds, and what sorts first."""
    found: dict[int, object] = {}

    def work(session: OpenStore, _: object) -> None:
        ask = session.connection.execute
        kept = ask("SELECT snapshot_id FROM ducklake_snapshots('ledgerguard')").fetchall()
        for (version,) in kept:
            then = f"{PRICES} AT (VERSION => {version})"
            try:
                found[version] = (
                    ask(f"SELECT count(*), sum(amount) FROM {then}").fetchall(),
                    ask(f"SELECT count(*) FROM {then} WHERE amount <= 10").fetchall(),
                    ask(f"SELECT id FROM {then} ORDER BY amount, id LIMIT 3").fetchall(),
                )
            except duckdb.CatalogException:
                continue  # before there was a table

    lake.beside(work)
    return found


@pytest.fixture
def prices(lake: BronzeStore) -> BronzeStore:
    write(
        lake,
        "CREATE SCHEMA IF NOT EXISTS ledgerguard.silver",
        f"DROP TABLE IF EXISTS {PRICES}",
        f"CREATE TABLE {PRICES} (realm_id VARCHAR, id BIGINT, amount BIGINT)",
        f"INSERT INTO {PRICES} SELECT '{REALM}', i, i FROM range({ALL}) AS r (i)",
    )
    return lake


def test_a_table_that_changes_every_day_keeps_few_files_and_old_snapshots_their_rows(
    prices: BronzeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    known: dict[int, object] = {}
    for day in range(5):
        # The smallest ones go first: minima that hold for today do not for yesterday.
        change(prices, range(day * 5, day * 5 + 5), 10_000 + day)
        change(prices, range(100 + day * 60, 160 + day * 60), 20_000 + day)
        known |= snapshots(prices)
        assert prices.maintain().files_rewritten
        now = snapshots(prices)
        assert {version: now[version] for version in known} == known
        assert files(prices) == (1, 0)
    monkeypatch.setattr(upkeep, "KEEP", timedelta(0))
    newest = max(known)
    prices.maintain()
    assert list(snapshots(prices).values()) == [known[newest]], "the others are forgotten"


def test_who_began_to_read_before_reads_on(prices: BronzeStore, lake_url: str) -> None:
    address = lake_address(lake_url)
    assert isinstance(address, LakeAddress)
    reader = DuckLake(address, clock=SYSTEM_CLOCK, wait_seconds=5.0)
    with reader.reading() as session:
        write(prices, f"DELETE FROM {PRICES} WHERE amount < {ALL - 10}")
        assert prices.maintain().files_rewritten == 1
        low = f"SELECT count(*) FROM {PRICES} WHERE amount < 10"
        assert session.connection.execute(low).fetchall() == [(10,)]
    with reader.reading() as session:
        assert session.connection.execute(low).fetchall() == [(0,)]


def test_a_large_file_waits_until_much_of_it_is_deleted(
    prices: BronzeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewriting, "SMALL", 0)
    write(prices, f"DELETE FROM {PRICES} WHERE id < {ALL // 10}")
    assert prices.maintain().files_rewritten == 0
    assert files(prices) == (1, 1)
    write(prices, f"DELETE FROM {PRICES} WHERE id < {ALL // 4}")
    assert prices.maintain().files_rewritten == 1
    assert files(prices) == (1, 0)


def test_a_file_that_would_keep_others_waiting_is_written_anew_on_request_only(
    prices: BronzeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewriting, "SMALL", 0)
    monkeypatch.setattr(rewriting, "_AT_ONCE", 100)
    write(prices, f"DELETE FROM {PRICES} WHERE id < {ALL // 2}")
    assert prices.maintain().files_rewritten == 0
    prices.rewrite_files(['"ledgerguard"."silver"."other"'])
    assert files(prices) == (1, 1)
    prices.rewrite_files(['"ledgerguard"."silver"."price"'])
    assert files(prices) == (1, 0)


def test_a_file_of_which_every_row_was_replaced_goes_too(
    prices: BronzeStore,
) -> None:
    """DuckLake keeps it where the last deletions had been noted in the catalog."""
    for amount in range(ALL // 40):
        change(prices, range(amount * 40, amount * 40 + 40), 10_000 + amount)
    known = snapshots(prices)
    assert prices.maintain().files_rewritten
    now = snapshots(prices)
    assert {version: now[version] for version in known} == known
    assert files(prices) == (1, 0)


def test_nothing_of_a_forgotten_company_stays_in_any_file(
    lake: BronzeStore, lake_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows were in files with those of others."""
    data = Path(lake_url.rpartition("=")[2])
    for realm in (REALM, OTHER_REALM):
        rows = [record(str(n), f'{{"Id":"{n}","Memo":"of {realm}"}}') for n in range(80)]
        lake.commit([load(*rows, realm=realm, id=f"of-{realm[-2:]}", watermark=after(0))])
    lake.maintain()
    monkeypatch.setattr(rewriting, "SMALL", 0)  # a small part of large files
    settings = load_settings(ledgerguard_home=tmp_path / "home", ledgerguard_bronze_url=lake_url)

    with Installation.open(settings) as installation:
        installation.forget(RealmId(REALM), delete_rows=True)

    assert lake.counts(OTHER_REALM) == {"Invoice": 80}
    assert found(data, str(REALM)), "of snapshots that somebody may be reading"

    monkeypatch.setattr(upkeep, "KEEP", timedelta(seconds=-1))
    lake.maintain()
    lake.maintain()
    assert found(data, str(OTHER_REALM))
    assert found(data, str(REALM)) == []
    assert lake.counts(OTHER_REALM) == {"Invoice": 80}


def found(data: Path, realm: str) -> list[str]:
    """The files with rows of a company."""
    with duckdb.connect() as connection:
        return [
            path.name
            for path in data.rglob("*.parquet")
            if any(
                realm in str(row)
                for row in connection.execute(f"FROM read_parquet('{path}')").fetchall()
            )
        ]
