"""Consent, tokens and company of a client: everything before the first call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from pydantic import SecretStr

from ledgerguard_pipeline.arguments import also_called, instant
from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.errors import (
    BadInputError,
    ConsentError,
    LedgerGuardError,
    ReauthorizationRequired,
)
from ledgerguard_pipeline.qbo.oauth.company_profile import (
    NO_COMPANY,
    CompanyProfile,
    ConnectionReport,
)
from ledgerguard_pipeline.qbo.oauth.endpoint import (
    DEFAULT_ACCESS_SECONDS,
    Grant,
    OAuthEndpoint,
    is_token,
)
from ledgerguard_pipeline.qbo.oauth.pending_consents import PendingConsents
from ledgerguard_pipeline.qbo.oauth.token_set import NewTokens, TokenSet
from ledgerguard_pipeline.qbo.oauth.token_source import (
    Expiries,
    KnowsExpiries,
    MemoryTokens,
    TokenSource,
)
from ledgerguard_pipeline.values import Environment, RealmId, parse_realm

_SHARED = (
    "The tokens of this client are kept by its installation, where one refresh serves every "
    "process; {}."
)


class Granted:
    """The part of ``QBOClient`` that obtains and keeps tokens and says for whom they are good."""

    _clock: Clock
    _oauth: OAuthEndpoint
    _on_refresh: Callable[[TokenSet], object] | None
    _realm: RealmId | None
    _shares_tokens: bool
    _tokens: TokenSource
    environment: Environment

    if TYPE_CHECKING:

        def company_info(self) -> CompanyProfile: ...

    @cached_property
    def _own(self) -> MemoryTokens:
        """Tokens of this client alone; of no use where an installation keeps them."""
        return MemoryTokens(self._oauth, self._clock, on_refresh=self._on_refresh)

    def _own_tokens(self) -> MemoryTokens:
        """Of a client without an installation, made before its threads can ask for them."""
        self._consents = PendingConsents(self._clock)
        return self._own

    @cached_property
    def _consents(self) -> PendingConsents:
        """Consents that were begun here and not answered yet."""
        return PendingConsents(self._clock)

    def __repr__(self) -> str:
        return f"<QBOClient {self.environment.value}, company {self._realm or 'not chosen'}>"

    def get_authorization_url(self) -> str:
        """Where a person consents. The URL works for ten minutes, once."""
        return self._oauth.authorization_url(self._consents.issue())

    @also_called(code="auth_code")
    def exchange_code(self, auth_code: str, state: str, realm_id: str | None = None) -> NewTokens:
        """Turn a callback's code into tokens and use them from now on.

        ``realm_id`` comes with the callback as ``realmId``. Without it the tokens are for the
        company this client speaks for, or for the one that ``realm_id`` is set to next.

        Raises:
            ConsentError: the state is not one of ours, or not any more, and nothing was sent;
                or Intuit does not accept the code.
            QBOAuthError: Intuit refused the app, or gave no usable answer.
            BadInputError: no code was given, the company id is none, or this client takes its
                tokens from an installation.
        """
        self._refuse_shared("connect the company with `ledgerguard connect` instead")
        realm = self._realm if realm_id is None else parse_realm(realm_id)
        if not auth_code:
            raise BadInputError("exchange_code needs the `code` that came with the callback.")
        self._consents.consume(state)
        try:
            grant = self._oauth.exchange(auth_code)
        except ReauthorizationRequired as error:
            raise ConsentError(
                "Intuit did not accept the code: it was used before, is too old or belongs to "
                "another redirect URI. Start again from a new authorization URL.",
                status=error.status,
                fault_code=error.fault_code,
                intuit_tid=error.intuit_tid,
            ) from error
        self._own.put(realm, grant)
        self._realm = realm
        tokens = self._own.tokens(realm)
        return NewTokens(tokens, expires_in=grant.expires_in)

    def set_tokens(
        self,
        access_token: str | SecretStr,
        refresh_token: str | SecretStr | None = None,
        realm_id: str | None = None,
        *,
        access_token_expiry: datetime | str | None = None,
        refresh_token_expiry: datetime | str | None = None,
        expires_in: float | None = None,
    ) -> None:
        """Use tokens that were obtained before, as ``set_tokens(**saved)`` or one by one.

        Expiries are datetimes or ISO 8601 texts; ``expires_in`` is in seconds from now and does
        instead of ``access_token_expiry``. Without either the access token is taken to be new.
        An access token that has ended is renewed at the first call.

        Raises:
            BadInputError: something cannot be a token, a time or a company id, or this client
                takes its tokens from an installation.
        """
        self._refuse_shared("connect the company with `ledgerguard connect` instead")
        realm = self._realm if realm_id is None else parse_realm(realm_id)
        access = _token(access_token, "access_token")
        refresh = None if refresh_token is None else _token(refresh_token, "refresh_token")
        now = self._clock.now()
        if access_token_expiry is not None:
            ends = instant(access_token_expiry, "access_token_expiry")
        else:
            seconds = DEFAULT_ACCESS_SECONDS if expires_in is None else _seconds(expires_in)
            ends = now + timedelta(seconds=seconds)
        refresh_ends = (
            None
            if refresh_token_expiry is None
            else instant(refresh_token_expiry, "refresh_token_expiry")
        )
        grant = Grant(access, refresh, round((ends - now).total_seconds()), None, None)
        self._own.put(realm, grant, Expiries(ends, refresh_ends))
        self._realm = realm

    def get_tokens(self) -> TokenSet:
        """The tokens as they are now, as JSON data: keep them as you keep passwords.

        Each refresh, about one an hour of use, changes them: save again after work, or be notified
        by ``QBOClient(on_refresh=...)``. An older refresh token than Intuit's newest is dead.

        Raises:
            ReauthorizationRequired: there are none yet.
            BadInputError: this client takes its tokens from an installation.
        """
        self._refuse_shared("they are not handed out")
        return self._own.tokens(self._realm)

    def get_connection_status(self) -> ConnectionReport:
        """Whether a call works right now; never raises for a connection that does not."""
        if self._realm is None:
            return ConnectionReport.of(None, self.environment, error=NO_COMPANY)
        started = self._clock.monotonic()
        name = error = speed = None
        try:
            name = self.company_info().name
            speed = round((self._clock.monotonic() - started) * 1000, 1)
        except LedgerGuardError as failure:
            error = str(failure)
        return ConnectionReport.of(
            self._realm,
            self.environment,
            company_name=name,
            response_time_ms=speed,
            expiries=self.expiries,
            seconds_left=self._own.seconds_left(self._realm),
            error=error,
        )

    @property
    def expiries(self) -> Expiries:
        """When the tokens of this client's company end, as far as that is known."""
        if self._realm is None or not isinstance(self._tokens, KnowsExpiries):
            return Expiries()
        return self._tokens.expiries(self._realm)

    @property
    def realm_id(self) -> RealmId | None:
        """The company this client speaks for; may be set.

        Tokens belong to their company: set to another one, the client uses what it holds for
        that one, and tokens that came without a company are for the first one named.

        Raises:
            BadInputError: on setting, it is no company id; or this client speaks for a company
                of an installation.
        """
        return self._realm

    @realm_id.setter
    def realm_id(self, realm_id: str) -> None:
        realm = parse_realm(realm_id)
        if self._shares_tokens and self._realm not in (None, realm):
            raise BadInputError(
                f"This client belongs to company {self._realm} of its installation; ask the "
                f"installation for the client of {realm} instead."
            )
        self._own.assign(realm)
        self._realm = realm

    def _require_realm(self) -> RealmId:
        if self._realm is None:
            raise BadInputError(NO_COMPANY)
        return self._realm

    def _refuse_shared(self, todo: str) -> None:
        if self._shares_tokens:
            raise BadInputError(_SHARED.format(todo))


def check_app(client_id: object, client_secret: object, redirect_uri: object) -> None:
    """Refuse impossible credentials, without repeating them: they may be secret.

    Raises:
        BadInputError: a part is missing.
    """
    secret = (
        client_secret.get_secret_value()
        if isinstance(client_secret, SecretStr)
        else (client_secret)
    )
    for name, value in (
        ("client_id", client_id),
        ("client_secret", secret),
        ("redirect_uri", redirect_uri),
    ):
        if not isinstance(value, str) or not value.strip():
            raise BadInputError(
                f"{name} is missing or not text: the app's keys and redirect URIs are in Intuit's "
                "developer portal."
            )


def _token(value: object, what: str) -> SecretStr:
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(text, str) or not is_token(text):
        # Whatever it is, it may be a secret: it is not repeated.
        saved = " Saved tokens are taken as set_tokens(**saved)." if isinstance(value, dict) else ""
        raise BadInputError(f"{what} is not a token: pass the text Intuit gave.{saved}")
    return SecretStr(text)


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadInputError("expires_in is a number of seconds from now.")
    return float(value)
