"""What a limiter has on record, whichever store keeps it."""

from __future__ import annotations

from typing import cast

from sqlalchemy import func, select, update

from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.protocols import Limiter
from ledgerguard_pipeline.control.rate_limits.permits import Budgets
from ledgerguard_pipeline.control.rate_limits.redis_limiter import RedisCallLimiter
from ledgerguard_pipeline.control.rate_limits.sql_limiter import CallLimiter
from ledgerguard_pipeline.control.storage.schema import limiter_permits, limiter_stamps
from ledgerguard_pipeline.values import RealmId


def limiter_of(plane: ControlPlane, budgets: Budgets) -> Limiter:
    """A limiter of other budgets than the plane's own, on the same store."""
    if plane.redis is not None:
        return RedisCallLimiter(plane.redis, plane.environment, budgets)
    return CallLimiter(plane.database, plane.environment, budgets)


def starts(plane: ControlPlane, realm: RealmId) -> list[float]:
    """When the calls still on record started, on the store's clock, in seconds."""
    if plane.redis is not None:
        key = _key(realm, "calls")
        found = plane.redis.run(lambda client: client.lrange(key, 0, -1))
        return sorted(int(at) / 1_000_000 for at in found)
    statement = select(limiter_stamps.c.at).where(limiter_stamps.c.stream == 0)
    with plane.database.read() as connection:
        return sorted(connection.execute(statement).scalars())


def in_flight(plane: ControlPlane, realm: RealmId) -> int:
    """How many permits are out."""
    if plane.redis is not None:
        key = _key(realm, "permits")
        return int(plane.redis.run(lambda client: client.zcard(key)))
    with plane.database.read() as connection:
        return int(
            connection.execute(select(func.count()).select_from(limiter_permits)).scalar_one()
        )


def give_permits_to(plane: ControlPlane, realm: RealmId, holder: str) -> None:
    """Let every permit belong to another process."""
    if plane.redis is None:
        with plane.database.write("test") as connection:
            connection.execute(update(limiter_permits).values(holder=holder))
        return
    key = _key(realm, "permits")
    held = plane.redis.run(lambda client: client.zrange(key, 0, -1, withscores=True))
    plane.redis.run(lambda client: client.delete(key))
    pairs = cast("list[tuple[str, float]]", held)
    theirs = {f"{permit.partition('|')[0]}|{holder}": score for permit, score in pairs}
    plane.redis.run(lambda client: client.zadd(key, theirs))


def _key(realm: RealmId, name: str) -> str:
    return f"ledgerguard:{{sandbox:{realm}}}:{name}"
