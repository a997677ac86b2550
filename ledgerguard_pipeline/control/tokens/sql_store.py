"""The OAuth tokens of each company: sealed at rest, replaced only by compare-and-swap."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from pydantic import SecretStr
from sqlalchemy import Connection, RowMapping, delete, insert, select, update

from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.schema import refresh_attempts, tokens
from ledgerguard_pipeline.control.tokens.keyring import Keyring, sealed_with
from ledgerguard_pipeline.control.tokens.sealing import SEALED_FIELDS, Sealer
from ledgerguard_pipeline.errors import LostRace
from ledgerguard_pipeline.values import Environment, RealmId

_REASON_LIMIT = 300


@dataclass(frozen=True, slots=True)
class Tokens:
    """One grant as stored; ``version`` grows by one with every replacement."""

    access_token: SecretStr = field(repr=False)
    refresh_token: SecretStr = field(repr=False)
    access_expires_at: datetime
    refresh_expires_at: datetime | None
    """End of the rolling 100 days; None where Intuit did not say."""
    hard_expires_at: datetime | None
    """End of the five years; None where Intuit did not say."""
    version: int = 0

    @property
    def refresh_sha256(self) -> str:
        """Identifies the refresh token without revealing it."""
        return hashlib.sha256(self.refresh_token.get_secret_value().encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class TokenLife:
    """How long a grant lasts and which key seals it: what may be known without opening it."""

    access_expires_at: datetime
    refresh_expires_at: datetime | None
    """End of the rolling 100 days; None where Intuit did not say."""
    hard_expires_at: datetime | None
    """End of the five years; None where Intuit did not say."""
    key_id: str
    version: int = 1
    """Grows by one with every refresh."""


@dataclass(frozen=True, slots=True)
class RefreshAttempt:
    """A refresh that was begun and whose outcome is not on record."""

    old_token_sha256: str
    started_at: datetime
    tries: int
    """How often this same refresh token was tried without a usable answer."""
    reason: str | None = None
    """Why the last try that ended had none; without secrets."""


@dataclass(frozen=True, slots=True)
class SealedRow:
    """One company's stored grant seen from outside: whose it is, and which keys its tokens need.

    ``key_ids`` names the key of each sealed token; None for one that was altered so that it is unknown.
    """

    environment: Environment
    realm_id: RealmId
    key_ids: tuple[str | None, ...]


class TokenStore:
    """Tokens of the environment the plane was opened for.

    ``sealed``, ``rotate`` and ``retire`` are for changing keys and see every environment, because
    all of a home share one ring.
    """

    def __init__(self, database: Database, keyring: Keyring, environment: Environment) -> None:
        self._database = database
        self._sealer = Sealer(keyring)
        self._environment = environment
        self._mine = tokens.c.environment == environment.value
        self._my_attempts = refresh_attempts.c.environment == environment.value

    def load(self, realm: RealmId) -> Tokens | None:
        """The stored grant, or None.

        Raises:
            KeyUnavailable: it does not open: wrong key, altered, or moved from another row.
        """
        statement = select(tokens).where(self._mine, tokens.c.realm_id == realm)
        with self._database.read() as connection:
            row = connection.execute(statement).mappings().one_or_none()
        if row is None:
            return None
        return Tokens(
            access_token=self._sealer.unseal(
                self._environment, realm, "access_token", row["access_token"]
            ),
            refresh_token=self._sealer.unseal(
                self._environment, realm, "refresh_token", row["refresh_token"]
            ),
            access_expires_at=row["access_expires_at"],
            refresh_expires_at=row["refresh_expires_at"],
            hard_expires_at=row["hard_expires_at"],
            version=row["version"],
        )

    def replace(self, realm: RealmId, grant: Tokens, expected_version: int | None) -> Tokens:
        """Store ``grant`` if the stored version is still ``expected_version`` (None: no row).

        When it returns, the grant is on disk. The note of an attempt is cleared with it.

        Raises:
            LostRace: another process stored a grant first; nothing was written.
            KeyUnavailable: it could not be sealed; nothing was written.
        """
        version = (expected_version or 0) + 1
        values: dict[str, object] = {
            "access_expires_at": grant.access_expires_at,
            "refresh_expires_at": grant.refresh_expires_at,
            "hard_expires_at": grant.hard_expires_at,
            "version": version,
        }
        with self._database.write(self._lock(realm)) as connection:
            values["updated_at"] = self._database.now(connection)
            if self._version(connection, realm, writing=True) != expected_version:
                raise LostRace(
                    "Another process stored newer tokens for this company; they are used instead.",
                    realm_id=realm,
                )
            # Sealed under the lock: a key cannot be retired between here and the commit.
            mine = self._environment
            values["access_token"] = self._sealer.seal(
                mine, realm, "access_token", grant.access_token
            )
            values["refresh_token"] = self._sealer.seal(
                mine, realm, "refresh_token", grant.refresh_token
            )
            if expected_version is None:
                key = {"environment": self._environment.value, "realm_id": realm}
                connection.execute(insert(tokens).values(key | values))
            else:
                connection.execute(
                    update(tokens).where(self._mine, tokens.c.realm_id == realm).values(values)
                )
            self._clear(connection, realm)
        return replace(grant, version=version)

    def version(self, realm: RealmId) -> int | None:
        """The stored version, or None; needs no key."""
        with self._database.read() as connection:
            return self._version(connection, realm)

    def lives(self, realms: Sequence[RealmId] | None = None) -> dict[RealmId, TokenLife]:
        """The life of every stored grant, or of those of some companies; needs no key."""
        statement = select(
            tokens.c.realm_id,
            tokens.c.access_expires_at,
            tokens.c.refresh_expires_at,
            tokens.c.hard_expires_at,
            tokens.c.refresh_token,
            tokens.c.version,
        ).where(self._mine)
        if realms is not None:
            statement = statement.where(tokens.c.realm_id.in_(realms))
        with self._database.read() as connection:
            return {
                RealmId(realm): TokenLife(access, refresh, hard, sealed_with(sealed) or "", version)
                for realm, access, refresh, hard, sealed, version in connection.execute(statement)
            }

    def forget(self, realm: RealmId) -> None:
        """Remove the grant and any note of an attempt."""
        with self._database.write(self._lock(realm)) as connection:
            connection.execute(delete(tokens).where(self._mine, tokens.c.realm_id == realm))
            self._clear(connection, realm)

    def note_attempt(self, realm: RealmId, current: Tokens) -> RefreshAttempt:
        """Write down, durably and before the call, that this refresh token is being used.

        A reader of the note knows that the answer may have been lost on the way.

        Raises:
            KeyUnavailable: an answer could not be sealed now, so Intuit must not be asked.
        """
        self._sealer.keyring.newest()
        with self._database.write(self._lock(realm)) as connection:
            earlier = self._attempt(connection, realm)
            same = earlier is not None and earlier.old_token_sha256 == current.refresh_sha256
            tries = earlier.tries + 1 if earlier is not None and same else 1
            started = self._database.now(connection)
            values: dict[str, object] = {
                "environment": self._environment.value,
                "realm_id": realm,
                "old_token_sha256": current.refresh_sha256,
                "started_at": started,
                "tries": tries,
            }
            if not same:
                values["reason"] = None
            connection.execute(self._database.upsert(refresh_attempts, tuple(values)), values)
        reason = earlier.reason if earlier is not None and same else None
        return RefreshAttempt(current.refresh_sha256, started, tries, reason)

    def note_reason(self, realm: RealmId, attempt: RefreshAttempt, reason: str) -> None:
        """Write down why an attempt came to nothing, for everybody who is asked about it."""
        with self._database.write(self._lock(realm), durable=False) as connection:
            connection.execute(
                update(refresh_attempts)
                .where(
                    self._my_attempts,
                    refresh_attempts.c.realm_id == realm,
                    refresh_attempts.c.old_token_sha256 == attempt.old_token_sha256,
                )
                .values(reason=reason[:_REASON_LIMIT])
            )

    def attempts(self, realms: Sequence[RealmId] | None = None) -> dict[RealmId, RefreshAttempt]:
        """Every refresh whose outcome is not on record, or those of some companies."""
        statement = select(refresh_attempts).where(self._my_attempts)
        if realms is not None:
            statement = statement.where(refresh_attempts.c.realm_id.in_(realms))
        with self._database.read() as connection:
            rows = connection.execute(statement).mappings()
            return {RealmId(row["realm_id"]): _attempt(row) for row in rows}

    def attempt(self, realm: RealmId) -> RefreshAttempt | None:
        """The refresh whose outcome is not on record, if any."""
        with self._database.read() as connection:
            return self._attempt(connection, realm)

    def clear_attempt(self, realm: RealmId) -> None:
        """Drop the note: Intuit answered, and the answer was a definite no."""
        with self._database.write(self._lock(realm)) as connection:
            self._clear(connection, realm)

    def sealed(self) -> list[SealedRow]:
        """Every stored grant of every environment, with the keys its tokens need; opens none."""
        statement = select(
            tokens.c.environment, tokens.c.realm_id, *(tokens.c[name] for name in SEALED_FIELDS)
        ).order_by(tokens.c.environment, tokens.c.realm_id)
        with self._database.read() as connection:
            return [_sealed_row(row) for row in connection.execute(statement).mappings()]

    def rotate(self, row: SealedRow) -> bool:
        """Seal one stored grant again with the newest key; False if it is so already, or gone.

        The version stays: the grant is the same, so a refresh under way stores its answer as if
        nothing had happened. Safe to repeat and to interrupt anywhere.

        Raises:
            KeyUnavailable: it does not open, as ``load``; it stays as it was.
        """
        environment, realm = row.environment, row.realm_id
        mine = (tokens.c.environment == environment.value, tokens.c.realm_id == realm)
        with self._database.write(self._lock(realm, environment)) as connection:
            statement = select(tokens).where(*mine).with_for_update()
            stored = connection.execute(statement).mappings().one_or_none()
            if stored is None or set(_sealed_row(stored).key_ids) == {
                self._sealer.keyring.newest()
            }:
                return False
            fresh = {
                name: self._sealer.seal(
                    environment,
                    realm,
                    name,
                    self._sealer.unseal(environment, realm, name, stored[name]),
                )
                for name in SEALED_FIELDS
            }
            # Compare-and-swap on the ciphertexts themselves: exactly these tokens, sealed anew.
            same = (tokens.c[name] == stored[name] for name in SEALED_FIELDS)
            connection.execute(update(tokens).where(*mine, *same).values(fresh))
        return True

    def retire(
        self, key_ids: Collection[str], drop: Callable[[Collection[str]], None]
    ) -> frozenset[str]:
        """Call ``drop`` with those of the keys that protect no stored token, and return them.

        Nothing can be stored while it runs: whoever seals next sees the ring without them. So
        no token is ever left behind that only a dropped key opens.
        """
        with self._database.write("tokens") as connection:
            self._database.hold(connection, tokens)
            rows = connection.execute(select(tokens)).mappings()
            used = {key_id for row in rows for key_id in _sealed_row(row).key_ids}
            unused = frozenset(key_ids) - used
            if unused:
                drop(unused)
        return unused

    def _attempt(self, connection: Connection, realm: RealmId) -> RefreshAttempt | None:
        statement = select(refresh_attempts).where(
            self._my_attempts, refresh_attempts.c.realm_id == realm
        )
        row = connection.execute(statement).mappings().one_or_none()
        return None if row is None else _attempt(row)

    def _clear(self, connection: Connection, realm: RealmId) -> None:
        connection.execute(
            delete(refresh_attempts).where(self._my_attempts, refresh_attempts.c.realm_id == realm)
        )

    def _version(
        self, connection: Connection, realm: RealmId, *, writing: bool = False
    ) -> int | None:
        statement = select(tokens.c.version).where(self._mine, tokens.c.realm_id == realm)
        if writing:
            statement = statement.with_for_update()
        found: int | None = connection.execute(statement).scalar_one_or_none()
        return found

    def _lock(self, realm: RealmId, environment: Environment | None = None) -> str:
        return f"tokens:{(environment or self._environment).value}:{realm}"


def _attempt(row: RowMapping) -> RefreshAttempt:
    return RefreshAttempt(row["old_token_sha256"], row["started_at"], row["tries"], row["reason"])


def _sealed_row(row: RowMapping) -> SealedRow:
    return SealedRow(
        Environment(row["environment"]),
        RealmId(row["realm_id"]),
        tuple(sealed_with(row[name]) for name in SEALED_FIELDS),
    )
