"""Empty lakes for tests: catalogs in the one PostgreSQL of the test process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from ledgerguard_pipeline.bronze.backends.ducklake_connections import instances
from ledgerguard_pipeline.bronze.backends.writer_locks import lock_connections
from ledgerguard_pipeline.bronze.lake_catalog import CATALOG
from ledgerguard_pipeline.bronze.statements import SCHEMA
from ledgerguard_pipeline.config.bronze_url import LakeAddress, parse_bronze_url
from ledgerguard_pipeline_tests.postgres import postgres_database


@contextmanager
def empty_lake(data: Path) -> Iterator[str]:
    """The ``LEDGERGUARD_BRONZE_URL`` of a new lake that is dropped afterwards."""
    with postgres_database() as url:
        lake = f"ducklake:{url};data={data}"
        try:
            yield lake
        finally:
            instances.drop(lake_address(lake))
            lock_connections.drop(lake_address(lake))


def wipe(url: str) -> None:
    """Make a lake empty again: quicker than a new one, because its instances stay attached."""
    connection = instances.cursor(lake_address(url), read_only=False)
    connection.execute(f"DROP SCHEMA IF EXISTS {CATALOG}.{SCHEMA} CASCADE")
    connection.close()


def _administrator(catalog: dict[str, str]) -> psycopg.Connection:
    other = {**catalog, "dbname": "postgres"}
    return psycopg.connect(**other, autocommit=True)  # type: ignore[arg-type]  # libpq parameters


def lake_address(url: str) -> LakeAddress:
    address = parse_bronze_url(url)
    assert isinstance(address, LakeAddress)
    return address


def end_connections(url: str) -> int:
    """Cut every connection to the lake's catalog; how many there were."""
    catalog = dict(lake_address(url).catalog)
    with _administrator(catalog) as connection:
        rows = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [catalog["dbname"]],
        ).fetchall()
    return len(rows)
