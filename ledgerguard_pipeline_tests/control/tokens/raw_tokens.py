"""Stored tokens as somebody with access to the store sees them, and may tamper with them."""

from __future__ import annotations

from functools import partial

from redis import Redis
from sqlalchemy import select, update

from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.storage.schema import tokens as table
from ledgerguard_pipeline.values import RealmId

_NAMES = ("access_token", "refresh_token")


def cells(plane: ControlPlane, realm: RealmId) -> dict[str, str]:
    """The sealed texts of a company."""
    if plane.redis is not None:
        key = _key("sandbox", realm)
        found = plane.redis.run(lambda client: client.hmget(key, list(_NAMES)))
        return dict(zip(_NAMES, map(str, found), strict=True))
    with plane.database.read() as connection:
        query = select(*(table.c[name] for name in _NAMES))
        return dict(connection.execute(query.where(table.c.realm_id == realm)).mappings().one())


def overwrite(plane: ControlPlane, realm: RealmId, **values: str) -> None:
    """Put other texts in their place."""
    if plane.redis is not None:
        key = _key("sandbox", realm)
        for name, text in values.items():
            plane.redis.run(partial(_set, key=key, name=name, text=text))
        return
    with plane.database.write("test") as connection:
        connection.execute(update(table).where(table.c.realm_id == realm).values(**values))


def move_to_production(plane: ControlPlane, realm: RealmId) -> None:
    """Pass the sandbox's row off as production's."""
    if plane.redis is not None:
        old, new = _key("sandbox", realm), _key("production", realm)
        plane.redis.run(lambda client: client.rename(old, new))
        return
    with plane.database.write("test") as connection:
        connection.execute(update(table).values(environment="production"))


def _set(client: Redis, *, key: str, name: str, text: str) -> None:
    client.hset(key, name, text)


def _key(environment: str, realm: RealmId) -> str:
    return f"ledgerguard:{{{environment}:{realm}}}:tokens"
