from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import date
from pathlib import Path

import duckdb
import pytest

from ledgerguard_pipeline.bronze.open_store import open_bronze
from ledgerguard_pipeline.clock import SystemClock
from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.errors import BadInputError, CompanyBusy
from ledgerguard_pipeline.ingestion import renewed_copy
from ledgerguard_pipeline.ingestion.company_sync.lease import CompanyLeases
from ledgerguard_pipeline.installation import NOTEBOOK_COPY, Installation
from ledgerguard_pipeline.tieout.journal_store import JournalStore
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.bronze.records import after, load, record
from ledgerguard_pipeline_tests.bronze.reports.test_reports_are_kept_as_sent import answer
from ledgerguard_pipeline_tests.cli.conftest import Ledgerguard
from ledgerguard_pipeline_tests.web.companies import add

WHY = "Intuit no longer accepts this company's grant. Connect it again."


@pytest.fixture
def settings(home: object, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("INTUIT_CLIENT_ID", "app")
    monkeypatch.setenv("INTUIT_CLIENT_SECRET", "made-up-secret")
    monkeypatch.setenv("INTUIT_BASE_URL", "http://127.0.0.1:9")
    return load_settings()


def gone(settings: Settings, status: ConnectionStatus) -> RealmId:
    with ControlPlane.open(settings) as control:
        error = WHY if status is ConnectionStatus.NEEDS_REAUTH else None
        return add(control, name="Gone & Sons", status=status, error=error)


def test_a_revoked_company_is_an_error_of_every_command(
    ledgerguard: Ledgerguard, settings: Settings
) -> None:
    realm = gone(settings, ConnectionStatus.NEEDS_REAUTH)

    status, synced, doctor = ledgerguard("status"), ledgerguard("sync"), ledgerguard("doctor")

    assert status.code == 1
    assert WHY in status.out
    assert synced.code == 1
    assert all(part in synced.err for part in (realm, "Gone & Sons", WHY))
    assert doctor.code
    (line,) = [each for each in doctor.out.splitlines() if each[6:].startswith(f"company {realm}")]
    assert line.startswith("FAIL")
    assert ".." not in line


def test_a_deliberate_disconnect_is_none_and_can_be_ended(
    ledgerguard: Ledgerguard, settings: Settings
) -> None:
    realm = gone(settings, ConnectionStatus.DISCONNECTED)
    bronze = open_bronze(settings)
    bronze.commit([load(record("1"), realm=realm, watermark=after(0))])

    assert ledgerguard("status").code == 0
    assert f"ok    company {realm}" in ledgerguard("doctor").out
    assert "disconnected on purpose" in ledgerguard("sync").err

    assert "access token" not in ledgerguard("status").out, "there is none"

    unasked = ledgerguard("companies", "forget", realm)
    assert unasked.code == 2
    assert "--yes" in unasked.err

    assert ledgerguard("companies", "forget", realm, "--yes").code == 0
    assert json.loads(ledgerguard("companies", "--json").out) == {"companies": []}
    assert bronze.count("Invoice", realm) == 1, "its rows stay"
    assert ledgerguard("companies", "forget", realm, "--yes").code == 2


def test_its_rows_go_only_where_that_is_asked_for(
    ledgerguard: Ledgerguard, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    realm, other = gone(settings, ConnectionStatus.DISCONNECTED), RealmId("9999")
    bronze = open_bronze(settings)
    bronze.commit(
        [load(record("1"), realm=each, id=each, watermark=after(0)) for each in (realm, other)]
    )
    copies = [tmp_path / "books.duckdb", settings.ledgerguard_home / NOTEBOOK_COPY]
    monkeypatch.setenv("LEDGERGUARD_SNAPSHOT", str(copies[0]))
    for copy in copies:
        copy.parent.mkdir(exist_ok=True)
        bronze.snapshot(copy)

    forgotten = ledgerguard("companies", "forget", realm, "--yes", "--delete-rows", "--json")

    assert json.loads(forgotten.out)["rows_deleted"] is True
    assert (bronze.count("Invoice", realm), bronze.count("Invoice", other)) == (0, 1)
    assert bronze.watermarks(realm) == {}
    for copy in copies:
        with duckdb.connect(str(copy), read_only=True) as connection:
            rows = connection.execute("SELECT realm_id FROM bronze.invoice").fetchall()
        assert rows == [(other,)], "nor does a copy for readers keep them"


def test_a_copy_that_keeps_the_rows_keeps_the_company_until_it_is_gone(
    ledgerguard: Ledgerguard, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    realm = gone(settings, ConnectionStatus.DISCONNECTED)
    bronze = open_bronze(settings)
    bronze.commit([load(record("1"), realm=realm, watermark=after(0))])
    copy = tmp_path / "books.duckdb"
    copy.write_text("somebody's notes")
    monkeypatch.setenv("LEDGERGUARD_SNAPSHOT", str(copy))
    forget = ("companies", "forget", realm, "--yes", "--delete-rows")

    kept = ledgerguard(*forget)

    assert kept.code == 1
    assert f"the copy {copy} cannot be made anew" in kept.err
    assert realm in ledgerguard("companies").out, "so that it can be forgotten again"
    copy.unlink()
    assert ledgerguard(*forget).code == 0
    assert realm not in ledgerguard("companies").out


class Meanwhile(SystemClock):
    """A clock by which something happens whenever somebody waits."""

    def __init__(self, happens: Callable[[], object]) -> None:
        self._happens = happens

    def sleep(self, seconds: float) -> None:  # noqa: ARG002  # none of it is waited
        self._happens()


def test_a_sync_under_way_cannot_bring_back_what_was_forgotten(settings: Settings) -> None:
    realm = gone(settings, ConnectionStatus.DISCONNECTED)
    bronze = open_bronze(settings)
    bronze.commit([load(record("1"), realm=realm, watermark=after(0))])
    syncing = ExitStack()

    def ends() -> None:
        bronze.commit([load(record("2"), realm=realm, id="last", watermark=after(1))])
        syncing.close()

    with ControlPlane.open(settings) as control:
        sync = CompanyLeases(control.leases, control.environment)
        syncing.enter_context(sync.of(realm))
        with Installation.open(settings) as at_once:
            with pytest.raises(CompanyBusy, match="Nothing was forgotten"):
                at_once.forget(realm, delete_rows=True, wait=0)
            assert bronze.count("Invoice", realm) == 1
            assert control.companies.require(realm).realm_id == realm
        with Installation.open(settings, clock=Meanwhile(ends)) as patient:
            patient.forget(realm, delete_rows=True)
        assert bronze.count("Invoice", realm) == 0
        assert control.companies.list() == []


def test_a_company_that_is_connected_again_meanwhile_is_not_forgotten(settings: Settings) -> None:
    realm = gone(settings, ConnectionStatus.DISCONNECTED)
    syncing = ExitStack()

    def comes_back() -> None:
        gone(settings, ConnectionStatus.CONNECTED)
        syncing.close()

    with (
        ControlPlane.open(settings) as control,
        Installation.open(settings, clock=Meanwhile(comes_back)) as installation,
    ):
        syncing.enter_context(CompanyLeases(control.leases, control.environment).of(realm))
        with pytest.raises(BadInputError, match="Disconnect"):
            installation.forget(realm, delete_rows=True)
        assert control.companies.require(realm).status is ConnectionStatus.CONNECTED


def test_a_company_that_is_connected_while_its_rows_go_keeps_its_grant(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    realm = gone(settings, ConnectionStatus.DISCONNECTED)
    open_bronze(settings).commit([load(record("1"), realm=realm, watermark=after(0))])

    def comes_back(*_: object, **_copies: object) -> None:
        gone(settings, ConnectionStatus.CONNECTED)

    monkeypatch.setattr(renewed_copy, "replace_copies", comes_back)
    with Installation.open(settings) as installation:
        with pytest.raises(BadInputError, match="Disconnect"):
            installation.forget(realm, delete_rows=True)
        assert installation.control.companies.require(realm).status is ConnectionStatus.CONNECTED
        assert installation.bronze.count("Invoice", realm) == 0
        assert installation.bronze.watermarks(realm) == {}, "the next sync loads it whole"


def test_a_report_that_comes_late_is_not_kept(settings: Settings) -> None:
    """QuickBooks took its time; the company was disconnected and forgotten meanwhile."""
    realm = gone(settings, ConnectionStatus.DISCONNECTED)
    open_bronze(settings).commit([load(record("1"), realm=realm, watermark=after(0))])
    with Installation.open(settings) as installation:
        reports, journal = installation.bronze.reports, JournalStore(installation.bronze.workspace)
        for _ in ("disconnected", "forgotten"):
            with pytest.raises(BadInputError, match="not connected"):
                reports.save(realm, [answer()])
            with pytest.raises(BadInputError, match="not connected"):
                journal.replace(realm, date(2026, 1, 1), date(2026, 1, 31), [], None)
            with suppress(BadInputError):
                installation.forget(realm, delete_rows=True)
        assert (reports.list(realm), journal.windows(realm)) == ([], [])


def test_a_report_that_comes_while_the_rows_go_goes_with_them(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    realm = gone(settings, ConnectionStatus.NEEDS_REAUTH)
    open_bronze(settings).commit([load(record("1"), realm=realm, watermark=after(0))])
    with Installation.open(settings) as installation:

        def comes(*_: object, **_copies: object) -> None:
            monkeypatch.undo()
            installation.bronze.reports.save(realm, [answer()])
            assert len(installation.bronze.reports.list(realm)) == 1

        monkeypatch.setattr(renewed_copy, "replace_copies", comes)
        installation.forget(realm, delete_rows=True)
        assert installation.bronze.reports.list(realm) == []


@pytest.mark.parametrize("known", [True, False], ids=["forgotten", "never known here"])
def test_rows_that_stayed_can_be_deleted_later(
    ledgerguard: Ledgerguard, settings: Settings, *, known: bool
) -> None:
    """Somebody asks for it, or the control plane was restored without the company."""
    another = gone(settings, ConnectionStatus.DISCONNECTED)
    realm = another if known else RealmId("4444")
    bronze = open_bronze(settings)
    bronze.commit([load(record("1"), realm=realm, watermark=after(0))])
    if known:
        forgotten = ledgerguard("companies", "forget", realm, "--yes")
        assert f"`ledgerguard companies forget {realm} --delete-rows` deletes" in forgotten.out
    assert f"companies forget {realm} --delete-rows" in ledgerguard("doctor").out
    assert ledgerguard("companies", "forget", realm, "--yes").code == 2, "nothing to do"

    deleted = ledgerguard("companies", "forget", realm, "--yes", "--delete-rows")

    assert (deleted.code, "its rows were deleted" in deleted.out) == (0, True)
    assert "Their bytes stay in free blocks" in deleted.err
    assert bronze.count("Invoice", realm) == 0
    again = ledgerguard("companies", "forget", realm, "--yes", "--delete-rows")
    assert (again.code, "never was or was forgotten" in again.err) == (2, True)


def test_files_that_stayed_can_be_deleted_later(
    ledgerguard: Ledgerguard, settings: Settings
) -> None:
    realm = gone(settings, ConnectionStatus.DISCONNECTED)
    file = settings.ledgerguard_home / "attachments" / realm / "0a.pdf"
    file.parent.mkdir(parents=True)
    file.write_text("a receipt")
    assert ledgerguard("companies", "forget", realm, "--yes").code == 0
    deleted = ledgerguard("companies", "forget", realm, "--yes", "--delete-files")
    assert (deleted.code, "1 attached file deleted" in deleted.out) == (0, True)
    assert not file.exists()


def test_a_connected_company_is_not_forgotten(ledgerguard: Ledgerguard, settings: Settings) -> None:
    realm = gone(settings, ConnectionStatus.CONNECTED)
    refused = ledgerguard("companies", "forget", realm, "--yes")
    assert refused.code == 2
    assert f"ledgerguard disconnect {realm}" in refused.err


def test_the_id_of_a_company_is_never_cut(
    ledgerguard: Ledgerguard, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ControlPlane.open(settings) as control:
        realm = add(control, name="A company with quite a long name " * 3)
    from rich.console import Console

    from ledgerguard_pipeline.cli.commands import companies

    narrow = Console(width=60, markup=False)
    monkeypatch.setattr(companies, "console", lambda: narrow)
    assert realm in ledgerguard("companies").out
    assert ledgerguard("companies", "list").out == ledgerguard("companies").out
