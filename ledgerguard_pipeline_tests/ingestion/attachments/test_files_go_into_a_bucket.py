"""A bucket behind S3's interface keeps attached files as a folder does."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer
from pyarrow.fs import FileSelector, FileType, S3FileSystem

from ledgerguard_pipeline.bronze.attachments import AttachmentFiles
from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.errors import IngestionError
from ledgerguard_pipeline.ingestion.attachments.folder import FileFolder, open_folder
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.conftest import connect
from ledgerguard_pipeline_tests.ingestion.company_books import sync

SECRET = "made-up-object-store-secret"
BUCKET = "books"
PREFIX = f"{BUCKET}/ledgerguard/files"


@pytest.fixture(scope="module")
def object_store() -> Iterator[str]:
    """The address of an object store on this machine, with one empty bucket."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    bucket(address, allow_bucket_creation=True).create_dir(BUCKET)
    yield address
    server.stop()


@pytest.fixture
def store(object_store: str, monkeypatch: pytest.MonkeyPatch) -> S3FileSystem:
    """That bucket as the settings of this process name it."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "made-up-key-id",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": object_store,
        "LEDGERGUARD_ATTACHMENTS_URL": f"s3://{PREFIX}/",
    }.items():
        monkeypatch.setenv(name, value)
    return bucket(object_store)


def bucket(address: str, **more: bool) -> S3FileSystem:
    return S3FileSystem(
        access_key="made-up-key-id", secret_key=SECRET, region="us-east-1",
        endpoint_override=address, **more,
    )  # fmt: skip


def objects(store: S3FileSystem) -> dict[str, bytes]:
    """Every file below the prefix, by its path there."""
    found = store.get_file_info(FileSelector(PREFIX, recursive=True, allow_not_found=True))
    return {
        each.path.removeprefix(f"{PREFIX}/"): store.open_input_stream(each.path).read()
        for each in found
        if each.type is FileType.File
    }


def folder() -> FileFolder:
    return open_folder(load_settings())


def test_every_file_is_one_object_with_its_bytes_and_is_not_sent_again(
    home: Path, sandbox: SandboxServer, store: S3FileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "INTUIT_CLIENT_ID": sandbox.client_id, "INTUIT_CLIENT_SECRET": sandbox.client_secret,
        "INTUIT_BASE_URL": sandbox.base_url, "LEDGERGUARD_ENTITIES": "Attachable",
        "LEDGERGUARD_SILVER": "off",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    realm = RealmId(sandbox.realm_id)
    with Installation.open(load_settings()) as installation:
        connect(installation, sandbox)
        assert not sync(installation, [entity_type("Attachable")]).errors
        with installation.attachment_loads(realm) as loads:
            first = loads.load(realm)
        kept = AttachmentFiles(installation.bronze.workspace).kept(realm)
        with installation.attachment_loads(realm) as loads:
            again = loads.load(realm)
    assert (first.new, first.kept, first.failed) == (24, 24, [])
    assert (again.new, again.kept) == (0, 24)
    stored = {path: content for path, content in objects(store).items() if path.startswith(realm)}
    assert {path: hashlib.sha256(content).hexdigest() for path, content in stored.items()} == {
        each.path: each.sha256 for each in kept.values()
    }
    assert {path: len(content) for path, content in stored.items()} == {
        each.path: each.size for each in kept.values()
    }
    assert not (home / "attachments").exists()


def test_an_object_is_there_only_with_all_its_bytes(tmp_path: Path, store: S3FileSystem) -> None:
    found = folder()
    file = tmp_path / "file"
    file.write_bytes(b"x" * 11_000_000)  # more than one part of an upload
    assert not found.has("1/a.pdf", 11_000_000)
    found.put(file, "1/a.pdf")
    assert found.has("1/a.pdf", 11_000_000)
    assert not found.has("1/a.pdf", 10_999_999)
    assert found.address("1/a.pdf") == f"s3://{PREFIX}/1/a.pdf"
    assert objects(store)["1/a.pdf"] == file.read_bytes()
    found.delete(RealmId("1"))


def test_the_files_of_one_company_are_counted_and_deleted_alone(
    tmp_path: Path, store: S3FileSystem
) -> None:
    found = folder()
    file = tmp_path / "file"
    file.write_bytes(b"bytes")
    for path in ("11/a.pdf", "11/b.pdf", "111/c.pdf"):
        found.put(file, path)
    assert [len(found.held(RealmId(each))) for each in ("11", "111", "12")] == [2, 1, 0]
    assert found.held(RealmId("111")) == {"111/c.pdf": 5}
    found.delete(RealmId("11"))
    found.delete(RealmId("12"))
    assert {path for path in objects(store) if path.startswith("11")} == {"111/c.pdf"}


@pytest.mark.usefixtures("store")
def test_a_bucket_that_is_not_there_says_which_settings_to_look_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGERGUARD_ATTACHMENTS_URL", "s3://no-such-bucket/files")
    file = tmp_path / "file"
    file.write_bytes(b"bytes")
    with pytest.raises(IngestionError, match="AWS_ENDPOINT_URL") as caught:
        folder().put(file, "1/a.pdf")
    assert SECRET not in f"{caught.value} {caught.value.__cause__}"
