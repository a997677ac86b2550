"""Keeps every company's access token alive: one refresh per expiry, whoever asks.

Intuit may end a whole grant when one refresh token is used twice at once, and the value changes
about daily. So a refresh is held by a lease that all processes share, noted down before the call
and stored on disk before the new token is used; whoever waited reads the winner's token instead
of asking again. A grant is declared dead only after the store was read once more.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog

from ledgerguard_pipeline.auth.confirmation import (
    REFUSED_AGAIN,
    Question,
    proves_little,
    question_due,
)
from ledgerguard_pipeline.auth.refresh import PATIENCE_SECONDS, Refresher
from ledgerguard_pipeline.auth.refresh_lease import LEASE_SECONDS, RefreshLease
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.tokens.sql_store import Tokens
from ledgerguard_pipeline.errors import (
    ControlUnavailable,
    QuotaExhausted,
    ReauthorizationRequired,
    TokenEndpointUnavailable,
)
from ledgerguard_pipeline.qbo.oauth.endpoint import OAuthEndpoint
from ledgerguard_pipeline.qbo.oauth.token_source import EARLY_SECONDS, AccessToken, Expiries
from ledgerguard_pipeline.values import RealmId

_REREAD_SECONDS = 5.0
_IDLE = timedelta(hours=23)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Cached:
    token: AccessToken
    good_until: float
    reread_at: float


class TokenProvider:
    """The token source of an installation (``qbo.oauth.token_source.TokenSource``). Thread-safe."""

    def __init__(
        self,
        control: ControlPlane,
        oauth: OAuthEndpoint,
        *,
        lease_seconds: float = LEASE_SECONDS,
        early_seconds: float = EARLY_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._control = control
        self._refresher = Refresher(control, oauth, patience_seconds=patience_seconds)
        self._clock = control.clock
        self._lease_seconds = lease_seconds
        self._early = timedelta(seconds=early_seconds)
        self._guard = threading.Lock()
        self._refresh_leases: dict[RealmId, threading.Lock] = {}
        self._cache: dict[RealmId, _Cached] = {}

    def current(self, realm: RealmId) -> AccessToken:
        """The access token to use now, refreshed first if it ends within five minutes.

        While the old token still lives, a token endpoint or store that is down does not stop
        anything: the old token is returned. A spent quota is up to who lets calls start.

        Raises:
            BadInputError: the company was never connected.
            ReauthorizationRequired: its grant is dead; only a new consent helps.
            CredentialsRejected: Intuit refuses the app's id or secret.
            QuotaExhausted: the app's quota is used up, and the old token has ended.
            TokenEndpointUnavailable: no usable answer, and the old token has ended.
            KeyUnavailable: the stored tokens do not open.
        """
        cached = self._cached(realm)
        if cached is not None:
            return cached
        try:
            tokens = self._stored(realm)
        except ReauthorizationRequired:
            if not self._refresher.keeps(realm):
                raise
            return self._store_kept(realm)
        now = self._control.now()
        if now < tokens.access_expires_at - self._early and not self._outlived(realm, tokens):
            return self._remember(realm, tokens)
        try:
            return self._refresh(realm, tokens.version)
        except (TokenEndpointUnavailable, QuotaExhausted, ControlUnavailable) as error:
            if now >= tokens.access_expires_at:
                raise
            _log.warning("refresh_postponed", realm_id=realm, reason=error.message)
            token = AccessToken(realm, tokens.access_token, tokens.version)
            left = (tokens.access_expires_at - now).total_seconds()
            with self._guard:
                until = self._clock.monotonic() + min(left, _REREAD_SECONDS)
                self._cache[realm] = _Cached(token, until, until)
            return token

    def renew(self, realm: RealmId, rejected: AccessToken) -> AccessToken:
        """A newer token than the one Intuit refused with a 401, whatever our clock says.

        Raises:
            ReauthorizationRequired: the grant is dead; only a new consent helps.
            CredentialsRejected: Intuit refuses the app's id or secret.
            QuotaExhausted: the app's quota is used up.
            TokenEndpointUnavailable: no usable answer; the grant is kept.
            KeyUnavailable: the stored tokens do not open.
        """
        return (
            self._store_kept(realm)
            if self._refresher.keeps(realm)
            else self._refresh(realm, rejected.version)
        )

    def expiries(self, realm: RealmId) -> Expiries:
        """When the stored tokens of a company end; nothing is opened for it."""
        life = self._control.tokens.lives([realm]).get(realm)
        if life is None:
            return Expiries()
        return Expiries(life.access_expires_at, life.refresh_expires_at)

    def refused(self, realm: RealmId, rejected: AccessToken) -> None:
        """Pause a company whose calls Intuit refuses even with a token it gave just now.

        Nothing happens if another token is stored by now. ``confirm`` looks into it later.
        """
        tokens = self._control.tokens.load(realm)
        if tokens is None or tokens.version != rejected.version:
            return
        noted = self._control.tokens.note_attempt(realm, tokens)
        company = self._control.companies.get(realm)
        if company is not None and proves_little(company, self._control.now()):
            self._control.tokens.note_reason(realm, noted, REFUSED_AGAIN)
        self._control.companies.set_status(
            realm,
            ConnectionStatus.NEEDS_REAUTH,
            "QuickBooks refuses even a fresh access token of this company. Connect it again with "
            "`ledgerguard connect` or on the company page; its rows stay.",
        )
        self._forget(realm)
        if self._control.tokens.version(realm) not in (None, rejected.version):
            # Somebody stored another token meanwhile, of which nothing is known yet.
            self._control.companies.set_status(realm, ConnectionStatus.CONNECTED)
            return
        _log.error("reauthorization_required", realm_id=realm, interrupted=False)

    def keep_alive(self, realm: RealmId, idle: timedelta = _IDLE) -> bool:
        """Refresh a grant that nobody has used for that long, so that its rolling 100 days never end.

        True if a refresh was made. Raises as ``renew`` does.
        """
        tokens = self._stored(realm)
        if self._control.now() - tokens.access_expires_at < idle:
            return False
        self._refresh(realm, tokens.version)
        return True

    def confirm(self, realm: RealmId) -> bool | None:
        """Ask again for a grant that was refused, if that is due (``auth.confirmation``); True if it lives.

        None if there is nothing to ask: it was confirmed dead before, refused only just now, or
        the company is not waiting for a new consent.

        Raises:
            CredentialsRejected, TokenEndpointUnavailable, KeyUnavailable: as ``renew``; it will
                be asked again.
        """
        with self._refresh_lease(realm):
            refresh_lease = RefreshLease(self._control, realm, self._lease_seconds)
            refresh_lease.wait()
            try:
                company = self._control.companies.require(realm)
                noted = self._control.tokens.attempt(realm)
                due = question_due(company, noted, self._control.now())
                if due is None or noted is None:
                    return None
                last = due is Question.LAST
                found = self._refresher.confirm(realm, noted, refresh_lease, last=last)
                return found is not None
            finally:
                refresh_lease.end()

    def _refresh(self, realm: RealmId, stale: int) -> AccessToken:
        """A token of another version than ``stale``: somebody else's, or one refresh of ours."""
        with self._refresh_lease(realm):
            refresh_lease = RefreshLease(self._control, realm, self._lease_seconds)
            newer = refresh_lease.wait(lambda: self._newer(realm, stale))
            if newer is not None:
                return self._remember(realm, newer)
            try:
                # Read again under the lease: the last holder may have been faster.
                tokens = self._stored(realm)
                if tokens.version == stale:
                    tokens = self._refresher.refresh(realm, tokens, refresh_lease)
            except ReauthorizationRequired:
                self._forget(realm)
                raise
            finally:
                refresh_lease.end()
            return self._remember(realm, tokens)

    def _store_kept(self, realm: RealmId) -> AccessToken:
        """The token this process was given and could not store, which lives if any does."""
        with self._refresh_lease(realm):
            refresh_lease = RefreshLease(self._control, realm, self._lease_seconds)
            refresh_lease.wait()
            try:
                return self._remember(realm, self._refresher.store_kept(realm, refresh_lease))
            finally:
                refresh_lease.end()

    def _newer(self, realm: RealmId, stale: int) -> Tokens | None:
        tokens = self._stored(realm)
        return None if tokens.version == stale else tokens

    def _stored(self, realm: RealmId) -> Tokens:
        try:
            return self._refresher.stored(realm)
        except ReauthorizationRequired:
            self._forget(realm)
            raise

    def _cached(self, realm: RealmId) -> AccessToken | None:
        """The token read a moment ago; saves a read and two decryptions per call."""
        cached = self._cache.get(realm)
        if cached is None or self._clock.monotonic() >= min(cached.good_until, cached.reread_at):
            return None
        return cached.token

    def _remember(self, realm: RealmId, tokens: Tokens) -> AccessToken:
        """Cache by monotonic time, so that a wall clock set back cannot make a token immortal."""
        token = AccessToken(realm, tokens.access_token, tokens.version)
        now = self._clock.monotonic()
        left = tokens.access_expires_at - self._early - self._control.now()
        good_until = now + left.total_seconds()
        with self._guard:
            known = self._cache.get(realm)
            if known is not None and known.token.version == token.version:
                good_until = min(good_until, known.good_until)
            self._cache[realm] = _Cached(token, good_until, now + _REREAD_SECONDS)
        return token

    def _outlived(self, realm: RealmId, tokens: Tokens) -> bool:
        """By monotonic time its life is over, whatever a wall clock that was set back says."""
        known = self._cache.get(realm)
        return (
            known is not None
            and known.token.version == tokens.version
            and self._clock.monotonic() >= known.good_until
        )

    def _forget(self, realm: RealmId) -> None:
        with self._guard:
            self._cache.pop(realm, None)

    @contextmanager
    def _refresh_lease(self, realm: RealmId) -> Iterator[None]:
        with self._guard:
            refresh_lease = self._refresh_leases.setdefault(realm, threading.Lock())
        with refresh_lease:
            yield
