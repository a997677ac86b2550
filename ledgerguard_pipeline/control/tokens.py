"""The OAuth tokens of each company: sealed at rest, replaced only by compare-and-swap."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime

from pydantic import SecretStr
from sqlalchemy import Connection, delete, insert, select, update

from ledgerguard_pipeline.control.database import Database
from ledgerguard_pipeline.control.keyring import Keyring
from ledgerguard_pipeline.control.schema import refresh_attempts, tokens
from ledgerguard_pipeline.errors import LostRace
from ledgerguard_pipeline.values import Environment, RealmId


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
        """Names the refresh token without telling it."""
        return hashlib.sha256(self.refresh_token.get_secret_value().encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class RefreshAttempt:
    """A refresh that was begun and whose outcome is not on record."""

    old_token_sha256: str
    started_at: datetime
    tries: int
    """How often this same refresh token was tried without a usable answer."""


class TokenStore:
    """Tokens of the environment the plane was opened for."""

    def __init__(self, database: Database, keyring: Keyring, environment: Environment) -> None:
        self._database = database
        self._keyring = keyring
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
            access_token=self._unseal(realm, "access_token", row["access_token"]),
            refresh_token=self._unseal(realm, "refresh_token", row["refresh_token"]),
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
        values = {
            "access_token": self._seal(realm, "access_token", grant.access_token),
            "refresh_token": self._seal(realm, "refresh_token", grant.refresh_token),
            "access_expires_at": grant.access_expires_at,
            "refresh_expires_at": grant.refresh_expires_at,
            "hard_expires_at": grant.hard_expires_at,
            "version": version,
        }
        with self._database.write(self._lock(realm)) as connection:
            values["updated_at"] = self._database.now(connection)
            if self._version(connection, realm) != expected_version:
                raise LostRace(
                    "Another process stored newer tokens for this company; they are used instead.",
                    realm_id=realm,
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

    def forget(self, realm: RealmId) -> None:
        """Remove the grant and any note of an attempt."""
        with self._database.write(self._lock(realm)) as connection:
            connection.execute(delete(tokens).where(self._mine, tokens.c.realm_id == realm))
            self._clear(connection, realm)

    def note_attempt(self, realm: RealmId, current: Tokens) -> RefreshAttempt:
        """Write down, durably and before the call, that this refresh token is being used.

        Whoever finds the note later knows that the answer may have been lost on the way.
        """
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
            connection.execute(self._database.upsert(refresh_attempts, tuple(values)), values)
        return RefreshAttempt(current.refresh_sha256, started, tries)

    def attempt(self, realm: RealmId) -> RefreshAttempt | None:
        """The refresh whose outcome is not on record, if any."""
        with self._database.read() as connection:
            return self._attempt(connection, realm)

    def clear_attempt(self, realm: RealmId) -> None:
        """Drop the note: Intuit answered, and the answer was a definite no."""
        with self._database.write(self._lock(realm)) as connection:
            self._clear(connection, realm)

    def _attempt(self, connection: Connection, realm: RealmId) -> RefreshAttempt | None:
        statement = select(refresh_attempts).where(
            self._my_attempts, refresh_attempts.c.realm_id == realm
        )
        row = connection.execute(statement).mappings().one_or_none()
        if row is None:
            return None
        return RefreshAttempt(row["old_token_sha256"], row["started_at"], row["tries"])

    def _clear(self, connection: Connection, realm: RealmId) -> None:
        connection.execute(
            delete(refresh_attempts).where(self._my_attempts, refresh_attempts.c.realm_id == realm)
        )

    def _version(self, connection: Connection, realm: RealmId) -> int | None:
        statement = select(tokens.c.version).where(self._mine, tokens.c.realm_id == realm)
        found: int | None = connection.execute(statement).scalar_one_or_none()
        return found

    def _lock(self, realm: RealmId) -> str:
        return f"tokens:{self._environment.value}:{realm}"

    def _context(self, realm: RealmId, name: str) -> str:
        return f"{self._environment.value}/{realm}/{name}"

    def _seal(self, realm: RealmId, name: str, secret: SecretStr) -> str:
        return self._keyring.seal(secret.get_secret_value(), self._context(realm, name))

    def _unseal(self, realm: RealmId, name: str, sealed: str) -> SecretStr:
        return SecretStr(self._keyring.unseal(sealed, self._context(realm, name)))
