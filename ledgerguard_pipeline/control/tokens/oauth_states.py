"""OAuth ``state`` values: random, short-lived, one-time (RFC 6749 section 10.12)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta

from sqlalchemy import delete, insert, select, update

from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.schema import oauth_states
from ledgerguard_pipeline.errors import ConsentError
from ledgerguard_pipeline.values import Environment

_REMEMBERED = timedelta(days=1)
"""How long a used or expired state is distinguished from a forged one."""


class StateStore:
    """States of the environment the plane was opened for; only their hashes are stored."""

    def __init__(self, database: Database, environment: Environment) -> None:
        self._database = database
        self._environment = environment

    def issue(self, ttl_seconds: float = 600, *, session: str = "") -> str:
        """A new state; with ``session`` it is good for that browser session only."""
        state = secrets.token_urlsafe(32)
        with self._database.write("states") as connection:
            now = self._database.now(connection)
            connection.execute(
                delete(oauth_states).where(oauth_states.c.expires_at < now - _REMEMBERED)
            )
            connection.execute(
                insert(oauth_states).values(
                    state_sha256=_digest(state, session),
                    environment=self._environment.value,
                    expires_at=now + timedelta(seconds=ttl_seconds),
                )
            )
        return state

    def consume(self, state: str, *, session: str = "") -> None:
        """Accept a state once.

        Raises:
            ConsentError: it was never issued here, has expired, or was used before.
        """
        digest = _digest(state, session)
        with self._database.write("states") as connection:
            now = self._database.now(connection)
            row = (
                connection.execute(
                    select(oauth_states).where(
                        oauth_states.c.state_sha256 == digest,
                        oauth_states.c.environment == self._environment.value,
                    )
                )
                .mappings()
                .one_or_none()
            )
            if row is None or not hmac.compare_digest(row["state_sha256"], digest):
                raise ConsentError(
                    "This sign-in was not started here: its state is unknown. Start again with "
                    "`ledgerguard connect` or the Connect button."
                )
            if row["consumed_at"] is not None:
                raise ConsentError(
                    "This sign-in has already been used. Start again with `ledgerguard connect` "
                    "or the Connect button."
                )
            if row["expires_at"] <= now:
                raise ConsentError(
                    "This sign-in took too long and has expired. Start again with "
                    "`ledgerguard connect` or the Connect button."
                )
            connection.execute(
                update(oauth_states)
                .where(oauth_states.c.state_sha256 == digest)
                .values(consumed_at=now)
            )


def _digest(state: str, session: str) -> str:
    return hashlib.sha256(f"{state}\n{session}".encode(errors="surrogatepass")).hexdigest()
