"""Keeps every company's access token alive: one refresh per expiry, whoever asks.

Intuit may end a whole grant when one refresh token is used twice at once, and the value changes
about daily. So a refresh is held by a lease that all processes share, noted down before the call
and stored on disk before the new token is used; whoever waited reads the winner's token instead
of asking again. A grant is declared dead only after the store was read once more.
"""

from __future__ import annotations

import random
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

import structlog

from ledgerguard_pipeline.control.companies import ConnectionStatus
from ledgerguard_pipeline.control.holder import this_process
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.tokens import Tokens
from ledgerguard_pipeline.crashpoints import crashpoint
from ledgerguard_pipeline.custody.grants import tokens_of
from ledgerguard_pipeline.errors import (
    ControlUnavailable,
    CredentialsRejected,
    LostRace,
    ReauthorizationRequired,
    TokenEndpointUnavailable,
)
from ledgerguard_pipeline.qbo.oauth import OAuthEndpoint
from ledgerguard_pipeline.qbo.tokens import EARLY_SECONDS, AccessToken
from ledgerguard_pipeline.values import Environment, RealmId

LEASE_SECONDS = 90.0
"""Longer than one call of the token endpoint can last with all its time-outs."""

PATIENCE_SECONDS = 30.0
"""How long one caller keeps trying to store a new grant while the store is down."""

_REREAD_SECONDS = 5.0
_FREE_TRIES = 3
_FIRST_PAUSE_SECONDS = 5.0
_LONGEST_PAUSE_SECONDS = 900.0
_IDLE = timedelta(hours=23)
_POLL_SECONDS = (0.02, 0.1)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Cached:
    token: AccessToken
    good_until: float
    reread_at: float


@dataclass(frozen=True, slots=True)
class _Unstored:
    """A grant Intuit gave that could not be put on disk yet; it is not used until it is."""

    tokens: Tokens
    replaces: int


def refresh_lease(environment: Environment, realm: RealmId) -> str:
    """The lease under which a company's grant is changed."""
    return f"refresh:{environment.value}:{realm}"


class Custodian:
    """The token source of an installation (``qbo.tokens.TokenSource``). Thread-safe."""

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
        self._oauth = oauth
        self._clock = control.clock
        self._lease_seconds = lease_seconds
        self._early = timedelta(seconds=early_seconds)
        self._patience = patience_seconds
        self._guard = threading.Lock()
        self._turns: dict[RealmId, threading.Lock] = {}
        self._cache: dict[RealmId, _Cached] = {}
        self._unstored: dict[RealmId, _Unstored] = {}

    def current(self, realm: RealmId) -> AccessToken:
        """The access token to use now, refreshed first if it ends within five minutes.

        While the old token still lives, a token endpoint or store that is down does not stop
        anything: the old token is returned.

        Raises:
            BadInputError: the company was never connected.
            ReauthorizationRequired: its grant is dead; only a new consent helps.
            CredentialsRejected: Intuit refuses the app's id or secret.
            TokenEndpointUnavailable: no usable answer, and the old token has ended.
            KeyUnavailable: the stored tokens do not open.
        """
        cached = self._cached(realm)
        if cached is not None:
            return cached
        tokens = self._stored(realm)
        now = self._control.now()
        if now < tokens.access_expires_at - self._early and not self._outlived(realm, tokens):
            return self._remember(realm, tokens)
        try:
            return self._refresh(realm, tokens.version)
        except (TokenEndpointUnavailable, ControlUnavailable) as error:
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
            TokenEndpointUnavailable: no usable answer; the grant is kept.
            KeyUnavailable: the stored tokens do not open.
        """
        return self._refresh(realm, rejected.version)

    def keep_alive(self, realm: RealmId) -> bool:
        """Refresh a grant nobody used for a day, so that its rolling 100 days never end.

        True if a refresh was made. Raises as ``renew`` does.
        """
        tokens = self._stored(realm)
        if self._control.now() - tokens.access_expires_at < _IDLE:
            return False
        self._refresh(realm, tokens.version)
        return True

    def _refresh(self, realm: RealmId, stale: int) -> AccessToken:
        """A token of another version than ``stale``: somebody else's, or one refresh of ours."""
        with self._turn(realm), self._lease(realm, stale) as newer:
            if newer is not None:
                return self._remember(realm, newer)
            # Read again under the lease: the last holder may have been faster.
            tokens = self._stored(realm)
            if tokens.version == stale:
                tokens = self._ask(realm, tokens)
            return self._remember(realm, tokens)

    def _ask(self, realm: RealmId, tokens: Tokens) -> Tokens:
        unstored = self._unstored.get(realm)
        if unstored is not None and unstored.replaces == tokens.version:
            return self._persist(realm, unstored)
        self._respect_pause(realm, tokens)
        noted = self._control.tokens.note_attempt(realm, tokens)
        try:
            grant = self._oauth.refresh(tokens.refresh_token)
        except ReauthorizationRequired as error:
            return self._dead(realm, tokens, error, interrupted=noted.tries > 1)
        except CredentialsRejected:
            # The app's own keys: no attempt on this grant took place.
            self._control.tokens.clear_attempt(realm)
            raise
        crashpoint("after_token_response")
        fresh = tokens_of(grant, self._control.now(), previous=tokens)
        stored = self._persist(realm, _Unstored(fresh, tokens.version))
        _log.info("token_refreshed", realm_id=realm, version=stored.version)
        return stored

    def _persist(self, realm: RealmId, unstored: _Unstored) -> Tokens:
        """Put the grant on disk; nobody sees it before that."""
        self._unstored[realm] = unstored
        crashpoint("before_token_persist")
        deadline = self._clock.monotonic() + self._patience
        pause = 0.1
        while True:
            try:
                stored = self._control.tokens.replace(realm, unstored.tokens, unstored.replaces)
            except LostRace:
                self._unstored.pop(realm, None)
                return self._stored(realm)
            except ControlUnavailable as error:
                _log.error("token_not_stored", realm_id=realm, reason=error.message)
                if self._clock.monotonic() + pause > deadline:
                    raise
                self._clock.sleep(pause)
                pause = min(pause * 2, 5.0)
            else:
                self._unstored.pop(realm, None)
                return stored

    def _dead(
        self, realm: RealmId, tokens: Tokens, error: ReauthorizationRequired, *, interrupted: bool
    ) -> Tokens:
        latest = self._control.tokens.load(realm)
        if latest is not None and latest.version != tokens.version:
            return latest
        why = (
            "An earlier refresh was cut off and Intuit no longer accepts the stored token."
            if interrupted
            else "Intuit no longer accepts this company's grant: it was disconnected in "
            "QuickBooks, replaced or left unused too long."
        )
        advice = f"{why} Connect it again with `ledgerguard connect`; its rows stay."
        self._control.companies.mark(realm, ConnectionStatus.NEEDS_REAUTH, advice)
        self._control.tokens.clear_attempt(realm)
        self._forget(realm)
        _log.error("reauthorization_required", realm_id=realm, interrupted=interrupted)
        raise ReauthorizationRequired(
            advice,
            realm_id=realm,
            fault_code=error.fault_code,
            intuit_tid=error.intuit_tid,
            status=error.status,
        ) from error

    def _respect_pause(self, realm: RealmId, tokens: Tokens) -> None:
        """After several tries without a usable answer, wait longer before each further one."""
        attempt = self._control.tokens.attempt(realm)
        if attempt is None or attempt.old_token_sha256 != tokens.refresh_sha256:
            return
        if attempt.tries < _FREE_TRIES:
            return
        pause = min(
            _FIRST_PAUSE_SECONDS * 2.0 ** min(attempt.tries - _FREE_TRIES, 16),
            _LONGEST_PAUSE_SECONDS,
        )
        waited = (self._control.now() - attempt.started_at).total_seconds()
        if 0 <= waited < pause:
            raise TokenEndpointUnavailable(
                f"Refreshing this company's token failed {attempt.tries} times in a row; the "
                f"next try is due in {pause - waited:.0f} s. The grant is kept.",
                realm_id=realm,
            )

    @contextmanager
    def _lease(self, realm: RealmId, stale: int) -> Iterator[Tokens | None]:
        """Hold the company's lease, or yield the tokens another process stored meanwhile."""
        name = refresh_lease(self._control.environment, realm)
        owner = f"{this_process()}/{secrets.token_hex(8)}"
        deadline = self._clock.monotonic() + self._lease_seconds + 10.0
        while (lease := self._control.leases.acquire(name, owner, self._lease_seconds)) is None:
            tokens = self._stored(realm)
            if tokens.version != stale:
                yield tokens
                return
            if self._clock.monotonic() >= deadline:
                raise TokenEndpointUnavailable(
                    "Another process has been refreshing this company's token for too long. "
                    "The grant is kept; try again.",
                    realm_id=realm,
                )
            self._clock.sleep(random.uniform(*_POLL_SECONDS))  # noqa: S311  # jitter
        try:
            yield None
        finally:
            with suppress(ControlUnavailable):
                self._control.leases.release(lease)

    def _stored(self, realm: RealmId) -> Tokens:
        company = self._control.companies.require(realm)
        if company.status is not ConnectionStatus.CONNECTED:
            self._forget(realm)
            raise ReauthorizationRequired(
                company.last_error
                or "This company is disconnected. Connect it again with `ledgerguard connect`.",
                realm_id=realm,
            )
        tokens = self._control.tokens.load(realm)
        if tokens is None:
            self._forget(realm)
            raise ReauthorizationRequired(
                "No tokens are stored for this company. Connect it again with "
                "`ledgerguard connect`.",
                realm_id=realm,
            )
        return tokens

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
    def _turn(self, realm: RealmId) -> Iterator[None]:
        with self._guard:
            turn = self._turns.setdefault(realm, threading.Lock())
        with turn:
            yield
