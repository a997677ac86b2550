"""The limiter in Redis: the same exact sliding windows, counted in one script per permit.

Per company there is a list of the times at which calls started, newest last. A call may start
when the one ``budget`` places back started at least a window ago. All of it is decided inside
one script on the clock of Redis, so callers' clocks and the way there play no part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from ledgerguard_pipeline.control.leases.process_identity import has_died, this_process
from ledgerguard_pipeline.control.rate_limits.permits import (
    BATCH_BUDGET,
    COOL_DOWN_LIMIT_SECONDS,
    COOLING,
    MINUTE_BUDGET,
    PERMIT_SECONDS,
    SECOND_BUDGET,
    Budgets,
    Wait,
    WaitingLimiter,
    all_in_flight,
)
from ledgerguard_pipeline.control.storage.redis_server import (
    CLOCK_LUA,
    RedisServer,
    call_name,
    key,
    microseconds,
)
from ledgerguard_pipeline.values import Environment, RealmId

if TYPE_CHECKING:
    from redis import Redis

_REASONS = (COOLING, MINUTE_BUDGET, SECOND_BUDGET, BATCH_BUDGET)
_KEPT_STARTS = 1_000
"""Kept even where this process looks back less far: another one may have a larger budget."""

_KEPT_SECONDS = 86_400
"""How long counts outlive the last call: longer than any window."""

_STATE_LUA = (
    CLOCK_LUA
    + """
local calls, batches, permits, state = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local function opened(given)
  local now = clock(given)
  local last = tonumber(redis.call('HGET', state, 'last_at') or now)
  if now < last then
    -- The clock was set back: what is on record moves with it, so that nobody waits for the
    -- difference and no window opens early.
    local shift = now - last
    for _, list in ipairs({calls, batches}) do
      for place, at in ipairs(redis.call('LRANGE', list, 0, -1)) do
        redis.call('LSET', list, place - 1, text(at + shift))
      end
    end
    for _, permit in ipairs(redis.call('ZRANGE', permits, 0, -1)) do
      redis.call('ZINCRBY', permits, text(shift), permit)
    end
    redis.call('HSET', state, 'cool_until',
      text(tonumber(redis.call('HGET', state, 'cool_until') or 0) + shift))
  end
  redis.call('HSET', state, 'last_at', text(now))
  return now
end
"""
)

_TAKE = (
    _STATE_LUA
    + """
local given, permit, lasts, kept = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local minute, per_minute, second, per_second = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local per_batch, concurrent, keep = ARGV[9], tonumber(ARGV[10]), ARGV[11]
local now = opened(given)
if redis.call('ZSCORE', permits, permit) then return {1} end
for place = 12, #ARGV do redis.call('ZREM', permits, ARGV[place]) end

local function left(list, budget, window)
  local at = redis.call('LINDEX', list, '-' .. budget)
  return at and at + window - now or 0
end
local waits = {
  tonumber(redis.call('HGET', state, 'cool_until') or 0) - now,
  left(calls, per_minute, minute),
  left(calls, per_second, second),
}
if per_batch ~= '' then waits[4] = left(batches, per_batch, minute) end
local longest = 1
for place, wait in ipairs(waits) do if wait > waits[longest] then longest = place end end
if waits[longest] > 0 then return {0, longest, text(waits[longest])} end

redis.call('ZREMRANGEBYSCORE', permits, '-inf', text(now))
if redis.call('ZCARD', permits) >= concurrent then
  return {2, redis.call('ZRANGE', permits, 0, -1)}
end
local function add(list)
  redis.call('RPUSH', list, text(now))
  redis.call('LTRIM', list, '-' .. keep, -1)
  redis.call('EXPIRE', list, kept)
end
add(calls)
if per_batch ~= '' then add(batches) end
redis.call('ZADD', permits, text(now + lasts), permit)
redis.call('EXPIRE', permits, kept)
return {1}
"""
)

_COOL = (
    _STATE_LUA
    + """
local until_ = opened(ARGV[1]) + ARGV[2]
local known = tonumber(redis.call('HGET', state, 'cool_until') or 0)
if until_ > known then redis.call('HSET', state, 'cool_until', text(until_)) end
return 1
"""
)

_COOLING = (
    CLOCK_LUA
    + """
return text(tonumber(redis.call('HGET', KEYS[4], 'cool_until') or 0) - clock(ARGV[1]))
"""
)


class RedisCallLimiter(WaitingLimiter):
    """Hands out permits; shared by threads, processes and hosts through Redis."""

    def __init__(self, server: RedisServer, environment: Environment, budgets: Budgets) -> None:
        super().__init__(environment, budgets, server.clock)
        self._server = server

    def cool_down(self, realm: RealmId, seconds: float) -> None:
        """Let no call of the company start for ``seconds``; never shortens a longer one."""
        limited = min(max(seconds, 0.0), COOL_DOWN_LIMIT_SECONDS)
        self._run(_COOL, self._scope(realm), [_microseconds(limited)])

    def cooling_seconds(self, realm: RealmId) -> float:
        """How long the company's cool-down still lasts; zero if there is none."""
        left = cast(str, self._run(_COOLING, self._scope(realm), []))
        return max(0.0, int(left) / 1_000_000)

    def cooling(self, companies: Sequence[RealmId]) -> dict[RealmId, float]:
        """Those of the companies that are cooling down, with the seconds left; asked at once."""
        if not companies:
            return {}

        def read(client: Redis) -> list[str | None]:
            pipe = client.pipeline(transaction=False)
            for realm in companies:
                pipe.hget(_keys(self._scope(realm))[3], "cool_until")
            return pipe.execute()

        now = microseconds(self._server.now())
        ends = zip(companies, self._server.run(read), strict=True)
        left = {realm: (int(until or 0) - now) / 1_000_000 for realm, until in ends}
        return {realm: seconds for realm, seconds in left.items() if seconds > 0}

    def _take(self, scope: str, *, batch: bool) -> str | Wait:
        permit = f"{call_name()}|{this_process()}"
        dead: list[str] = []
        while True:
            answer = cast("list[object]", self._ask(scope, permit, dead, batch=batch))
            if answer[0] == 1:
                return permit
            if answer[0] == 0:
                reason = _REASONS[cast(int, answer[1]) - 1]
                return Wait(int(cast(str, answer[2])) / 1_000_000, reason)
            held = cast("list[str]", answer[1])
            known, dead = dead, [each for each in held if has_died(each.partition("|")[2])]
            if not dead or dead == known:
                return all_in_flight()

    def _ask(self, scope: str, permit: str, dead: list[str], *, batch: bool) -> object:
        budgets = self.budgets
        widest = max(budgets.per_minute, budgets.per_second, _KEPT_STARTS)
        args: list[str | int] = [
            permit,
            _microseconds(PERMIT_SECONDS),
            _KEPT_SECONDS,
            _microseconds(budgets.minute_seconds),
            budgets.per_minute,
            _microseconds(budgets.second_seconds),
            budgets.per_second,
            budgets.batches_per_minute if batch else "",
            budgets.concurrent,
            widest,
            *dead,
        ]
        return self._run(_TAKE, scope, args)

    def _give_back(self, scope: str, permit_id: str) -> None:
        permits = _keys(scope)[2]
        self._server.run(lambda client: client.zrem(permits, permit_id))

    def _run(self, script: str, scope: str, args: list[str | int]) -> object:
        return self._server.script(script, _keys(scope), [self._server.now_argument(), *args])


def _keys(scope: str) -> list[str]:
    return [key(f"{{{scope}}}", name) for name in ("calls", "batches", "permits", "limits")]


def _microseconds(seconds: float) -> int:
    return int(seconds * 1_000_000)
