"""Where access tokens come from. The installation's token provider fits this protocol; a client used
on its own keeps its tokens in memory.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol, runtime_checkable

from pydantic import SecretStr

from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.errors import ReauthorizationRequired
from ledgerguard_pipeline.qbo.oauth.endpoint import Grant, OAuthEndpoint
from ledgerguard_pipeline.qbo.oauth.token_set import TokenSet
from ledgerguard_pipeline.result import iso
from ledgerguard_pipeline.values import RealmId

EARLY_SECONDS = 300.0
"""An access token is renewed so long before it ends, for clocks that disagree."""

_NOBODY = RealmId("")
"""The company of tokens that wait for one; never called."""


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
class Expiries:
    """When tokens end; None where that is not known."""

    access: datetime | None = None
    refresh: datetime | None = None


@runtime_checkable
class KnowsExpiries(Protocol):
    """A token source that can tell when its tokens end, without opening them."""

    def expiries(self, realm: RealmId) -> Expiries:
        """When the tokens of a company end."""
        ...


@dataclass(frozen=True, slots=True)
class _Held:
    access: AccessToken
    refresh: SecretStr | None
    expires_at: float
    """On the monotonic clock, which decides; ``expiries`` are for people."""
    expiries: Expiries


class MemoryTokens:
    """A token source for one process; nothing is written down.

    ``on_refresh`` is called with every new set of tokens before it is used.
    """

    def __init__(
        self,
        oauth: OAuthEndpoint,
        clock: Clock,
        *,
        on_refresh: Callable[[TokenSet], object] | None = None,
    ) -> None:
        self._oauth = oauth
        self._clock = clock
        self._on_refresh = on_refresh
        self._lock = threading.RLock()  # on_refresh may ask for the tokens
        self._held: dict[RealmId, _Held] = {}
        self._unassigned: _Held | None = None

    def put(self, realm: RealmId | None, grant: Grant, expiries: Expiries | None = None) -> None:
        """Use these tokens from now on, and nothing of what was held before.

        Without a company they wait for ``assign``. ``expiries`` are known better than the
        grant's lifetimes tell, where given.
        """
        with self._lock:
            if realm is None:
                self._unassigned = self._hold(None, grant, grant.refresh_token, expiries)
            else:
                self._put(realm, grant, grant.refresh_token, expiries)

    def assign(self, realm: RealmId) -> None:
        """Let tokens that came without a company be this one's."""
        with self._lock:
            waiting, self._unassigned = self._unassigned, None
            if waiting is not None:
                access = replace(waiting.access, realm_id=realm, version=self._next(realm))
                self._held[realm] = replace(waiting, access=access)

    def tokens(self, realm: RealmId | None) -> TokenSet:
        """What is held, in clear.

        Raises:
            ReauthorizationRequired: nothing is.
        """
        with self._lock:
            held = self._unassigned if realm is None else self._held.get(realm)
            if held is None:
                raise _nothing_held(realm)
            return _token_set(realm, held)

    def seconds_left(self, realm: RealmId) -> float | None:
        """How long the access token lives; None without one."""
        with self._lock:
            held = self._held.get(realm)
            return None if held is None else held.expires_at - self._clock.monotonic()

    def expiries(self, realm: RealmId) -> Expiries:
        """When the tokens of a company end."""
        with self._lock:
            held = self._held.get(realm)
            return Expiries() if held is None else held.expiries

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
        """The caller learns of it; nothing else depends on it here."""

    def _renew(self, realm: RealmId, held: _Held) -> AccessToken:
        if held.refresh is None:
            raise ReauthorizationRequired(
                "The access token ended and there is no refresh token; call exchange_code or "
                "set_tokens again.",
                realm_id=realm,
            )
        grant = self._oauth.refresh(held.refresh)
        access = self._put(realm, grant, grant.refresh_token or held.refresh)
        if self._on_refresh is not None:
            self._on_refresh(_token_set(realm, self._held[realm]))
        return access

    def _put(
        self,
        realm: RealmId,
        grant: Grant,
        refresh: SecretStr | None,
        expiries: Expiries | None = None,
    ) -> AccessToken:
        self._held[realm] = held = self._hold(realm, grant, refresh, expiries)
        return held.access

    def _hold(
        self,
        realm: RealmId | None,
        grant: Grant,
        refresh: SecretStr | None,
        expiries: Expiries | None,
    ) -> _Held:
        now = self._clock.now()
        return _Held(
            AccessToken(realm or _NOBODY, grant.access_token, self._next(realm)),
            refresh,
            self._clock.monotonic() + grant.expires_in,
            expiries
            or Expiries(_after(now, grant.expires_in), _after(now, grant.refresh_expires_in)),
        )

    def _next(self, realm: RealmId | None) -> int:
        old = None if realm is None else self._held.get(realm)
        return 1 if old is None else old.access.version + 1

    def _require(self, realm: RealmId) -> _Held:
        held = self._held.get(realm)
        if held is None:
            raise _nothing_held(realm)
        return held


def _nothing_held(realm: RealmId | None) -> ReauthorizationRequired:
    return ReauthorizationRequired(
        "No tokens are set for this company; call exchange_code or set_tokens first.",
        realm_id=realm,
    )


def _after(now: datetime, seconds: int | None) -> datetime | None:
    return None if seconds is None else (now + timedelta(seconds=seconds)).replace(microsecond=0)


def _token_set(realm: RealmId | None, held: _Held) -> TokenSet:
    return TokenSet(
        access_token=held.access.value.get_secret_value(),
        refresh_token=None if held.refresh is None else held.refresh.get_secret_value(),
        access_token_expiry=iso(held.expiries.access),
        refresh_token_expiry=iso(held.expiries.refresh),
        realm_id=realm,
    )
