"""Empty lakes for tests: catalogs in the one PostgreSQL of the test process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledgerguard_pipeline.addresses import LakeAddress, parse_bronze_url
from ledgerguard_pipeline.bronze.attached import instances
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


def lake_address(url: str) -> LakeAddress:
    address = parse_bronze_url(url)
    assert isinstance(address, LakeAddress)
    return address
