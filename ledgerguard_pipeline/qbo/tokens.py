"""Where access tokens come from. The installation's custodian fits this protocol; a client used
on its own keeps its tokens in memory.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Protocol

from pydantic import SecretStr

from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.errors import ReauthorizationRequired
from ledgerguard_pipeline.qbo.oauth import Grant, OAuthEndpoint
from ledgerguard_pipeline.values import RealmId

EARLY_SECONDS = 300.0
"""An access token is renewed so long before it ends, for clocks that disagree."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """The token to use now; ``version`` moves with every renewal."""

    realm_id: RealmId
    value: SecretStr
    version: int


class TokenSource(Protocol):
    """Gives the access token of a company."""

    def current(self, realm: RealmId) -> AccessToken:
        """The token to use now, renewed first if it is about to end.

        Raises:
            QBOAuthError: there is none, or it cannot be renewed.
        """
        ...

    def renew(self, realm: RealmId, rejected: AccessToken) -> AccessToken:
        """A newer token than the one Intuit refused; one refresh, however many callers ask.

        Raises:
            QBOAuthError: it cannot be renewed.
        """
        ...

    def refused(self, realm: RealmId, rejected: AccessToken) -> None:
        """Take note that Intuit refuses even this token, which was renewed just now."""
        ...


@dataclass(frozen=True, slots=True)
class _Held:
    access: AccessToken
    refresh: SecretStr | None
    expires_at: float


class MemoryTokens:
    """A token source for one process; nothing is written down."""

    def __init__(self, oauth: OAuthEndpoint, clock: Clock) -> None:
        self._oauth = oauth
        self._clock = clock
        self._lock = threading.Lock()
        self._held: dict[RealmId, _Held] = {}

    def put(self, realm: RealmId, grant: Grant) -> None:
        """Use these tokens from now on, and nothing of what was held before."""
        with self._lock:
            self._put(realm, grant, grant.refresh_token)

    def knows(self, realm: RealmId) -> bool:
        """Whether tokens of the company are held."""
        with self._lock:
            return realm in self._held

    def seconds_left(self, realm: RealmId) -> float | None:
        """How long the access token lives; None without one."""
        with self._lock:
            held = self._held.get(realm)
            return None if held is None else held.expires_at - self._clock.monotonic()

    def current(self, realm: RealmId) -> AccessToken:
        with self._lock:
            held = self._require(realm)
            due = held.expires_at - EARLY_SECONDS <= self._clock.monotonic()
            if due and held.refresh is not None:
                return self._renew(realm, held)
            return held.access

    def renew(self, realm: RealmId, rejected: AccessToken) -> AccessToken:
        with self._lock:
            held = self._require(realm)
            if held.access.version != rejected.version:
                return held.access
            return self._renew(realm, held)

    def refused(self, realm: RealmId, rejected: AccessToken) -> None:
        """The caller is told; nothing else depends on it here."""

    def _renew(self, realm: RealmId, held: _Held) -> AccessToken:
        if held.refresh is None:
            raise ReauthorizationRequired(
                "The access token ended and there is no refresh token; call exchange_code or "
                "set_tokens again.",
                realm_id=realm,
            )
        grant = self._oauth.refresh(held.refresh)
        return self._put(realm, grant, grant.refresh_token or held.refresh)

    def _put(self, realm: RealmId, grant: Grant, refresh: SecretStr | None) -> AccessToken:
        old = self._held.get(realm)
        version = old.access.version + 1 if old else 1
        access = AccessToken(realm, grant.access_token, version)
        self._held[realm] = _Held(access, refresh, self._clock.monotonic() + grant.expires_in)
        return access

    def _require(self, realm: RealmId) -> _Held:
        held = self._held.get(realm)
        if held is None:
            raise ReauthorizationRequired(
                "No tokens are set for this company; call exchange_code or set_tokens first.",
                realm_id=realm,
            )
        return held


def as_secret(value: str | SecretStr) -> SecretStr:
    """A token given as text or already wrapped, wrapped."""
    return value if isinstance(value, SecretStr) else SecretStr(value)
