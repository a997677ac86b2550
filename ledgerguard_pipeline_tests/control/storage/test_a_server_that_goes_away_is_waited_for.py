"""Real servers, stopped and started again while stores are in use."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from pydantic import SecretStr

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.tokens.sql_store import Tokens
from ledgerguard_pipeline.errors import ControlUnavailable, ControlUnreachable, Transient
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import connect, delivery, event
from ledgerguard_pipeline_tests.postgres import PostgresProcess
from ledgerguard_pipeline_tests.redis_server import RedisProcess

REALM = RealmId("9341453474484455")


class WaitingClock(FakeClock):
    """Tells when somebody begins to wait, and lets a test act meanwhile."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        super().__init__()
        self._meanwhile = meanwhile

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self._meanwhile()


class Server:
    """One of the two, with the setting that names it."""

    def __init__(self, process: PostgresProcess | RedisProcess, setting: str) -> None:
        self.process = process
        self.setting = setting

    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={self.setting.lower(): SecretStr(self.process.url)})


@pytest.fixture(scope="module", params=["postgresql", "redis"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    if request.param == "redis":
        with RedisProcess("--appendfsync", "always") as redis:
            yield Server(redis, "LEDGERGUARD_REDIS_URL")
        return
    with PostgresProcess() as postgres:
        yield Server(postgres, "LEDGERGUARD_CONTROL_URL")


@contextmanager
def away(server: Server) -> Iterator[None]:
    server.process.stop()
    try:
        yield
    finally:
        server.process.start()


def grant(clock: FakeClock, name: str) -> Tokens:
    ends = clock.now() + timedelta(hours=1)
    return Tokens(SecretStr(f"a-{name}"), SecretStr(f"r-{name}"), ends, None, None)


def test_a_server_that_is_down_at_the_start_is_named_by_its_setting(
    server: Server, settings: Settings
) -> None:
    clock = FakeClock()
    with away(server), pytest.raises(ControlUnreachable, match=server.setting) as caught:
        ControlPlane.open(server.settings(settings), clock=clock)
    assert caught.value.exit_code == 2
    assert clock.slept == [], "whoever starts a process learns it at once"
    assert len(str(caught.value).splitlines()) == 1


def test_a_restart_during_work_costs_a_pause_and_loses_nothing(
    server: Server, settings: Settings
) -> None:
    back = threading.Event()

    def come_back() -> None:
        if not back.is_set():
            server.process.start()
            back.set()

    clock = WaitingClock(come_back)
    with ControlPlane.open(server.settings(settings), clock=clock) as plane:
        connect(plane, REALM)
        stored = plane.tokens.replace(REALM, grant(clock, "1"), None)
        lease = plane.leases.acquire("refresh", "me", 600)
        assert lease is not None
        server.process.stop()

        newer = plane.tokens.replace(REALM, grant(clock, "2"), stored.version)
        assert back.is_set()
        assert plane.tokens.load(REALM) == newer
        assert plane.leases.acquire("refresh", "you", 600) is None
        with plane.limiter.permit(REALM) as permit:
            assert permit.waited_seconds < 5
        plane.tokens.forget(REALM)
        plane.leases.release(lease)


def test_events_are_handed_out_and_counted_over_a_restart(
    server: Server, settings: Settings
) -> None:
    clock = FakeClock()
    with ControlPlane.open(server.settings(settings), clock=clock) as plane:
        connect(plane, REALM)
        plane.deliveries.accept([delivery([event("claimed")])])
        assert plane.inbox.lease("nobody", realms=["1"]) == []
        plane.counters.add("claims", "one")
        server.process.stop()
        server.process.start()
        (taken,) = plane.inbox.lease("me", realms=[REALM])
        server.process.stop()
        server.process.start()
        plane.counters.add("claims", "one")
        assert plane.counters.read("claims") == {"one": 2.0}
        assert plane.inbox.done("me", [taken.seq]) == 1


def test_a_server_that_stays_away_is_a_transient_failure_that_changed_nothing(
    server: Server, settings: Settings
) -> None:
    clock = FakeClock()
    with ControlPlane.open(server.settings(settings), clock=clock) as plane:
        connect(plane, REALM)
        stored = plane.tokens.replace(REALM, grant(clock, "1"), None)
        with away(server):
            began = clock.monotonic()
            with pytest.raises(ControlUnavailable, match=server.setting) as caught:
                plane.tokens.replace(REALM, grant(clock, "2"), stored.version)
            assert 10 < clock.monotonic() - began < 30
            assert isinstance(caught.value, Transient)
            assert not isinstance(caught.value, ControlUnreachable), "exit 1: it did start"
        assert plane.tokens.load(REALM) == stored
        plane.tokens.forget(REALM)


def test_no_call_starts_while_nobody_can_be_asked_for_a_permit(
    server: Server, settings: Settings
) -> None:
    clock = FakeClock()
    called: list[str] = []
    with ControlPlane.open(server.settings(settings), clock=clock) as plane:
        with (
            away(server),
            pytest.raises(ControlUnavailable, match=server.setting) as caught,
            plane.limiter.permit(REALM),
        ):
            called.append("without a permit")
        assert called == []
        assert isinstance(caught.value, Transient)
        with plane.limiter.permit(REALM):
            called.append("with a permit")
    assert called == ["with a permit"]


def test_a_killed_server_has_what_it_said_it_had(server: Server, settings: Settings) -> None:
    clock = FakeClock()
    with ControlPlane.open(server.settings(settings), clock=clock) as plane:
        connect(plane, REALM)
        stored = plane.tokens.replace(REALM, grant(clock, "1"), None)
        noted = plane.tokens.note_attempt(REALM, stored)
        server.process.stop(signal.SIGKILL)
        server.process.start()
        assert plane.tokens.load(REALM) == stored
        assert plane.tokens.attempt(REALM) == noted
        plane.tokens.forget(REALM)


def test_a_finished_call_is_not_lost_with_its_permit(server: Server, settings: Settings) -> None:
    clock = FakeClock()
    with ControlPlane.open(server.settings(settings), clock=clock) as plane:
        answer = None
        with plane.limiter.permit(REALM):
            server.process.stop()
            answer = "what QuickBooks said"
        server.process.start()
        assert answer == "what QuickBooks said"
        with plane.limiter.permit(REALM):
            pass


def test_a_delivery_is_refused_or_stored_while_the_server_goes_and_comes(
    server: Server, settings: Settings
) -> None:
    if server.setting != "LEDGERGUARD_CONTROL_URL":
        # Deliveries are in the database: without Redis they are taken all the same.
        clock = FakeClock()
        with ControlPlane.open(server.settings(settings), clock=clock) as plane:
            connect(plane, REALM)
            with away(server):
                assert plane.deliveries.accept([delivery([event("kept")])])[0].fresh == 1
        return
    clock = FakeClock()
    with ControlPlane.open(server.settings(settings), clock=clock) as plane:
        connect(plane, REALM)
        with away(server), pytest.raises(ControlUnavailable):
            plane.deliveries.accept([delivery([event("refused")])])
        assert plane.deliveries.accept([delivery([event("refused")])])[0].fresh == 1
        assert "refused" in {each.event.event_id for each in plane.inbox.list()}
