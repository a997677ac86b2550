"""Where an installation keeps its tokens: in the control database or in Redis, never in both.

A process that is configured for the other place would find no tokens, somebody would connect the
companies again, and two grants would be refreshed side by side. So the place is on record and a
process that looks elsewhere is refused with the way out; ``ledgerguard keys move`` changes it. One
Redis may go by several names, so another address is taken for another place only if no token is there.

Decision 29 in docs/decisions.md.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, func, select

from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.schema import companies, leases, tokens
from ledgerguard_pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    from ledgerguard_pipeline.control.storage.redis_server import RedisServer

_NAME = "token home"
"""A lease like the others: the right to keep the tokens, held permanently."""

TOKEN_INDEX = "tokens"  # noqa: S105  # the name of a key
"""Where Redis lists the companies that have tokens."""

_CONNECTED = "connected"
"""``ConnectionStatus.CONNECTED``, whose room is above this one."""

_FOR_GOOD = datetime(9999, 1, 1, tzinfo=UTC)


def check_token_home(database: Database, redis: RedisServer | None) -> None:
    """Make sure that the tokens are where these settings look for them.

    Both environments' tokens are in one place: they share the key ring.

    Raises:
        ConfigurationError: they are in the other place, or in another Redis.
    """
    with database.read() as connection:
        holder = _holder(connection)
        kept: int = connection.execute(select(func.count()).select_from(tokens)).scalar_one()
    if redis is None and holder:
        raise ConfigurationError(
            f"This installation keeps its tokens in Redis ({holder}). Set LEDGERGUARD_REDIS_URL "
            "again, or move them back first: `ledgerguard keys move --to database`."
        )
    if redis is not None and kept:
        raise ConfigurationError(
            f"LEDGERGUARD_REDIS_URL is set, but the tokens of {kept} "
            f"{'company' if kept == 1 else 'companies'} are in the control database. Stop what "
            "runs, then `ledgerguard keys move --to redis`."
        )
    if redis is not None:
        check_same_redis(database, redis)
        if not holder:
            keep_tokens_in(database, redis)


def check_same_redis(database: Database, redis: RedisServer) -> None:
    """Make sure that this is the Redis the tokens are in, if they are in one.

    Raises:
        ConfigurationError: it is another one, and holds no tokens.
    """
    with database.read() as connection:
        holder = _holder(connection)
        used = connection.execute(
            select(companies.c.realm_id).where(companies.c.status == _CONNECTED).limit(1)
        ).first()
    if not holder or holder == _shown(redis) or used is None or redis.holds(TOKEN_INDEX):
        return
    raise ConfigurationError(
        f"This installation keeps its tokens in Redis ({holder}), but LEDGERGUARD_REDIS_URL names "
        f"{_shown(redis)}, which holds none. Set it back, or bring that server's data along. If they "
        "are lost, `ledgerguard keys move --to redis` takes this one; then connect every company again."
    )


def keep_tokens_in(database: Database, redis: RedisServer | None) -> None:
    """Put the place on record: Redis, or the database itself for None."""
    with database.write(f"lease:{_NAME}") as connection:
        if redis is None:
            connection.execute(delete(leases).where(leases.c.name == _NAME))
            return
        values = {
            "name": _NAME,
            "owner": _shown(redis),
            "fence": 1,
            "expires_at": _FOR_GOOD,
        }
        connection.execute(database.upsert(leases, tuple(values)), values)


def _holder(connection: Connection) -> str | None:
    found: str | None = connection.execute(
        select(leases.c.owner).where(leases.c.name == _NAME)
    ).scalar_one_or_none()
    return found


def _shown(redis: RedisServer) -> str:
    return redis.address.shown[:200]
