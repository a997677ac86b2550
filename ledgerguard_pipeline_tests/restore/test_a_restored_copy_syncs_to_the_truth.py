"""Backups taken at different moments, restored together or one of them alone."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ledgerguard_pipeline.cli.doctor.finding import CheckState
from ledgerguard_pipeline.cli.doctor.restored import restored_copies
from ledgerguard_pipeline.cli.stores.backup import write_backup
from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.config.store_settings import BRONZE_FILE
from ledgerguard_pipeline.control.database_file import DATABASE_FILE
from ledgerguard_pipeline.control.tokens.keyring import KEY_FILE
from ledgerguard_pipeline.entities import entity_types
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import Mode
from ledgerguard_pipeline_tests.conftest import connect
from ledgerguard_pipeline_tests.ingestion.company_books import differing, failures, realm_of, sync

WANTED = entity_types(["Invoice", "Customer", "Payment", "Term"])


@pytest.fixture(autouse=True)
def _without_silver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGERGUARD_SILVER", "off")


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(invoices=20) as server:
        # An older control plane does not know of the last calls, so the limits could be met.
        server.set(limits=False)
        yield server


def copy_control(home: Path, to: Path) -> None:
    """A consistent copy of the control database while others write to it."""
    with (
        closing(sqlite3.connect(home / DATABASE_FILE)) as source,
        closing(sqlite3.connect(to / DATABASE_FILE)) as target,
    ):
        source.backup(target)
    if (home / KEY_FILE).exists():
        shutil.copy(home / KEY_FILE, to / KEY_FILE)


def restore(file: str, copies: Path, home: Path) -> None:
    """Put one file of a backup in its place; nothing runs meanwhile."""
    for left in home.glob(f"{file}*"):
        left.unlink()
    shutil.copy(copies / file, home / file)


def findings(settings: Settings) -> list[str]:
    return [each.text for each in restored_copies(settings) if each.state is not CheckState.GOOD]


_seconds = itertools.count(2, 2)


def edit(sandbox: SandboxServer) -> None:
    """Some edits, never in the second of a sync before: two states of a second look alike."""
    sandbox.set(clock_offset_seconds=next(_seconds))
    sandbox.edit("create", "Invoice")
    sandbox.edit("update", "Customer")
    sandbox.edit("delete", "Invoice")


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    folder = tmp_path / "copies"
    folder.mkdir(mode=0o700)
    return folder


def test_a_backup_taken_under_load_syncs_to_the_truth(
    connected: Installation, sandbox: SandboxServer, settings: Settings, copies: Path
) -> None:
    rounds, enough, failed = threading.Semaphore(0), threading.Event(), list[object]()

    def work() -> None:
        while not enough.is_set():
            edit(sandbox)
            failed.extend(failures(sync(connected, WANTED)).items())
            rounds.release()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        assert rounds.acquire(timeout=60)
        write_backup(settings, copies / "of-now")
        assert rounds.acquire(timeout=60)
    finally:
        enough.set()
        worker.join()
    assert failed == []
    edit(sandbox)
    with Installation.open(load_settings(ledgerguard_home=copies / "of-now")) as restored:
        assert failures(sync(restored, WANTED)) == {}
        assert differing(restored, sandbox, WANTED) == {}
        assert findings(restored.settings) == []


def test_a_bronze_older_than_the_control_plane_is_named_and_healed(
    connected: Installation, sandbox: SandboxServer, settings: Settings, copies: Path
) -> None:
    assert failures(sync(connected, WANTED[:3])) == {}
    connected.bronze.snapshot(copies / BRONZE_FILE)
    edit(sandbox)
    assert failures(sync(connected, WANTED)) == {}
    assert findings(settings) == []
    restore(BRONZE_FILE, copies, settings.ledgerguard_home)

    (said,) = findings(settings)
    assert "Bronze is older than the control plane" in said
    assert sandbox.realm_id in said
    with capture_logs() as log:
        healed = sync(connected, WANTED[:3])
    assert [each["event"] for each in log if "older" in each["event"]] == [
        "bronze_is_an_older_copy"
    ]
    assert {each.note for each in healed.results} == {"Bronze was an older copy"}
    states = connected.control.sync_states.read()[realm_of(sandbox)]
    assert states["Term"].last_sync_at is None, "what Bronze has never held was never synced"
    again = sync(connected, WANTED)
    assert failures(again) == {}
    assert [each.note for each in again.results if "older" in (each.note or "")] == []
    assert differing(connected, sandbox, WANTED) == {}
    assert findings(settings) == []


def test_a_control_plane_older_than_bronze_is_named_and_healed(
    settings: Settings, sandbox: SandboxServer, copies: Path, tmp_path: Path
) -> None:
    before_all = tmp_path / "before"
    before_all.mkdir()
    home = settings.ledgerguard_home
    with Installation.open(settings) as installation:
        installation.connector.begin()
        copy_control(home, before_all)
        connect(installation, sandbox)
        assert failures(sync(installation, WANTED[:3])) == {}
        copy_control(home, copies)
        edit(sandbox)
        assert failures(sync(installation, WANTED)) == {}

    restore(DATABASE_FILE, copies, home)
    (said,) = findings(settings)
    assert "The control plane is older than Bronze" in said
    with Installation.open(settings) as installation, capture_logs() as log:
        edit(sandbox)
        assert failures(sync(installation, WANTED)) == {}
        assert differing(installation, sandbox, WANTED) == {}
    assert "control_plane_is_behind_bronze" in {each["event"] for each in log}
    assert findings(settings) == []

    restore(DATABASE_FILE, before_all, home)
    (said,) = findings(settings)
    assert f"rows of company {sandbox.realm_id}, which the control plane does not know" in said
    with Installation.open(settings) as installation:
        connect(installation, sandbox)
        result = sync(installation, WANTED)
        assert failures(result) == {}
        modes = {each.entity: each.mode for each in result.results}
        assert (modes["Payment"], modes["Term"]) == (Mode.CDC, Mode.CDC), "it goes on from its rows"
        assert differing(installation, sandbox, WANTED) == {}
    assert findings(settings) == []


def test_fields_that_only_the_newer_bronze_had_come_back(
    connected: Installation, sandbox: SandboxServer, settings: Settings, copies: Path
) -> None:
    """Rows were read once more to have all custom fields; the older copy is from before that."""
    plain = settings.model_copy(update={"ledgerguard_custom_fields": "first-three"})
    with Installation.open(plain) as installation:
        assert failures(sync(installation, WANTED)) == {}
        assert differing(installation, sandbox, WANTED) != {}
    connected.bronze.snapshot(copies / BRONZE_FILE)
    assert failures(sync(connected, WANTED)) == {}
    assert differing(connected, sandbox, WANTED) == {}
    sandbox.edit("update", "Customer")
    assert failures(sync(connected, WANTED)) == {}

    restore(BRONZE_FILE, copies, settings.ledgerguard_home)
    assert failures(sync(connected, WANTED)) == {}
    assert differing(connected, sandbox, WANTED) == {}
