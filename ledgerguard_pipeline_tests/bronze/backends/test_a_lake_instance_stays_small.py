"""DuckLake keeps what it knows of each snapshot it has read; ours is let go before it fills the memory."""

from __future__ import annotations

import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.bronze.backends import ducklake_connections
from ledgerguard_pipeline.bronze.backends.ducklake_connections import instances, kept_bytes
from ledgerguard_pipeline.config.bronze_url import LakeAddress
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.bronze.records import REALM, load, record
from ledgerguard_pipeline_tests.lakes import lake_address

MOST = 6_000
COMMITS = 10


@pytest.fixture
def address(lake_url: str) -> LakeAddress:
    return lake_address(lake_url)


def test_no_two_instances_spill_into_one_folder(address: LakeAddress) -> None:
    """DuckDB gives files of the same names to both."""
    instances.drop(address)
    asked = "SELECT current_setting('temp_directory')"
    folders = [
        instances.cursor(address, read_only=read_only).execute(asked).fetchall()
        for read_only in (True, False)
    ]
    assert folders[0] != folders[1]


def kept(address: LakeAddress) -> dict[bool, int]:
    """Bytes kept by the reading instance (True) and the writing one."""
    return {
        read_only: kept_bytes(instances.cursor(address, read_only=read_only))
        for read_only in (True, False)
    }


def work(store: BronzeStore, first: int) -> None:
    """Commit one row after the other, and read them as notebooks and pages do."""
    for each in range(first, first + COMMITS):
        store.commit([load(record(str(each)))])
        found = store.current(REALM, entity_type("Invoice"), [str(each)])
        assert set(found) == {str(each)}
    assert store.sql("SELECT count(*) FROM invoice").rows == [(first + COMMITS,)]


def test_an_instance_that_keeps_too_much_gives_way_to_a_new_one(
    address: LakeAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    instances.drop(address)
    store = BronzeStore(address, Environment.SANDBOX)
    work(store, 0)
    before = kept(address)
    assert min(before.values()) > MOST, "otherwise there is nothing to be let go of"
    monkeypatch.setattr(ducklake_connections, "MOST_KEPT_BYTES", MOST)
    monkeypatch.setattr(ducklake_connections, "LOOK_EVERY", 4)
    working = instances.cursor(address, read_only=True)
    work(store, COMMITS)
    after = kept(address)
    assert all(after[each] < before[each] for each in (True, False)), (before, after)
    (counted,) = working.execute("SELECT count(*) FROM ledgerguard.bronze.invoice").fetchall()
    assert counted == (2 * COMMITS,), "whoever was at work with the old one goes on"
