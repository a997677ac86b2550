"""Attached files are downloaded once each, hashed, into a folder; their links are nowhere."""

from __future__ import annotations

import hashlib
import logging
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ledgerguard_pipeline.bronze.attachments import AttachmentFiles
from ledgerguard_pipeline.clock import SYSTEM_CLOCK
from ledgerguard_pipeline.config.attachments_url import Bucket, parse_attachments_url
from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.control.company_state.check_faults import Judged
from ledgerguard_pipeline.dagster import QuickBooksBronze, quickbooks_definitions
from ledgerguard_pipeline.defs.attachments.files import COMPLETE, files_key
from ledgerguard_pipeline.defs.build import build_definitions
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.errors import (
    BadInputError,
    CompanyUnavailable,
    IngestionError,
    QBOAPIError,
    ServiceUnavailable,
)
from ledgerguard_pipeline.ingestion.attachments.folder import LocalFolder, open_folder, path_of
from ledgerguard_pipeline.ingestion.attachments.loads import (
    REFUSED_AT_MOST,
    AttachmentLoad,
    AttachmentLoads,
)
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.qbo.transport.downloads import Downloads
from ledgerguard_pipeline.sandbox.api.downloads import content
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.conftest import SandboxFactory, connect
from ledgerguard_pipeline_tests.defs.conftest import SECOND, company
from ledgerguard_pipeline_tests.ingestion.company_books import sync

ATTACHABLE = entity_type("Attachable")
SIGNATURE = re.compile(rb"Signature=[0-9a-f]{16}")


@pytest.fixture(scope="module")
def sandbox(sandbox_factory: SandboxFactory) -> SandboxServer:
    return sandbox_factory(invoices=8)


@pytest.fixture
def books(sandbox: SandboxServer, settings: Settings) -> Iterator[Installation]:
    """A company whose attachments are loaded, and none of their files."""
    sandbox.set(link_member=True, refused_downloads=0, limits=False, poison=[])
    sandbox.clear_faults()
    chosen = settings.model_copy(
        update={"ledgerguard_attachments": "files", "ledgerguard_entities": ("Attachable",)}
    )
    with Installation.open(chosen) as installation:
        connect(installation, sandbox)
        assert not sync(installation, [ATTACHABLE]).errors
        sandbox.pop_log()
        yield installation


def load(books: Installation, realm: str) -> AttachmentLoad:
    with Downloads(books.settings.intuit_base_url, SYSTEM_CLOCK) as downloads:
        loads = AttachmentLoads(
            books.client(RealmId(realm)), books.bronze, open_folder(books.settings), downloads,
            SYSTEM_CLOCK, "run",
        )  # fmt: skip
        return loads.load(RealmId(realm))


def downloads(sandbox: SandboxServer) -> list[str]:
    return [each.target for each in sandbox.pop_log() if each.endpoint == "download"]


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_every_file_comes_once_with_its_hash_and_its_link_stays_nowhere(
    books: Installation, sandbox: SandboxServer, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    realm = sandbox.realm_id
    files = AttachmentFiles(books.bronze.workspace)
    attached = {each.id: each for each in files.attached(realm)}
    assert len(attached) == 24, "notes have no file"
    first = load(books, realm)
    assert (first.new, first.kept, first.attached, first.failed) == (24, 24, 24, [])
    assert sorted(downloads(sandbox)) == sorted(attached)
    for id, kept in files.kept(realm).items():
        size = attached[id].size
        assert size is not None
        path = home / "attachments" / kept.path
        expected = content(realm, id, size)
        assert path.read_bytes() == expected
        assert kept.sha256 == hashlib.sha256(expected).hexdigest()
        assert kept.path == path_of(realm, kept.sha256, attached[id].file_name)
        assert (kept.size, path.suffix, path.stat().st_mode & 0o077) == (size, ".pdf", 0)
    assert (home / "attachments").stat().st_mode & 0o077 == 0

    again = load(books, realm)
    assert (again.new, again.kept) == (0, 24)
    assert sandbox.pop_log() == [], "not even a call"
    assert not SIGNATURE.search(everything(home))
    assert not re.search("Signature=[0-9a-f]{16}", caplog.text)


def test_a_file_that_is_not_in_the_folder_any_more_comes_again_and_no_other(
    books: Installation, sandbox: SandboxServer, home: Path
) -> None:
    realm = sandbox.realm_id
    load(books, realm)
    kept = AttachmentFiles(books.bronze.workspace).kept(realm)
    lost, half = (home / "attachments" / each.path for each in list(kept.values())[:2])
    expected = {path: path.read_bytes() for path in (lost, half)}
    lost.unlink()
    half.write_bytes(b"half")
    sandbox.pop_log()
    again = load(books, realm)
    assert (again.new, again.kept, again.failed) == (2, 24, [])
    assert sorted(downloads(sandbox)) == sorted(list(kept)[:2])
    assert {path: path.read_bytes() for path in (lost, half)} == expected


def test_what_is_written_about_a_file_is_no_new_file(
    books: Installation, sandbox: SandboxServer
) -> None:
    realm = sandbox.realm_id
    load(books, realm)
    sandbox.edit("update", "Attachable")
    sync(books, [ATTACHABLE])
    sandbox.pop_log()
    assert load(books, realm).new == 0
    assert downloads(sandbox) == []


def test_a_link_that_has_ended_is_asked_for_again(
    books: Installation, sandbox: SandboxServer
) -> None:
    sandbox.set(refused_downloads=1)
    found = load(books, sandbox.realm_id)
    assert (found.new, found.failed) == (24, [])
    log = sandbox.pop_log()
    assert [each.status for each in log if each.endpoint == "download"].count(403) == 1
    assert sum(each.endpoint != "download" for each in log) == 2, "one call for all, one again"


def test_links_come_from_the_download_endpoint_where_records_have_none(
    books: Installation, sandbox: SandboxServer
) -> None:
    sandbox.set(link_member=False)
    assert load(books, sandbox.realm_id).new == 24


def test_an_attachment_whose_link_is_refused_costs_itself_alone_and_one_call(
    books: Installation, sandbox: SandboxServer
) -> None:
    sandbox.set(link_member=False)
    sandbox.inject("processing_error", skip=1, next=1)  # the first of the links, not their query
    found = load(books, sandbox.realm_id)
    assert (found.new, len(found.failed)) == (23, 1)
    calls = [each for each in sandbox.pop_log() if each.endpoint != "download"]
    assert len(calls) == 1 + 24, "nobody asks a second time for a link that was refused"


@pytest.mark.parametrize("poisoned", [1, 2])
def test_an_attachment_that_quickbooks_cannot_render_keeps_no_other_file_away(
    books: Installation, sandbox: SandboxServer, poisoned: int
) -> None:
    realm = sandbox.realm_id
    ids = [each.id for each in AttachmentFiles(books.bronze.workspace).attached(realm)]
    ill = ids[3 : 3 + poisoned]
    sandbox.set(poison=[["Attachable", id] for id in ill])
    first = load(books, realm)
    assert (first.new, [each.id for each in first.failed]) == (24 - poisoned, ill)
    assert all(each.reason for each in first.failed)
    sandbox.pop_log()
    again = load(books, realm)
    assert (again.new, again.kept, [each.id for each in again.failed]) == (0, 24 - poisoned, ill)
    assert len(sandbox.pop_log()) == 2 * poisoned - 1, "the others are not asked for again"
    sandbox.set(poison=[])
    assert load(books, realm).kept == 24


def test_links_that_are_all_refused_are_not_looked_for_one_by_one(
    books: Installation, sandbox: SandboxServer
) -> None:
    realm = sandbox.realm_id
    ids = [each.id for each in AttachmentFiles(books.bronze.workspace).attached(realm)]
    sandbox.set(poison=[["Attachable", id] for id in ids])
    found = load(books, realm)
    assert sorted(each.id for each in found.failed) == sorted(ids)
    assert found.kept == 0
    assert len(sandbox.pop_log()) <= 2 * REFUSED_AT_MOST + 6


def test_a_company_that_may_not_be_called_any_more_is_not_asked_for_each_file(
    books: Installation, sandbox: SandboxServer
) -> None:
    sandbox.set(refused_downloads=1000)
    sandbox.inject("company_expired", next=1000, endpoint="query", skip=1)
    with pytest.raises(CompanyUnavailable, match="subscription"):
        load(books, sandbox.realm_id)
    assert [call.status for call in sandbox.pop_log() if call.endpoint == "query"] == [200, 400]


@pytest.mark.parametrize("kind", ["truncated", "reset", "error_503_html"])
def test_a_file_that_does_not_come_costs_that_file_and_is_taken_up_later(
    books: Installation, sandbox: SandboxServer, kind: str
) -> None:
    realm = sandbox.realm_id
    sandbox.inject(kind, endpoint="download", next=1)
    first = load(books, realm)
    assert (first.new, len(first.failed)) == (23, 1)
    assert "http" not in first.failed[0].reason.lower().replace("(http ", "(")
    sandbox.clear_faults()
    sandbox.pop_log()
    assert load(books, realm).new == 1
    assert downloads(sandbox) == [first.failed[0].id]


def test_a_folder_that_cannot_be_written_stops_the_load_and_says_what_to_do(
    books: Installation, sandbox: SandboxServer, tmp_path: Path
) -> None:
    blocked = tmp_path / "a-file"
    blocked.write_text("no folder")
    with Downloads(books.settings.intuit_base_url, SYSTEM_CLOCK) as session:
        loads = AttachmentLoads(
            books.client(RealmId(sandbox.realm_id)), books.bronze, LocalFolder(blocked / "x"),
            session, SYSTEM_CLOCK,
        )  # fmt: skip
        with pytest.raises(IngestionError, match="LEDGERGUARD_ATTACHMENTS_URL"):
            loads.load(RealmId(sandbox.realm_id))


def answer_once(payload: bytes) -> str:
    """A server that answers one request with these bytes and hangs up; its address."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with server, server.accept()[0] as connection:
            connection.recv(65_536)
            connection.sendall(payload)

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{server.getsockname()[1]}/download/1/2?Signature=0123456789abcdef"


@pytest.mark.parametrize(
    "payload,stated,kind",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", None, ServiceUnavailable),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf", 9, ServiceUnavailable),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", None, QBOAPIError),
        (b"garbage", None, ServiceUnavailable),
    ],
)
def test_half_a_file_and_a_detour_are_errors_without_the_link(
    payload: bytes, stated: int | None, kind: type[QBOAPIError]
) -> None:
    got: list[bytes] = []
    with Downloads(None, SYSTEM_CLOCK) as session, pytest.raises(kind) as caught:
        session.fetch(answer_once(payload), got.append, stated)
    said = f"{caught.value} {caught.value.__cause__} {caught.value.__dict__}"
    assert "Signature" not in said
    assert "127.0.0.1" not in said


@pytest.mark.parametrize(
    "link", ["http://files.example.com/a?Signature=1", "ftp://h/a", "https://u:p@h/a", "nonsense"]
)
def test_a_link_that_is_no_https_address_is_not_followed(link: str) -> None:
    with Downloads(None, SYSTEM_CLOCK) as session, pytest.raises(QBOAPIError, match="not followed"):
        session.fetch(link, lambda _: None, None)


@pytest.mark.parametrize(
    "text,expected",
    [
        ("s3://bucket/a/b/", Bucket("bucket", "a/b")),
        ("s3://bucket", Bucket("bucket", "")),
        ("file:///data/files", Path("/data/files")),
    ],
)
def test_files_go_to_a_folder_or_a_bucket(text: str, expected: object) -> None:
    assert parse_attachments_url(text) == expected


@pytest.mark.parametrize("text", ["gs://b", "s3://", "s3://key:secret@b/x", "https://h/x"])
def test_other_addresses_are_refused_as_a_setting(text: str) -> None:
    with pytest.raises(Exception, match="LEDGERGUARD_ATTACHMENTS_URL"):
        load_settings(ledgerguard_attachments_url=text)


def test_the_setting_decides_whether_records_and_files_are_kept() -> None:
    def assets(**more: object) -> set[str]:
        settings = load_settings(ledgerguard_entities=("Attachable", "Term"), **more)
        graph = build_definitions(settings).resolve_asset_graph()
        return {key.to_user_string() for key in graph.get_all_asset_keys()}

    records, files = "qbo/bronze/attachable", "qbo/files/attachment"
    assert records in assets()
    assert files not in assets()
    assert not {records, files} & assets(ledgerguard_attachments="off")
    assert {records, files} <= assets(ledgerguard_attachments="files")


def test_a_company_is_a_partition_of_the_asset_with_a_check(
    books: Installation, sandbox: SandboxServer, home: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "elsewhere"
    installed = QuickBooksBronze(
        home=str(home), client_id=sandbox.client_id, client_secret=sandbox.client_secret,
        base_url=sandbox.base_url,
    )  # fmt: skip
    taken = quickbooks_definitions(
        installed, entities=["Attachable"], silver=False, attachments=True
    )
    assert "quickbooks_attachments_hourly" in {
        each.name for each in taken.get_repository_def().schedule_defs
    }
    sandbox.inject("reset", endpoint="download", next=1)
    with dg.DagsterInstance.ephemeral() as instance, pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEDGERGUARD_ATTACHMENTS_URL", str(kept))
        instance.add_dynamic_partitions("quickbooks_realm", [sandbox.realm_id])
        job = taken.resolve_job_def("quickbooks_attachments")
        done = job.execute_in_process(instance=instance, partition_key=sandbox.realm_id)
        came = len(list(kept.rglob("*.pdf")))
        books.control.companies.put(company(SECOND))
        fault = Judged(
            "Attachable", COMPLETE, "1 of 2 files could not be downloaded.", severe=False
        )
        books.control.check_faults.judged(RealmId(SECOND), [fault])
        again = job.execute_in_process(instance=instance, partition_key=sandbox.realm_id)
    (event,) = done.get_asset_materialization_events()
    metadata = event.step_materialization_data.materialization.metadata
    assert event.asset_key == files_key()
    assert (metadata["new_files"].value, metadata["failed_files"].value) == (23, 1)
    (check,) = done.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == (COMPLETE, False)
    assert "1 of 24 files" in str(check.description)
    # A company that passes does not hide the one that fails.
    (check,) = again.get_asset_check_evaluations()
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert (
        str(check.description)
        == f"Craig's Design ({SECOND}): 1 of 2 files could not be downloaded."
    )
    assert (came, len(list(kept.rglob("*.pdf")))) == (23, 24)
    assert "Signature" not in str(done.all_events)


def test_no_file_comes_after_its_company_was_forgotten(
    books: Installation, sandbox: SandboxServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    realm = RealmId(sandbox.realm_id)
    put = LocalFolder.put

    def put_and_forget(folder: LocalFolder, file: Path, path: str) -> None:
        put(folder, file, path)
        if books.control.companies.list():
            books.connector.disconnect(realm)
            books.forget(realm, delete_rows=True, delete_files=True)

    monkeypatch.setattr(LocalFolder, "put", put_and_forget)
    with books.attachment_loads(realm) as loads, pytest.raises(BadInputError, match="forgotten"):
        loads.load(realm)
    assert not [path for path in (home / "attachments").rglob("*") if path.is_file()]
    assert AttachmentFiles(books.bronze.workspace).kept(realm) == {}
