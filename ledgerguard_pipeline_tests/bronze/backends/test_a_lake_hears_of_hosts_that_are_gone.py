"""What a writer without a host holds back is given free, whichever connection it was on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.bronze.backends.ducklake_connections import instances
from ledgerguard_pipeline.bronze.backends.writer_locks import conninfo, lock_connections
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.bronze.records import REALM, load, record
from ledgerguard_pipeline_tests.lakes import lake_address
from ledgerguard_pipeline_tests.postgres import postgres_database
from ledgerguard_pipeline_tests.postgres_relay import PostgresRelay


@pytest.fixture
def relay() -> Iterator[PostgresRelay]:
    with postgres_database() as url, PostgresRelay(url) as relay:
        yield relay


def test_every_connection_to_the_catalog_is_asked_for_signs_of_life(
    relay: PostgresRelay, tmp_path: Path
) -> None:
    address = lake_address(
        f"ducklake:{relay.url}?application_name=books&options=-cwork_mem%3D5MB;data={tmp_path}"
    )
    try:
        lake = BronzeStore(address, Environment.SANDBOX)
        lake.commit([load(record("1"))])
        assert lake.counts(REALM) == {"Invoice": 1}
    finally:
        instances.drop(address)
        lock_connections.drop(address)
    # One for the lock, and those of two instances, to write and to read.
    assert len(relay.logins) >= 3
    for login in relay.logins:
        said = login["options"].split()
        assert "-ctcp_keepalives_idle=60" in said
        assert "-cwork_mem=5MB" in said, "what an address says counts as well"
        assert login["application_name"] == "books"


def test_a_server_that_is_gone_is_not_waited_for(relay: PostgresRelay, tmp_path: Path) -> None:
    said = dict(
        each.split("=", 1)
        for each in conninfo(lake_address(f"ducklake:{relay.url};data={tmp_path}")).split()
        if "=" in each
    )
    assert said["tcp_user_timeout"] == "15000"
    assert said["keepalives_idle"] == "15"
    assert said["connect_timeout"] == "10"
