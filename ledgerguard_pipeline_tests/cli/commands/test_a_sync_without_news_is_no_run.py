"""``ledgerguard sync``: news become one run of Dagster's, no news none, and nothing is asked twice."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ledgerguard_pipeline.cli.quiet_sync import bring_up_to_date, window_begin
from ledgerguard_pipeline.config.settings import Cadence, load_settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.defs.partitions import partitions_of, windows_of
from ledgerguard_pipeline.errors import CompanyBusy
from ledgerguard_pipeline.ingestion.company_sync.lease import CompanyLeases
from ledgerguard_pipeline.ingestion.progress import use_progress
from ledgerguard_pipeline.ingestion.request import SyncRequest
from ledgerguard_pipeline.ingestion.results import EntityResult
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer, build_companies
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.cli.conftest import COMMAND, Ledgerguard, command_environment
from ledgerguard_pipeline_tests.conftest import connect


@pytest.fixture
def loaded(
    ledgerguard: Ledgerguard, sandbox: SandboxServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> Ledgerguard:
    """A company whose first load is over."""
    for name, value in {
        "INTUIT_CLIENT_ID": sandbox.client_id, "INTUIT_CLIENT_SECRET": sandbox.client_secret,
        "INTUIT_BASE_URL": sandbox.base_url, "LEDGERGUARD_ENTITIES": "Customer,Term",
        "LEDGERGUARD_SILVER": "off",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    with Installation.open(load_settings(ledgerguard_home=home)) as installation:
        connect(installation, sandbox)
    first = ledgerguard("sync", "--json")
    assert first.code == 0, first.err
    assert len(runs(home)) == 1
    sandbox.pop_log()
    return ledgerguard


def runs(home: Path) -> list[str]:
    with closing(sqlite3.connect(home / "dagster" / "history" / "runs.db")) as connection:
        return [status for (status,) in connection.execute("SELECT status FROM runs ORDER BY id")]


def calls(sandbox: SandboxServer) -> int:
    return sum(each.endpoint != "token" for each in sandbox.pop_log())


def test_no_news_is_one_call_and_no_run_and_the_company_is_current(
    loaded: Ledgerguard, sandbox: SandboxServer, home: Path
) -> None:
    realm = RealmId(sandbox.realm_id)
    with ControlPlane.open(load_settings()) as control:
        before = control.sync_states.read([realm])[realm]["Customer"]
        again = loaded("sync", "--json")
        after = control.sync_states.read([realm])[realm]["Customer"]
    found = json.loads(again.out)
    assert (again.code, found["total_entities_written"], found["errors"]) == (0, 0, [])
    assert [each["status"] for each in found["results"]] == ["ok", "ok"]
    assert (calls(sandbox), found["api_calls"]) == (1, 1)
    assert runs(home) == ["SUCCESS"]
    assert before.last_sync_at is not None
    assert after.last_sync_at is not None
    assert after.last_sync_at > before.last_sync_at


def test_news_are_asked_for_once_and_belong_to_a_run(
    loaded: Ledgerguard, sandbox: SandboxServer, home: Path
) -> None:
    id = str(sandbox.edit("update", "Customer", note="News")["id"])
    found = json.loads(loaded("sync", "--json").out)
    written = {each["entity"]: each["written"] for each in found["results"]}
    assert written == {"Customer": 1, "Term": 0}
    assert calls(sandbox) == found["api_calls"] == 2, "the changes, then the whole object"
    assert runs(home) == ["SUCCESS", "SUCCESS"]
    with closing(sqlite3.connect(home / "dagster" / "history" / "runs.db")) as connection:
        (run_id,) = connection.execute("SELECT run_id FROM runs ORDER BY id DESC").fetchone()
    with Installation.open(load_settings()) as installation:
        _, rows = installation.bronze.sql(
            f"SELECT run_id FROM bronze.customer_current WHERE id = '{id}'"
        )
    assert rows == [(run_id,)]


@pytest.mark.parametrize("option", ["--full", "--reconcile", "--since=2026-11-01"])
def test_what_is_asked_for_by_an_option_is_a_run(
    loaded: Ledgerguard, home: Path, option: str
) -> None:
    assert loaded("sync", option).code == 0
    assert len(runs(home)) == 2


def test_an_outage_is_a_failed_run_and_so_is_known_to_everybody_and_its_end_is_a_run_too(
    loaded: Ledgerguard, sandbox: SandboxServer, home: Path
) -> None:
    sandbox.inject("company_expired", probability=1.0)
    assert loaded("sync").code == 1
    sandbox.clear_faults()
    assert loaded("sync").code == 0
    assert runs(home) == ["SUCCESS", "FAILURE", "SUCCESS"]
    assert loaded("sync").code == 0
    assert len(runs(home)) == 3


def test_a_grant_that_is_found_to_have_ended_is_a_failed_run_with_its_reason(
    loaded: Ledgerguard, sandbox: SandboxServer, home: Path
) -> None:
    sandbox.disconnect()
    found = loaded("sync")
    assert found.code == 1
    assert "no longer accepts this company's grant" in found.out
    assert runs(home) == ["SUCCESS", "FAILURE"]


def test_without_news_nothing_large_is_imported(
    loaded: Ledgerguard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGERGUARD_SILVER", "on")
    assert loaded("sync").code == 0, "Silver is made of what is there"
    listed = subprocess.run(
        [sys.executable, "-X", "importtime", *COMMAND[1:], "sync"], env=command_environment(),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert listed.returncode == 0
    modules = {line.rpartition("|")[2].strip() for line in listed.stderr.splitlines()}
    assert "ledgerguard_pipeline.cli.quiet_sync" in modules
    # Of what is spared the name stands there too, and nothing below it.
    large = {
        "dagster",
        "fastapi",
        "pandas.core.frame",
        "pyarrow",
        "numpy",
        "rich.console",
        "alembic",
    }
    assert large & modules == set()


def test_a_window_begins_where_dagsters_does() -> None:
    now = datetime(2026, 11, 26, 15, 4, tzinfo=UTC)
    begins = [window_begin(each, now) for each in ("monthly", "weekly", "daily")]
    assert begins == [
        datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC),
        datetime(2026, 11, 26, tzinfo=UTC),
    ]  # fmt: skip
    assert window_begin("daily", now + timedelta(hours=9)) == datetime(2026, 11, 27, tzinfo=UTC)


@pytest.mark.parametrize("cadence", ["monthly", "weekly", "daily"])
def test_the_window_that_dagster_shows_as_current_begins_there(cadence: Cadence) -> None:
    before = datetime.now(UTC)
    windows = windows_of(partitions_of(cadence, before.date() - timedelta(days=62)))
    current = windows.get_last_partition_window()
    assert current is not None
    assert current.start in {window_begin(cadence, at) for at in (before, datetime.now(UTC))}


class Trying:
    """Tries, whenever an entity type is done, which of these companies others could sync."""

    def __init__(self, installation: Installation, realms: list[RealmId]) -> None:
        control = installation.control
        self._leases = CompanyLeases(control.leases, control.environment)
        self._realms = realms
        self.busy: set[tuple[RealmId, RealmId]] = set()

    def started(self, realm_id: RealmId, entities: tuple[str, ...]) -> None: ...

    def page(self, realm_id: RealmId, entity: str, rows: int, expected: int | None) -> None: ...

    def committed(self, realm_id: RealmId, entity: str, rows: int) -> None: ...

    def calls(self, realm_id: RealmId, http_calls: int) -> None: ...

    def finished(self, result: EntityResult) -> None:
        for realm in self._realms:
            try:
                with self._leases.of(realm):
                    pass
            except CompanyBusy:
                self.busy.add((RealmId(result.realm_id), realm))


def test_a_company_is_held_while_it_is_synced_and_not_while_others_are(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGERGUARD_ENTITIES", "Customer,Term")
    monkeypatch.setenv("LEDGERGUARD_SILVER", "off")
    with SandboxServer(build_companies(2, seed=1, invoices=3)) as sandbox:
        settings = load_settings(
            ledgerguard_home=home, intuit_client_id=sandbox.client_id,
            intuit_client_secret=sandbox.client_secret, intuit_base_url=sandbox.base_url,
        )  # fmt: skip
        with Installation.open(settings) as installation:
            realms = [
                connect(installation, sandbox, realm).realm_id for realm in sandbox.world.companies
            ]
            requests = [SyncRequest(realm, settings.kept_entities) for realm in realms]
            assert bring_up_to_date(installation, requests).ok
            for realm in realms:
                sandbox.edit("update", "Customer", realm_id=realm, note="News")
            seen = Trying(installation, realms)
            with use_progress(seen):
                result = bring_up_to_date(installation, requests)
    assert (result.ok, result.total_entities_written) == (True, 2)
    assert runs(home) == ["SUCCESS"] * 4
    assert seen.busy == {(realm, realm) for realm in realms}
