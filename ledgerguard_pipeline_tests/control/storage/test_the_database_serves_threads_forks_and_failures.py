from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.counters import CounterStore
from ledgerguard_pipeline.control.database_file import DATABASE_FILE
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.storage import engines
from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.migrate import migrate
from ledgerguard_pipeline.errors import ConfigurationError, ControlUnavailable, Transient
from ledgerguard_pipeline.values import Environment, RealmId
from ledgerguard_pipeline_tests.postgres import postgres_database
from ledgerguard_pipeline_tests.stores import OpenPlane

ROOT = Path(__file__).parents[3]
REALM = RealmId("9341453474484455")

FORK = """
import os, sys
from pydantic import SecretStr
from ledgerguard_pipeline.config.settings import load_settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.values import Environment, RealmId
from ledgerguard_pipeline_tests.postgres import postgres_database

realm = RealmId("9341453474484455")
url = sys.argv[1]
plane = ControlPlane.open(load_settings(ledgerguard_control_url=SecretStr(url) if url else None))
plane.calls.record(realm, entity="Bill", purpose="parent", status=200)
child = os.fork()
plane.calls.record(realm, entity="Bill", purpose="both", status=200)
if child == 0:
    os._exit(0 if plane.calls.month_to_date(realm) >= 2 else 1)
assert os.waitpid(child, 0)[1] == 0
print(plane.calls.month_to_date(realm))
"""


def test_a_plane_inherited_by_a_fork_connects_by_itself(store_settings: Settings) -> None:
    url = store_settings.ledgerguard_control_url
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORK, url.get_secret_value() if url else ""],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LEDGERGUARD_HOME": str(store_settings.ledgerguard_home)},
    )
    assert (done.returncode, done.stdout.strip()) == (0, "3"), done.stderr


def test_a_failed_block_writes_nothing(open_plane: OpenPlane) -> None:
    plane = open_plane()

    def fail_halfway() -> None:
        with plane.database.write("test") as connection:
            connection.execute(
                text("INSERT INTO leases VALUES ('x', 'me', 1, '9999-01-01 00:00:00')")
            )
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert plane.leases.acquire("x", "you", 5) is not None


def test_read_then_write_is_never_interleaved(open_plane: OpenPlane) -> None:
    planes = [open_plane(), open_plane()]
    first = planes[0].leases.acquire("counter", "me", 1)
    assert first is not None

    def bump(each: int) -> None:
        with planes[each % 2].database.write("lease:counter") as connection:
            seen = connection.execute(text("SELECT fence FROM leases")).scalar_one()
            connection.execute(text("UPDATE leases SET fence = :next"), {"next": seen + 1})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(bump, range(60)))
    with planes[0].database.read() as connection:
        assert connection.execute(text("SELECT fence FROM leases")).scalar_one() == 61


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
def test_a_database_of_another_isolation_is_no_reason_to_fail(level: str) -> None:
    """A snapshot taken before the lock would show what was there before it was waited for."""
    with postgres_database() as url:
        with psycopg.connect(url, autocommit=True) as owner:
            name = owner.execute("SELECT current_database()").fetchone()
            assert name is not None
            owner.execute(
                f"ALTER DATABASE {name[0]} SET default_transaction_isolation TO '{level}'"
            )
        databases = [Database(url) for _ in range(2)]
        migrate(databases[0])
        counters = [CounterStore(each, Environment.SANDBOX) for each in databases]

        def count(number: int) -> None:
            database, counter = databases[number % 2], counters[number % 2]
            for _ in range(20):
                with database.write("test") as connection:
                    counter.add_all(connection, "test", {"read": 1.0})

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(count, range(4)))
        assert counters[0].read("test") == {"read": 80.0}
        for each in databases:
            each.close()


def test_sqlite_is_durable_for_tokens_and_shared_by_readers(settings: Settings) -> None:
    with ControlPlane.open(settings) as plane:
        with plane.database.write("test") as connection:
            assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
            assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2
        with plane.database.write("test", durable=False) as connection:
            assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 1
            assert plane.companies.list() == [], "a reader does not wait for a writer"


def test_a_database_locked_too_long_is_a_transient_failure(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ControlPlane.open(settings).close()
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_SECONDS", 0.05)
    other = sqlite3.connect(settings.ledgerguard_home / DATABASE_FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with (
            ControlPlane.open(settings) as plane,
            pytest.raises(ControlUnavailable, match="locked") as caught,
        ):
            plane.calls.record(REALM, entity="Bill", purpose="x", status=200)
    finally:
        other.close()
    assert isinstance(caught.value, Transient)


def test_a_server_that_is_down_is_named_without_its_password(settings: Settings) -> None:
    url = SecretStr("postgresql://me:hunter2@127.0.0.1:1/ledger")
    with pytest.raises(ControlUnavailable, match=r"127\.0\.0\.1") as caught:
        ControlPlane.open(settings.model_copy(update={"ledgerguard_control_url": url}))
    assert "hunter2" not in str(caught.value)


def test_a_home_that_cannot_be_made_is_a_configuration_error(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="LEDGERGUARD_HOME"):
        ControlPlane.open(
            settings.model_copy(update={"ledgerguard_home": tmp_path / "file" / "home"})
        )


def test_a_file_that_is_no_database_is_refused_and_kept(settings: Settings) -> None:
    settings.ledgerguard_home.mkdir()
    file = settings.ledgerguard_home / DATABASE_FILE
    file.write_bytes(b"precious notes" * 100)
    with pytest.raises(ControlUnavailable, match="not a database"):
        ControlPlane.open(settings)
    assert file.read_bytes() == b"precious notes" * 100


def test_ciphertexts_and_values_stay_out_of_error_messages(open_plane: OpenPlane) -> None:
    database: Database = open_plane().database
    with pytest.raises(ControlUnavailable) as caught, database.write("test") as connection:
        connection.execute(text("INSERT INTO nowhere VALUES (:secret)"), {"secret": "s3cr3t"})
    assert "s3cr3t" not in str(caught.value) + str(caught.value.__cause__)
