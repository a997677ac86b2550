"""A process that froze, a host that vanished, a pooler between: others hear of it and go on."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import psycopg
import pytest
from pydantic import SecretStr
from sqlalchemy import TextClause, text

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.storage import engines
from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.migrate import migrate, stored_revision
from ledgerguard_pipeline.control.storage.schema import REVISION
from ledgerguard_pipeline.errors import ControlUnavailable, ControlUnreachable
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.postgres import postgres_database
from ledgerguard_pipeline_tests.postgres_relay import PostgresRelay

REALM = RealmId("9341453474484455")
NOTED = text("INSERT INTO leases VALUES ('x', 'me', 1, '9999-01-01 00:00:00+00')")


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        database.close()


@pytest.fixture
def url() -> Iterator[str]:
    with postgres_database() as url:
        with opened(url) as database:
            migrate(database)
        yield url


def test_who_waits_for_a_frozen_writer_hears_of_it(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(url) as frozen, frozen.write("refresh") as connection:
        connection.execute(NOTED)
        monkeypatch.setattr(engines, "BUSY_TIMEOUT_SECONDS", 0.05)
        with (
            opened(url) as other,
            pytest.raises(ControlUnavailable, match="lock timeout"),
            other.write("refresh"),
        ):
            pytest.fail("two were in one transaction")


def freeze(database: Database, lock: str, work: TextClause, meanwhile: Callable[[], None]) -> None:
    """A transaction that has done something and goes on only after what others do meanwhile."""
    with database.write(lock) as connection:
        connection.execute(work)
        meanwhile()
        connection.execute(text("SELECT 1"))


def test_the_transaction_of_a_frozen_writer_ends(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "FROZEN_SECONDS", 0.2)
    with opened(url) as frozen, opened(url) as other:

        def next_one() -> None:  # waits until the server has ended the first
            with other.write("refresh") as connection:
                count = connection.execute(text("SELECT count(*) FROM leases")).scalar_one()
                assert count == 0

        with pytest.raises(ControlUnavailable):
            freeze(frozen, "refresh", NOTED, next_one)
        with frozen.write("refresh") as connection:
            connection.execute(NOTED)


def test_whoever_starts_during_a_migration_waits_for_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_SECONDS", 0.001)
    monkeypatch.setattr(engines, "FROZEN_SECONDS", 0.3)
    half = text("CREATE TABLE public.half_done (id INTEGER)")
    with postgres_database() as url, opened(url) as migrating, opened(url) as other:
        with pytest.raises(ControlUnavailable):
            freeze(migrating, "migrate", half, lambda: migrate(other))
        with other.read() as connection:
            assert stored_revision(connection) == REVISION


def test_both_ends_notice_that_the_other_is_gone(url: str) -> None:
    with PostgresRelay(url) as relay, opened(relay.url) as database:
        with database.read() as connection:
            driver = connection.connection.driver_connection
            assert isinstance(driver, psycopg.Connection)
            with socket.socket(fileno=os.dup(driver.fileno())) as peer:
                kept = [
                    peer.getsockopt(socket.IPPROTO_TCP, option)
                    for option in (
                        socket.TCP_KEEPIDLE,
                        socket.TCP_KEEPINTVL,
                        socket.TCP_KEEPCNT,
                        socket.TCP_USER_TIMEOUT,
                    )
                ]
        with database.write("x", durable=False):
            pass
    assert kept == [15, 5, 3, 15_000]
    assert len(relay.logins) == 2
    for login in relay.logins:
        assert "-ctcp_keepalives_idle=60" in login["options"].split()


def test_what_an_address_says_counts_before_what_is_proposed(url: str) -> None:
    own = "options=-clock_timeout%3D7s%20-csearch_path%3Dpublic&connect_timeout=3"
    with (
        PostgresRelay(url) as relay,
        opened(f"{relay.url}?{own}") as database,
        database.read() as connection,
    ):
        said = {
            name: connection.execute(text(f"SHOW {name}")).scalar_one()
            for name in ("lock_timeout", "search_path", "transaction_isolation")
        }
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        assert driver.info.get_parameters()["connect_timeout"] == "3"
    assert said == {
        "lock_timeout": "7s",
        "search_path": "ledgerguard",
        "transaction_isolation": "read committed",
    }


def test_a_pooler_that_drops_what_is_said_at_the_login_is_refused(settings: Settings) -> None:
    """Tables would be looked for, and made, in whatever schema the server begins with."""
    with postgres_database() as url, PostgresRelay(url, leaves_options_out=True) as relay:
        address = settings.model_copy(update={"ledgerguard_control_url": SecretStr(relay.url)})
        with pytest.raises(ControlUnreachable, match="PgBouncer") as caught:
            ControlPlane.open(address)
        with psycopg.connect(url) as connection:
            made = connection.execute(
                "SELECT count(*) FROM pg_tables WHERE schemaname IN ('public', 'ledgerguard')"
            ).fetchone()
    assert made == (0,)
    assert caught.value.exit_code == 2
    assert "LEDGERGUARD_CONTROL_URL" in str(caught.value)


def test_a_call_waits_for_no_process_that_puts_old_calls_away(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them begin with it in the same moment, with the half hour."""
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_SECONDS", 0.05)
    clock = FakeClock()
    with (
        postgres_database() as url,
        ExitStack() as stack,
    ):
        address = settings.model_copy(update={"ledgerguard_control_url": SecretStr(url)})

        def plane() -> ControlPlane:
            return stack.enter_context(ControlPlane.open(address, clock=clock))

        first, second, third = plane(), plane(), plane()
        first.calls.record(REALM, entity="Bill", purpose="old", status=200)
        day = clock.now().date()
        clock.advance(timedelta(days=2).total_seconds())
        with psycopg.connect(url) as busy:
            gone = busy.execute("DELETE FROM ledgerguard.call_slots").rowcount
            second.calls.record(REALM, entity="Bill", purpose="new", status=200)
            busy.rollback()
        assert gone == 1
        assert second.history.calls(REALM, day) == {
            day.isoformat(): 1,
            clock.now().date().isoformat(): 1,
        }
        third.calls.record(REALM, entity="Bill", purpose="new", status=200)
        assert third.history.calls(REALM, day) == {
            day.isoformat(): 1,
            clock.now().date().isoformat(): 2,
        }
