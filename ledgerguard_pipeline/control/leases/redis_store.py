"""Leases in Redis: one hash per name that outlives its holders, so that fences only grow."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, cast

from ledgerguard_pipeline.control.leases.process_identity import has_died
from ledgerguard_pipeline.control.leases.sql_store import (
    DEAD_HOLDER_SECONDS,
    Lease,
    WaitingLeases,
    lost_lease,
)
from ledgerguard_pipeline.control.storage.redis_server import (
    CLOCK_LUA,
    RedisServer,
    call_name,
    key,
    microseconds,
    moment,
)

if TYPE_CHECKING:
    from redis import Redis

_ACQUIRE = (
    CLOCK_LUA
    + """
local now = clock(ARGV[1])
local held = redis.call('HMGET', KEYS[1], 'owner', 'fence', 'expires_at', 'call')
local owner, fence, ends, call = held[1], tonumber(held[2] or 0), tonumber(held[3] or 0), held[4]
if owner and owner ~= '' and ends > now then
  if call == ARGV[4] then return {1, text(fence), text(ends)} end
  return {0, owner, text(fence)}
end
fence, ends = fence + 1, now + ARGV[3]
redis.call('HSET', KEYS[1], 'owner', ARGV[2], 'fence', text(fence), 'expires_at', text(ends),
  'call', ARGV[4])
return {1, text(fence), text(ends)}
"""
)

_CHANGE = (
    CLOCK_LUA
    + """
local held = redis.call('HMGET', KEYS[1], 'owner', 'fence', 'expires_at')
if held[1] ~= ARGV[2] or held[2] ~= ARGV[3] then return false end
local ends = clock(ARGV[1]) + ARGV[4]
if ARGV[5] == 'shorten' and tonumber(held[3]) <= ends then return held[3] end
redis.call('HSET', KEYS[1], 'expires_at', text(ends))
if ARGV[5] == 'release' then redis.call('HSET', KEYS[1], 'owner', '') end
return text(ends)
"""
)


class RedisLeaseStore(WaitingLeases):
    """Leases of all processes, on the clock of Redis."""

    def __init__(self, server: RedisServer) -> None:
        super().__init__(server.clock)
        self._server = server

    def acquire(self, name: str, owner: str, ttl_seconds: float) -> Lease | None:
        args: list[str | int] = [
            self._server.now_argument(),
            owner,
            _microseconds(ttl_seconds),
            call_name(),
        ]
        found = self._server.script(_ACQUIRE, [_key(name)], args)
        taken, second, third = cast(tuple[int, str, str], found)
        if taken:
            return Lease(name, owner, int(second), moment(third))
        if has_died(second.partition("/")[0]):
            # A killed holder's last call may still be on its way: its lease ends soon.
            self._change(name, second, int(third), DEAD_HOLDER_SECONDS, "shorten")
        return None

    def renew(self, lease: Lease, ttl_seconds: float) -> Lease:
        until = self._change(lease.name, lease.owner, lease.fence, ttl_seconds, "renew")
        if until is None:
            raise lost_lease(lease.name)
        return Lease(lease.name, lease.owner, lease.fence, moment(until))

    def release(self, lease: Lease) -> bool:
        return self._change(lease.name, lease.owner, lease.fence, 0, "release") is not None

    def held(self, names: Collection[str]) -> frozenset[str]:
        if not names:
            return frozenset()

        def read(client: Redis) -> list[list[str | None]]:
            pipe = client.pipeline(transaction=False)
            for name in names:
                pipe.hmget(_key(name), ["owner", "expires_at"])
            return pipe.execute()

        now = microseconds(self._server.now())
        found = zip(names, self._server.run(read), strict=True)
        return frozenset(name for name, (owner, ends) in found if owner and int(ends or 0) > now)

    def _change(self, name: str, owner: str, fence: int, seconds: float, what: str) -> str | None:
        args: list[str | int] = [
            self._server.now_argument(),
            owner,
            fence,
            _microseconds(seconds),
            what,
        ]
        return cast("str | None", self._server.script(_CHANGE, [_key(name)], args))


def _key(name: str) -> str:
    return key("lease", name)


def _microseconds(seconds: float) -> int:
    return int(seconds * 1_000_000)
