"""Connecting and disconnecting companies: consent, confirmation, storage, revocation.

Nothing of a callback is stored before the state was ours, the code was exchanged and a
CompanyInfo read with the new token proved that it opens the company the callback names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

import structlog

from ledgerguard_pipeline.auth.refresh_lease import LEASE_SECONDS, refresh_lease
from ledgerguard_pipeline.auth.token_lifetimes import tokens_of
from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.tokens.sql_store import Tokens
from ledgerguard_pipeline.crashpoints import crashpoint
from ledgerguard_pipeline.errors import (
    AccessDenied,
    BadInputError,
    ConfirmationFailed,
    ConsentDenied,
    ConsentError,
    KeyUnavailable,
    QBOAPIError,
    QuotaExhausted,
    ReauthorizationRequired,
    TokenEndpointThrottled,
    TokenEndpointUnavailable,
    Transient,
)
from ledgerguard_pipeline.qbo.oauth.endpoint import Grant, OAuthEndpoint
from ledgerguard_pipeline.qbo.oauth.token_source import AccessToken, TokenSource
from ledgerguard_pipeline.values import RealmId, parse_realm

_ERROR_CODE = re.compile(r"[a-z_]{1,40}", re.ASCII)
_CODE_LIMIT = 512
_AGAIN = "Nothing was stored. Start again with `ledgerguard connect` or the Connect button."

_log = structlog.get_logger(__name__)


class Named(Protocol):
    """Something with a name."""

    @property
    def name(self) -> str: ...


class CompanyReader(Protocol):
    """What confirming a company needs of the API client (``QBOClient`` has it)."""

    def company_info(self) -> Named:
        """Read CompanyInfo; fails where the token does not open the company."""
        ...


ClientFactory = Callable[[RealmId, TokenSource], AbstractContextManager[CompanyReader]]


class Connector:
    """Connects companies of the environment the control plane was opened for."""

    def __init__(
        self, control: ControlPlane, oauth: OAuthEndpoint, client_factory: ClientFactory
    ) -> None:
        self._control = control
        self._oauth = oauth
        self._client_factory = client_factory

    def begin(self, *, session: str = "") -> str:
        """Intuit's consent page with a fresh state, good once and for ten minutes.

        With ``session`` the callback has to come back to the same browser session.
        """
        return self._oauth.authorization_url(self._control.states.issue(session=session))

    def complete(self, params: Mapping[str, str], *, session: str = "") -> Company:
        """Take the callback's query parameters and connect the company they name.

        A company connected before gets the new grant and keeps its rows and watermarks; another
        company than before simply becomes one more.

        Raises:
            ConsentError: denied, forged, expired or replayed; a code used twice.
            ConfirmationFailed: QuickBooks does not let the company be read with the new token.
            QBOAPIError: QuickBooks gave no usable answer when the company was to be read.
            QuotaExhausted: the app's quota is used up.
            ConfigurationError: the company belongs to the other environment.
            CredentialsRejected: Intuit refuses the app's id or secret.
            TokenEndpointUnavailable: no usable answer, or a request to wait. In all cases nothing
                was stored.
        """
        code, realm = self._callback(params, session)
        self._control.companies.refuse_other_environment(realm, self._control.environment)
        try:
            grant = self._oauth.exchange(code)
        except TokenEndpointThrottled as error:
            raise self._control.refusals.token_refusal(error, realm) from error.__cause__
        except ReauthorizationRequired as error:
            raise ConsentError(
                f"Intuit did not accept the code of this sign-in: it was used before or is too "
                f"old. {_AGAIN}",
                realm_id=realm,
            ) from error
        self._control.refusals.tokens_given()
        tokens = tokens_of(grant, self._control.now())
        name = self._confirm(realm, grant)
        company = Company(
            realm_id=realm,
            environment=self._control.environment,
            name=name,
            status=ConnectionStatus.CONNECTED,
            connected_at=self._control.now(),
            last_success_at=self._control.now(),
        )
        with self._lease(realm):
            store = self._control.tokens
            # The version alone: old tokens whose key is lost must not hinder a new consent.
            store.replace(realm, tokens, store.version(realm))
            crashpoint("after_connect_tokens")
            # Another edition or another person's rights may be behind the new consent.
            self._control.capabilities.forget(realm)
            self._control.companies.put(company)
        _log.info("company_connected", realm_id=realm, environment=company.environment.value)
        return company

    def disconnect(self, realm: RealmId, *, unopened: bool = False) -> Company:
        """Revoke the grant at Intuit, then forget its tokens; rows and watermarks stay.

        With ``unopened`` tokens that no key opens are forgotten as well: nobody can revoke them here,
        or use them.

        Raises:
            BadInputError: the company was never connected.
            CredentialsRejected, TokenEndpointUnavailable: Intuit did not confirm, so the tokens
                are kept and the company stays connected.
            QuotaExhausted: the same, because the app's quota is used up.
            KeyUnavailable: the stored tokens do not open, so they cannot be revoked.
        """
        self._control.companies.require(realm)
        with self._lease(realm):
            tokens = self._load(realm, unopened=unopened)
            if tokens is not None:
                try:
                    self._revoke(realm, tokens)
                except TokenEndpointThrottled as error:
                    raise self._control.refusals.token_refusal(error, realm) from error.__cause__
                crashpoint("after_revoke")
            # In this order: a company without tokens that counts as connected would be called.
            self._control.companies.set_status(realm, ConnectionStatus.DISCONNECTED)
            crashpoint("after_disconnect_noted")
            self._control.tokens.forget(realm)
            self._control.inbox.ignore_not_served()
        _log.info("company_disconnected", realm_id=realm)
        return self._control.companies.require(realm)

    def _load(self, realm: RealmId, *, unopened: bool) -> Tokens | None:
        try:
            return self._control.tokens.load(realm)
        except KeyUnavailable:
            if not unopened:
                raise
            return None

    def _revoke(self, realm: RealmId, tokens: Tokens) -> None:
        """End the grant at Intuit for certain.

        Intuit answers 400 to any token it does not like, not to ended ones only, so what it does
        not revoke is believed to have ended only if it is not renewed either.
        """
        try:
            self._oauth.revoke(tokens.refresh_token)
        except ReauthorizationRequired:
            pass
        else:
            return
        try:
            grant = self._oauth.refresh(tokens.refresh_token)
        except ReauthorizationRequired:
            _log.info("grant_had_ended", realm_id=realm)
            return
        fresh = tokens_of(grant, self._control.now(), previous=tokens)
        self._control.tokens.replace(realm, fresh, tokens.version)
        try:
            self._oauth.revoke(fresh.refresh_token)
        except ReauthorizationRequired as error:
            raise TokenEndpointUnavailable(
                "Intuit renews this company's grant but does not revoke it, so the company "
                "stays connected. "
                "Try again later, or disconnect the app inside QuickBooks.",
                realm_id=realm,
                status=error.status,
            ) from error

    def _callback(self, params: Mapping[str, str], session: str) -> tuple[str, RealmId]:
        state = params.get("state")
        if not state:
            raise ConsentError(
                f"The callback carries no state, so this sign-in did not start here. {_AGAIN}"
            )
        self._control.states.consume(state, session=session)
        error = params.get("error")
        if error == "access_denied":
            raise ConsentDenied(f"The consent was denied on Intuit's page. {_AGAIN}")
        if error:
            reason = error if _ERROR_CODE.fullmatch(error) else "an unknown reason"
            raise ConsentError(f"Intuit ended the sign-in: {reason}. {_AGAIN}")
        code, realm = params.get("code"), params.get("realmId")
        if not code or not realm or len(code) > _CODE_LIMIT:
            raise ConsentError(f"The callback lacks the code or the company. {_AGAIN}")
        try:
            return code, parse_realm(realm)
        except BadInputError:
            raise ConsentError(f"The callback names an invalid company id. {_AGAIN}") from None

    def _confirm(self, realm: RealmId, grant: Grant) -> str:
        """The company's name, read with the new token: proof that it opens this company.

        A grant that fails here is dropped, never revoked: revoking ends every grant of the app
        for the company it really belongs to, which may be connected already.
        """
        try:
            with self._client_factory(realm, _Unproven(grant)) as client:
                return client.company_info().name
        except QBOAPIError as error:
            if isinstance(error, Transient | QuotaExhausted):
                raise
            failed = ConfirmationFailed(
                f"Consent was given, but company {realm} cannot be read in "
                f"{self._control.environment.value}: {error.message} {_AGAIN}",
                realm_id=realm,
                fault_code=error.fault_code,
                intuit_tid=error.intuit_tid,
                status=error.status,
            )
            failed.reason = error.message
            raise failed from error

    def _lease(self, realm: RealmId) -> AbstractContextManager[object]:
        return self._control.leases.holding(
            refresh_lease(self._control.environment, realm),
            ttl_seconds=LEASE_SECONDS,
            wait_seconds=LEASE_SECONDS + 10.0,
        )


class _Unproven:
    """A token source for the one call that proves a new grant."""

    def __init__(self, grant: Grant) -> None:
        self._grant = grant

    def current(self, realm: RealmId) -> AccessToken:
        return AccessToken(realm, self._grant.access_token, 0)

    def renew(self, realm: RealmId, rejected: AccessToken) -> AccessToken:  # noqa: ARG002
        raise AccessDenied("Intuit refuses the token of this sign-in.", realm_id=realm, status=401)

    def refused(self, realm: RealmId, rejected: AccessToken) -> None:
        """Nothing is stored that could be paused."""
