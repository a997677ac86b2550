"""Maintenance deletes no file that another lake, or another host's writer, still needs."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.bronze.backends.ducklake_connections import instances
from ledgerguard_pipeline.bronze.backends.writer_locks import lock_connections
from ledgerguard_pipeline.bronze.maintenance.files_owner import NOTE
from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.bronze.records import REALM, load, record
from ledgerguard_pipeline_tests.clocks import WrongClock
from ledgerguard_pipeline_tests.lakes import empty_lake, lake_address

DAYS = timedelta(days=3).total_seconds()
MANY = [record(str(number)) for number in range(200)]
"""More than go into the catalog: they are a file."""


def store(url: str, clock: WrongClock | None = None) -> BronzeStore:
    if clock is None:
        return BronzeStore(lake_address(url), Environment.SANDBOX)
    return BronzeStore(lake_address(url), Environment.SANDBOX, clock=clock)


def test_a_restored_catalog_beside_the_first_deletes_none_of_its_files(tmp_path: Path) -> None:
    """As when somebody tries whether a dump of the catalog can be restored."""
    with empty_lake(tmp_path / "lake") as url:
        lake = store(url)
        lake.commit([load(*MANY)])
        lake.maintain()
        name = lake_address(url).catalog
        dropped = dict(name)["dbname"]
        instances.drop(lake_address(url))
        lock_connections.drop(lake_address(url))
        administrator = url.removeprefix("ducklake:").partition(";")[0]
        copy = f"{dropped}_copy"
        with psycopg.connect(
            administrator.replace(f"/{dropped}?", "/postgres?"), autocommit=True
        ) as server:
            server.execute(f"CREATE DATABASE {copy} TEMPLATE {dropped}")
        restored_url = url.replace(f"/{dropped}?", f"/{copy}?")
        try:
            lake = store(url)
            lake.commit([load(*(record(f"later-{number}") for number in range(200)))])
            restored = store(restored_url)
            assert restored.counts(REALM) == {"Invoice": 200}
            with pytest.raises(BadInputError, match="--take-over") as caught:
                restored.maintain()
            assert dropped in str(caught.value)
            assert copy in str(caught.value)
            lake.maintain()
            assert lake.counts(REALM) == {"Invoice": 400}

            restored.maintain(take_over=True)
            restored.maintain()
            with pytest.raises(BadInputError, match=copy):
                lake.maintain()
        finally:
            instances.drop(lake_address(restored_url))
            lock_connections.drop(lake_address(restored_url))
            with psycopg.connect(
                administrator.replace(f"/{dropped}?", "/postgres?"), autocommit=True
            ) as server:
                server.execute(f"DROP DATABASE {copy} WITH (FORCE)")


def test_a_host_whose_clock_is_ahead_deletes_nothing_that_is_just_being_written(
    lake_url: str,
) -> None:
    store(lake_url).commit([load(*MANY)])
    under_way = Path(lake_address(lake_url).data) / "of-a-writer-before-its-commit.parquet"
    under_way.write_bytes(b"PAR1")
    report = store(lake_url, WrongClock(DAYS)).maintain()
    assert under_way.exists()
    assert (report.files_deleted, report.snapshots_expired) == (0, 0)
    under_way.unlink()


def test_the_note_is_no_file_that_maintenance_deletes(lake_url: str) -> None:
    lake = store(lake_url)
    lake.commit([load(record("1"))])
    lake.maintain()
    note = Path(lake_address(lake_url).data) / NOTE
    said = note.read_text()
    lake.maintain()
    assert note.read_text() == said
    assert lake.name in said
