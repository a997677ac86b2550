from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import SecretStr
from redis import Redis

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.storage.redis_server import durability
from ledgerguard_pipeline.health.company_status import read_statuses
from ledgerguard_pipeline_tests.auth.conftest import store_grant
from ledgerguard_pipeline_tests.redis_server import RedisProcess


@pytest.fixture(scope="module")
def server() -> Iterator[RedisProcess]:
    with RedisProcess("--appendfsync", "always") as running:
        yield running


@pytest.fixture
def client(server: RedisProcess) -> Iterator[Redis]:
    with server.client() as connected:
        yield connected
        for name, value in (
            ("appendonly", "yes"),
            ("appendfsync", "always"),
            ("save", ""),
            ("maxmemory-policy", "noeviction"),
        ):
            connected.config_set(name, value)


def test_a_server_that_keeps_every_write_is_fine(client: Redis) -> None:
    assert durability(client) == []


@pytest.mark.parametrize(
    "settings, lost, remedy",
    [
        ({"appendonly": "no"}, "keeps nothing on disk", "appendonly yes"),
        ({"appendonly": "no", "save": "60 1"}, "snapshots only", "appendonly yes"),
        ({"appendfsync": "everysec"}, "once a second", "appendfsync always"),
        (
            {"appendfsync": "no"},
            "does not control when writes reach the disk",
            "appendfsync always",
        ),
        ({"maxmemory-policy": "allkeys-lru"}, "throws tokens and leases away", "noeviction"),
        ({"maxmemory-policy": "volatile-ttl"}, "counts of the limiter away", "noeviction"),
    ],
)
def test_what_could_lose_a_token_is_named_with_the_remedy(
    client: Redis, settings: dict[str, str], lost: str, remedy: str
) -> None:
    for name, value in settings.items():
        client.config_set(name, value)
    (sentence,) = durability(client)
    assert lost in sentence
    assert remedy in sentence


def test_a_server_that_hides_its_configuration_is_judged_by_what_it_tells(
    client: Redis, server: RedisProcess
) -> None:
    client.acl_setuser(
        "app", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-config"], reset=True
    )
    client.config_set("maxmemory-policy", "allkeys-lfu")
    with Redis(
        unix_socket_path=server.url.removeprefix("unix://"),
        username="app",
        password="x",
        decode_responses=True,
    ) as theirs:
        unknown, eviction = durability(theirs)
    client.acl_deluser("app")
    assert "does not let its configuration be read" in unknown
    assert "allkeys-lfu" in eviction


@pytest.mark.parametrize(
    "commands, sentences",
    [
        (["+@all", "-@dangerous"], ["neither INFO nor its configuration"]),
        (["+@all", "-info"], []),
        (["+@all", "-@dangerous", "+info"], ["does not let its configuration be read"]),
    ],
)
def test_a_user_without_dangerous_commands_is_served_and_warned(
    client: Redis,
    server: RedisProcess,
    settings: Settings,
    commands: list[str],
    sentences: list[str],
) -> None:
    """Redis counts INFO and CONFIG among them, and ACLs leave them out."""
    release = tuple(map(int, str(client.info("server")["redis_version"]).split(".")))
    client.acl_setuser(
        "app", enabled=True, passwords=["+made-up-word"], keys=["*"], commands=commands, reset=True
    )
    url = server.url.replace("unix://", "unix://app:made-up-word@")
    given = settings.model_copy(update={"ledgerguard_redis_url": SecretStr(url)})
    with ControlPlane.open(given) as plane:
        store_grant(plane, "refresh-1")
        (found,) = read_statuses(plane, given)
        assert plane.redis is not None
        assert plane.redis.version() == release, "on it depends whether writes are waited for"
    client.acl_deluser("app")
    at_risk = [each.text for each in found.health.reasons if each.kind == "tokens_at_risk"]
    assert len(at_risk) == len(sentences)
    assert all(part in text for part, text in zip(sentences, at_risk, strict=True))


def test_a_replica_is_refused(client: Redis) -> None:
    client.replicaof("127.0.0.1", "1")
    try:
        (sentence,) = durability(client)
    finally:
        client.replicaof("NO", "ONE")
    assert "read-only replica" in sentence
