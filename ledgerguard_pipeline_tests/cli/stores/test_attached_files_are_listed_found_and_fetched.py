"""``ledgerguard attachments`` shows which files are here, where one is, and fetches the others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.cli.conftest import Ledgerguard, Outcome
from ledgerguard_pipeline_tests.conftest import SandboxFactory, connect
from ledgerguard_pipeline_tests.ingestion.company_books import sync

FILES = 24


@pytest.fixture(scope="module")
def sandbox(sandbox_factory: SandboxFactory) -> SandboxServer:
    return sandbox_factory(invoices=8)


@pytest.fixture
def realm(sandbox: SandboxServer, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> str:
    """A company whose attachments are loaded, and none of their files."""
    sandbox.clear_faults()
    monkeypatch.setenv("LEDGERGUARD_ENTITIES", "Attachable")
    monkeypatch.setenv("LEDGERGUARD_SILVER", "off")
    chosen = load_settings(ledgerguard_home=settings.ledgerguard_home)
    with Installation.open(chosen) as installation:
        connect(installation, sandbox)
        assert not sync(installation, [entity_type("Attachable")]).errors
    return sandbox.realm_id


def listed(ledgerguard: Ledgerguard) -> list[dict[str, object]]:
    outcome = ledgerguard("attachments", "list", "--json")
    assert outcome.code == 0, outcome.err
    files: list[dict[str, object]] = json.loads(outcome.out)["files"]
    return files


def forgotten(ledgerguard: Ledgerguard, realm: str, *options: str) -> Outcome:
    assert ledgerguard("disconnect", realm).code == 0
    return ledgerguard("companies", "forget", realm, "--yes", *options)


def test_what_is_missing_is_fetched_and_then_found_by_its_id(
    ledgerguard: Ledgerguard, realm: str, home: Path
) -> None:
    before = listed(ledgerguard)
    assert [each["state"] for each in before] == ["missing"] * FILES
    first = str(before[0]["id"])
    unknown = ledgerguard("attachments", "path", first)
    assert unknown.code == 2
    assert "ledgerguard attachments fetch" in unknown.err

    fetched = ledgerguard("attachments", "fetch")
    assert (fetched.code, fetched.err) == (0, "")
    assert f"{realm}: {FILES} new files" in fetched.out
    assert [each["state"] for each in listed(ledgerguard)] == ["here"] * FILES
    found = ledgerguard("attachments", "path", first)
    path = Path(found.out.strip())
    assert path.is_file()
    assert path.is_relative_to(home / "attachments" / realm)
    shown = ledgerguard("attachments", "list").out
    assert str(before[0]["file_name"]) in shown
    assert "not here yet" not in shown

    again = json.loads(ledgerguard("attachments", "fetch", "--json").out)["companies"]
    assert again == [
        {"realm_id": realm, "attached": FILES, "here": FILES, "new": 0, "new_bytes": 0,
         "failed": []}
    ]  # fmt: skip


def test_a_file_that_does_not_come_is_named_and_comes_next_time(
    ledgerguard: Ledgerguard, realm: str, sandbox: SandboxServer
) -> None:
    sandbox.inject("error_503_html", endpoint="download", next=1)
    first = ledgerguard("attachments", "fetch", "--company", realm)
    assert first.code == 1
    assert f"{FILES - 1} new files" in first.out
    assert first.err.startswith(f"Failed: {realm}: ")
    assert "Signature" not in first.err
    assert sum(each["state"] == "missing" for each in listed(ledgerguard)) == 1
    second = ledgerguard("attachments", "fetch")
    assert second.code == 0
    assert "1 new file," in second.out


def test_files_that_are_unknown_are_not_asked_for(
    ledgerguard: Ledgerguard, realm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger = ledgerguard("attachments", "list", "--company", "9341453474484499")
    assert (stranger.code, "ledgerguard companies" in stranger.err) == (2, True)
    monkeypatch.setenv("LEDGERGUARD_ATTACHMENTS", "off")
    refused = ledgerguard("attachments", "fetch", "--company", realm)
    assert refused.code == 2
    assert "LEDGERGUARD_ATTACHMENTS=off" in refused.err


def test_a_forgotten_company_leaves_its_files_and_says_where(
    ledgerguard: Ledgerguard, realm: str, home: Path
) -> None:
    assert ledgerguard("attachments", "fetch").code == 0
    gone = forgotten(ledgerguard, realm)
    folder = home / "attachments" / realm
    assert f"attached files left in {folder}." in gone.out
    assert len(list(folder.iterdir())) == FILES


def test_the_files_of_a_forgotten_company_go_where_that_is_asked_for(
    ledgerguard: Ledgerguard, realm: str, home: Path
) -> None:
    assert ledgerguard("attachments", "fetch").code == 0
    other = home / "attachments" / RealmId("9999") / "kept.pdf"
    other.parent.mkdir()
    other.write_bytes(b"of another company")
    gone = json.loads(forgotten(ledgerguard, realm, "--delete-files", "--json").out)
    assert (gone["files_deleted"], gone["files_kept"]) == (FILES, 0)
    assert [path.name for path in (home / "attachments").rglob("*.pdf")] == ["kept.pdf"]


def test_files_that_were_deleted_with_their_company_are_missing_when_it_comes_back(
    ledgerguard: Ledgerguard, realm: str, sandbox: SandboxServer, home: Path
) -> None:
    assert ledgerguard("attachments", "fetch").code == 0
    assert forgotten(ledgerguard, realm, "--delete-files").code == 0
    with Installation.open(load_settings(ledgerguard_home=home)) as installation:
        connect(installation, sandbox)
    assert [each["state"] for each in listed(ledgerguard)] == ["missing"] * FILES
    assert f"{realm}: {FILES} new files" in ledgerguard("attachments", "fetch").out
    assert [each["state"] for each in listed(ledgerguard)] == ["here"] * FILES


def test_a_bucket_that_does_not_answer_keeps_no_company_from_being_forgotten(
    ledgerguard: Ledgerguard, realm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "LEDGERGUARD_ATTACHMENTS_URL": "s3://books/files", "AWS_ACCESS_KEY_ID": "made-up-key-id",
        "AWS_SECRET_ACCESS_KEY": "made-up", "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    refused = forgotten(ledgerguard, realm, "--delete-files")
    assert (refused.code, "AWS_ENDPOINT_URL" in refused.err) == (1, True)
    gone = ledgerguard("companies", "forget", realm, "--yes")
    assert (gone.code, gone.out.startswith("Forgot ")) == (0, True)
    assert "could not be counted" in gone.err
