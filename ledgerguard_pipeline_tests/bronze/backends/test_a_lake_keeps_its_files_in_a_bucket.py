"""A DuckLake whose files are in an object store; the store is moto's, over real HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from moto.server import ThreadedMotoServer
from pyarrow.fs import FileSelector, FileType, S3FileSystem

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.bronze.backends.ducklake_connections import instances
from ledgerguard_pipeline.bronze.backends.writer_locks import lock_connections
from ledgerguard_pipeline.config.bronze_url import LakeAddress, S3Access
from ledgerguard_pipeline.errors import BronzeUnavailable
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.bronze.records import REALM, after, load, record
from ledgerguard_pipeline_tests.lakes import lake_address
from ledgerguard_pipeline_tests.postgres import postgres_database

BUCKET = "books"
SECRET = "made-up-object-store-secret"
MANY = [record(str(number)) for number in range(200)]


class Bucket:
    """One bucket of an object store on this machine."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._files = S3FileSystem(
            access_key="made-up-key-id", secret_key=SECRET, region="us-east-1",
            endpoint_override=endpoint, allow_bucket_creation=True,
        )  # fmt: skip
        self._files.create_dir(BUCKET)

    def names(self) -> set[str]:
        found = self._files.get_file_info(FileSelector(BUCKET, recursive=True))
        return {each.path for each in found if each.type is FileType.File}

    def empty(self) -> None:
        for name in self.names():
            self._files.delete_file(name)


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield Bucket(f"http://{host}:{port}")
    server.stop()


@pytest.fixture
def address(bucket: Bucket) -> Iterator[LakeAddress]:
    access = S3Access("made-up-key-id", SECRET, None, "us-east-1", bucket.endpoint)
    with postgres_database() as url:
        found = replace(lake_address(f"ducklake:{url};data=s3://{BUCKET}/lake"), s3=access)
        yield found
        instances.drop(found)
        lock_connections.drop(found)
    bucket.empty()


def test_a_load_is_written_read_and_maintained(
    address: LakeAddress, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = BronzeStore(address, Environment.SANDBOX)
    lake.commit([load(*MANY, watermark=after(1))])
    lake.commit([load(*(record(f"b{number}") for number in range(200)), watermark=after(2))])
    assert any(name.endswith(".parquet") for name in bucket.names())
    assert lake.counts(REALM) == {"Invoice": 400}
    assert lake.watermarks(REALM) == {"Invoice": after(2)}
    assert lake.sql("SELECT count(DISTINCT payload) FROM invoice").rows == [(400,)]
    monkeypatch.setattr(
        "ledgerguard_pipeline.bronze.maintenance.upkeep.KEEP", -timedelta(seconds=5)
    )
    lake.maintain()
    lake.maintain()
    assert lake.counts(REALM) == {"Invoice": 400}
    assert lake.sql("SELECT count(DISTINCT payload) FROM invoice").rows == [(400,)]


def test_an_object_store_that_is_away_is_named(address: LakeAddress) -> None:
    lake = BronzeStore(address, Environment.SANDBOX)
    lake.commit([load(*MANY)])
    gone = replace(address, s3=replace(address.s3, endpoint="http://127.0.0.1:1"))
    more = [record(f"c{number}") for number in range(200)]
    away = BronzeStore(gone, Environment.SANDBOX, lock_wait_seconds=1)
    uses: tuple[Callable[[], object], ...] = (
        lambda: away.commit([load(*more)]),
        lambda: away.sql("SELECT count(DISTINCT payload) FROM invoice"),
    )
    try:
        for use in uses:
            with pytest.raises(BronzeUnavailable) as caught:
                use()
            assert "127.0.0.1:1" in str(caught.value)
            assert "bring its object store back" in str(caught.value)
    finally:
        instances.drop(gone)
        lock_connections.drop(gone)
