"""Moving every stored token between the control database and Redis.

Whoever starts meanwhile is refused (``control.tokens.location``), and each company moves under the
leases of both places, so no refresh is under way. A token leaves its old place only when the new
one has it on disk; killed anywhere, the move is simply run again.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

import structlog

from ledgerguard_pipeline.auth.refresh_lease import LEASE_SECONDS, refresh_lease
from ledgerguard_pipeline.control.leases.redis_store import RedisLeaseStore
from ledgerguard_pipeline.control.leases.sql_store import LeaseStore
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.protocols import Leases, TokenVault
from ledgerguard_pipeline.control.tokens.location import check_same_redis, keep_tokens_in
from ledgerguard_pipeline.control.tokens.redis_store import RedisTokenStore
from ledgerguard_pipeline.control.tokens.sql_store import SealedRow, TokenStore
from ledgerguard_pipeline.crashpoints import crashpoint
from ledgerguard_pipeline.errors import ConfigurationError, KeyUnavailable
from ledgerguard_pipeline.values import Environment, RealmId

_WAIT_SECONDS = 15.0
"""Long enough for the lease of a killed process to end."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Stuck:
    """A company whose tokens do not open, so that they could not be moved."""

    environment: Environment
    realm_id: RealmId
    reason: str


@dataclass(frozen=True, slots=True)
class TokenMove:
    """What a move came to; ``forgotten`` tokens did not open and were dropped as asked."""

    moved: int
    forgotten: int
    stuck: tuple[Stuck, ...]


def move_tokens(
    control: ControlPlane, *, to_redis: bool, forget_unopened: bool = False
) -> TokenMove:
    """Move all tokens of both environments; ``control`` was opened with ``moving_tokens``.

    Raises:
        ConfigurationError: no Redis is configured, or not the one the tokens are in.
        ControlUnavailable: one of the two places is down, or a company's tokens are in use.
    """
    redis = control.redis
    if redis is None:
        raise ConfigurationError(
            "LEDGERGUARD_REDIS_URL is not set. Set it for this command in either direction: it "
            "names the Redis that tokens are moved to or brought back from."
        )

    def locations(environment: Environment) -> tuple[TokenVault, TokenVault]:
        in_database = TokenStore(control.database, control.keyring, environment)
        in_redis = RedisTokenStore(redis, control.keyring, environment)
        return (in_database, in_redis) if to_redis else (in_redis, in_database)

    leases = (LeaseStore(control.database), RedisLeaseStore(redis))
    if to_redis:
        # First the record, then the tokens: nobody starts to look for them in the old place.
        keep_tokens_in(control.database, redis)
    else:
        # Nothing would be found there, and the record of where it is would be gone.
        check_same_redis(control.database, redis)
    moved = forgotten = 0
    stuck: list[Stuck] = []
    for row in locations(control.environment)[0].sealed():
        source, target = locations(row.environment)
        try:
            _move(row, source, target, leases)
        except KeyUnavailable as error:
            if forget_unopened:
                source.forget(row.realm_id)
                forgotten += 1
            else:
                stuck.append(Stuck(row.environment, row.realm_id, error.message))
            continue
        moved += 1
    if not to_redis and not stuck:
        keep_tokens_in(control.database, None)
    _log.info("tokens_moved", to="redis" if to_redis else "database", companies=moved)
    return TokenMove(moved, forgotten, tuple(stuck))


def _move(
    row: SealedRow, source: TokenVault, target: TokenVault, leases: tuple[Leases, ...]
) -> None:
    realm = row.realm_id
    with ExitStack() as held:
        for each in leases:
            name = refresh_lease(row.environment, realm)
            held.enter_context(
                each.holding(name, ttl_seconds=LEASE_SECONDS, wait_seconds=_WAIT_SECONDS)
            )
        tokens = source.load(realm)
        if tokens is None:
            return
        attempt = source.attempt(realm)
        known = target.version(realm)
        there = None if known is None else target.load(realm)
        # Both have one after a move that was killed; a refresh since then makes one the newer.
        if there is None or there.access_expires_at < tokens.access_expires_at:
            target.replace(realm, tokens, known)
            if attempt is not None:
                noted = target.note_attempt(realm, tokens)
                if attempt.reason is not None:
                    target.note_reason(realm, noted, attempt.reason)
        crashpoint("before_moved_token_is_forgotten")
        source.forget(realm)
