"""What a Redis that keeps tokens must be set to, and which settings are wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from redis.exceptions import ResponseError

if TYPE_CHECKING:
    from redis import Redis

_SECTIONS = ("persistence", "memory", "replication", "server")
_HIDDEN = (
    "Redis lets this user read neither INFO nor its configuration, so whether tokens survive a restart "
    "is unknown. Allow `+info`, and make sure that `appendonly yes` and `appendfsync always` are set."
)
_CONFIG = ("appendfsync", "save", "appendonly", "maxmemory-policy")


def durability(client: Redis) -> list[str]:
    """What may lose a stored token, a sentence each with the remedy; empty where nothing may.

    Where the server does not let its configuration be read (managed services, users without the
    commands Redis calls dangerous), what ``INFO`` says counts, and whatever it leaves open is reported.

    Raises:
        redis.exceptions.RedisError: the server gave no answer at all.
    """
    info, config = _info(client), _config(client)
    if not info and not config:
        return [_HIDDEN]
    return [
        *_persistence(info, config),
        *_writes(info),
        *_eviction(config.get("maxmemory-policy") or str(info.get("maxmemory_policy", ""))),
        *_role(str(info.get("role", ""))),
    ]


def _info(client: Redis) -> dict[str, object]:
    found: dict[str, object] = {}
    for section in _SECTIONS:
        try:
            found |= client.info(section)
        except ResponseError:
            return {}
    return found


def _config(client: Redis) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in _CONFIG:
        try:
            found |= {str(k): str(v) for k, v in client.config_get(name).items()}
        except ResponseError:
            return {}
    return found


def _persistence(info: dict[str, object], config: dict[str, str]) -> list[str]:
    kept = str(info["aof_enabled"]) == "1" if info else config.get("appendonly") == "yes"
    if not kept:
        if config and not config.get("save"):
            return [
                (
                    "Redis keeps nothing on disk: a restart loses every token, and every company has "
                    "to be connected again. Set `appendonly yes` and `appendfsync always`."
                )
            ]
        return [
            (
                "Redis keeps snapshots only: a restart loses the tokens of the last minutes. Set "
                "`appendonly yes` and `appendfsync always`."
            )
        ]
    fsync = config.get("appendfsync")
    if fsync == "always":
        return []
    if fsync == "no":
        return [
            "Redis does not control when writes reach the disk (appendfsync no). Set `appendfsync always`."
        ]
    if _release(info) >= (7, 2):
        return []  # everysec: each write of a token waits until the server says it is on disk
    if fsync is None:
        return [
            (
                "Redis does not let its configuration be read, and its release cannot say when a "
                "write is on disk. Make sure that `appendfsync always` is set."
            )
        ]
    return [
        (
            "Redis writes to disk once a second and its release cannot say when: a power cut may lose "
            "a token that is already in use. Set `appendfsync always`, or use Redis 7.2 or newer."
        )
    ]


def _writes(info: dict[str, object]) -> list[str]:
    names = ("aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status")
    failing = [name for name in names if str(info.get(name, "ok")) != "ok"]
    if not failing:
        return []
    return [f"Redis cannot write to its disk ({', '.join(failing)}). Free space or repair it."]


def _eviction(policy: str) -> list[str]:
    if policy in ("", "noeviction"):
        return []
    lost = "tokens and leases" if policy.startswith("allkeys") else "counts of the limiter"
    return [
        (
            f"Redis throws {lost} away when its memory is full (maxmemory-policy {policy}). Set "
            "`maxmemory-policy noeviction`, and give caches their own Redis."
        )
    ]


def _role(role: str) -> list[str]:
    if role in ("", "master"):
        return []
    return ["Redis is a read-only replica here. Point LEDGERGUARD_REDIS_URL at the primary."]


def _release(info: dict[str, object]) -> tuple[int, ...]:
    parts = str(info.get("redis_version", "0")).split(".")
    return tuple(int(part) for part in parts if part.isdecimal())
