from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.storage.redis_server import RedisServer
from ledgerguard_pipeline.control.tokens.sql_store import Tokens
from ledgerguard_pipeline.errors import ControlUnavailable
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.control.storage.newer_redis import NewerRedis
from ledgerguard_pipeline_tests.redis_server import RedisProcess

REALM = RealmId("9341453474484455")


@pytest.fixture(scope="module")
def server() -> Iterator[RedisProcess]:
    with RedisProcess() as running:
        yield running


@pytest.fixture
def newer(server: RedisProcess) -> Iterator[NewerRedis]:
    with server.client() as client:
        client.flushall()
    path = Path(server.url.removeprefix("unix://"))
    (server.folder / "newer.sock").unlink(missing_ok=True)
    with NewerRedis(path, server.folder) as running:
        yield running


@pytest.fixture
def plane(settings: Settings, newer: NewerRedis) -> Iterator[ControlPlane]:
    with ControlPlane.open(
        settings.model_copy(update={"ledgerguard_redis_url": SecretStr(newer.url)}),
        clock=FakeClock(),
    ) as opened:
        yield opened


def grant(plane: ControlPlane) -> Tokens:
    ends = plane.now() + timedelta(hours=1)
    return Tokens(SecretStr("access"), SecretStr("refresh"), ends, None, None)


def test_what_must_not_be_lost_is_waited_for_on_its_own_connection(
    plane: ControlPlane, newer: NewerRedis
) -> None:
    stored = plane.tokens.replace(REALM, grant(plane), None)
    plane.tokens.note_attempt(REALM, stored)
    plane.tokens.forget(REALM)
    assert newer.asked == ["EVAL"] * 3


def test_what_may_be_lost_is_not_waited_for(plane: ControlPlane, newer: NewerRedis) -> None:
    with plane.limiter.permit(REALM):
        assert plane.leases.acquire("refresh", "me", 10) is not None
    assert newer.asked == []


def test_a_grant_that_does_not_reach_the_disk_is_not_called_stored(
    plane: ControlPlane, newer: NewerRedis
) -> None:
    newer.on_disk = 0
    with pytest.raises(ControlUnavailable, match="did not have it on disk"):
        plane.tokens.replace(REALM, grant(plane), None)


def test_a_server_that_tells_when_needs_no_fsync_at_every_write(newer: NewerRedis) -> None:
    server = RedisServer(newer.url)
    try:
        assert server.version() >= (7, 2)
        assert server.concerns() == [], "appendfsync everysec is enough where it can be waited for"
    finally:
        server.close()


def test_an_older_server_is_not_asked(server: RedisProcess, settings: Settings) -> None:
    with server.client() as client:
        client.flushall()
    url = SecretStr(server.url)
    with ControlPlane.open(
        settings.model_copy(update={"ledgerguard_redis_url": url}), clock=FakeClock()
    ) as plane:
        plane.tokens.replace(REALM, grant(plane), None)
    with server.client() as client:
        assert "cmdstat_waitaof" not in client.info("commandstats")
