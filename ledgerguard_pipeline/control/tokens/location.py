"""Where an installation keeps its tokens: in the control database or in Redis, never in both.

A process that is configured for the other place would find no tokens, somebody would connect the
companies again, and two grants would be refreshed side by side. So the place is on record and a
process that looks elsewhere is refused with the way out; ``ledgerguard keys move`` changes it.

Decision 29 in docs/decisions.md.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select

from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.schema import leases, tokens
from ledgerguard_pipeline.errors import ConfigurationError

if TYPE_CHECKING:
    from ledgerguard_pipeline.control.storage.redis_server import RedisServer

_NAME = "token home"
"""A lease like the others: the right to keep the tokens, held permanently."""

_FOR_GOOD = datetime(9999, 1, 1, tzinfo=UTC)


def check_token_home(database: Database, redis: RedisServer | None) -> None:
    """Make sure that the tokens are where these settings look for them.

    Both environments' tokens are in one place: they share the key ring.

    Raises:
        ConfigurationError: they are in the other place.
    """
    with database.read() as connection:
        holder = connection.execute(
            select(leases.c.owner).where(leases.c.name == _NAME)
        ).scalar_one_or_none()
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
    if redis is not None and not holder:
        keep_tokens_in(database, redis)


def keep_tokens_in(database: Database, redis: RedisServer | None) -> None:
    """Put the place on record: Redis, or the database itself for None."""
    with database.write(f"lease:{_NAME}") as connection:
        if redis is None:
            connection.execute(delete(leases).where(leases.c.name == _NAME))
            return
        values = {
            "name": _NAME,
            "owner": redis.address.shown[:200],
            "fence": 1,
            "expires_at": _FOR_GOOD,
        }
        connection.execute(database.upsert(leases, tuple(values)), values)
