from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis

from ledgerguard_pipeline.control.storage.redis_server import durability
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


def test_a_replica_is_refused(client: Redis) -> None:
    client.replicaof("127.0.0.1", "1")
    try:
        (sentence,) = durability(client)
    finally:
        client.replicaof("NO", "ONE")
    assert "read-only replica" in sentence
