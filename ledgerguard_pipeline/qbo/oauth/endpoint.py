"""Intuit's OAuth 2.0 endpoints: consent URL, code exchange, refresh, revoke.

requests-oauthlib builds and sends the token requests; its answers pass a check of our own first,
because it never looks at the HTTP status: a 500 carrying token JSON would be accepted and an
HTML 503 would look like a malformed grant. Reference: RFC 6749, Intuit's "OAuth 2.0" page.

Decision 9 in docs/decisions.md.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import urlencode

import msgspec
import requests
from oauthlib.oauth2 import OAuth2Error
from pydantic import SecretStr
from requests.auth import HTTPBasicAuth

from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.errors import (
    CredentialsRejected,
    QBOAuthError,
    ReauthorizationRequired,
    ServiceUnavailable,
    TokenEndpointThrottled,
    TokenEndpointUnavailable,
)
from ledgerguard_pipeline.qbo.answers.faults import fault_of, printable, reported_by
from ledgerguard_pipeline.qbo.transport.hosts import Hosts
from ledgerguard_pipeline.qbo.transport.http import Transport
from ledgerguard_pipeline.qbo.transport.retry import retry_after_seconds

SCOPE = "com.intuit.quickbooks.accounting"
"""The one scope asked for. Intuit has no read-only form of it."""

DEFAULT_ACCESS_SECONDS = 3600

LONGEST_SECONDS = 20 * 365 * 86_400
"""No lifetime is longer; Intuit's longest is five years."""

_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")
"""Visible ASCII (RFC 6749, appendix A.12 and A.17); Intuit's have 4096 characters at most."""

_MADE_UP_CODE = "ledgerguard-asks-whether-the-keys-are-good"

_TIMEOUTS = (10.0, 30.0)
_ANSWER_SECONDS = 60.0
_HEADERS = {
    "Accept": "application/json",
    "Content-Type": "application/x-www-form-urlencoded",
    # Without it Intuit does not tell when the five-year limit of a grant ends.
    "x-include-refresh-token-hard-expires-in": "true",
}


@dataclass(frozen=True, slots=True)
class Grant:
    """What the token endpoint gave; lifetimes in seconds from now.

    ``refresh_token`` is None where the answer held none: the old one stays good.
    """

    access_token: SecretStr
    refresh_token: SecretStr | None
    expires_in: int
    refresh_expires_in: int | None
    hard_expires_in: int | None


class _Body(msgspec.Struct):
    access_token: str
    refresh_token: str | None = None
    expires_in: object = None
    x_refresh_token_expires_in: object = None
    x_refresh_token_hard_expires_in: object = None


class OAuthEndpoint:
    """The app's side of the grant. Thread-safe: every call has a session of its own."""

    def __init__(
        self,
        client_id: str,
        client_secret: str | SecretStr,
        redirect_uri: str,
        hosts: Hosts,
        *,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._client_id = client_id
        self._secret = (
            client_secret if isinstance(client_secret, SecretStr) else SecretStr(client_secret)
        )
        self._redirect_uri = redirect_uri
        self._hosts = hosts
        self._clock = clock

    def authorization_url(self, state: str) -> str:
        """Where a person consents; ``state`` comes back to the redirect URI unchanged."""
        query = urlencode(
            {
                "client_id": self._client_id,
                "scope": SCOPE,
                "redirect_uri": self._redirect_uri,
                "response_type": "code",
                "state": state,
            }
        )
        return f"{self._hosts.authorize}?{query}"

    def exchange(self, code: str) -> Grant:
        """Turn the code of a callback into tokens. A code works once; never repeat the call.

        Raises:
            ReauthorizationRequired: the code is unknown, used or expired (``invalid_grant``).
            CredentialsRejected: Intuit refuses the app's id or secret.
            TokenEndpointThrottled: 429; the code may still be good.
            TokenEndpointUnavailable: no usable answer.
        """

        def call(session: Transport, auth: HTTPBasicAuth) -> None:
            session.redirect_uri = self._redirect_uri
            session.fetch_token(
                session.address(self._hosts.token),
                code=code,
                auth=auth,
                include_client_id=False,
                headers=dict(_HEADERS),
            )

        return self._grant(call)

    def prove_credentials(self) -> None:
        """Return if Intuit accepts the app's id and secret; a made-up code touches no grant.

        Raises:
            CredentialsRejected: it refuses them.
            TokenEndpointUnavailable: it did not say.
        """
        try:
            self.exchange(_MADE_UP_CODE)
        except ReauthorizationRequired:
            return
        raise _unavailable("it accepted a made-up code, so it is not Intuit's")

    def refresh(self, refresh_token: str | SecretStr) -> Grant:
        """New tokens for an old refresh token. Callers keep this single-flight per company.

        Raises:
            ReauthorizationRequired: the refresh token is dead (``invalid_grant``).
            CredentialsRejected: Intuit refuses the app's id or secret.
            TokenEndpointThrottled: 429; nothing changed.
            TokenEndpointUnavailable: no usable answer; the grant may or may not have rotated.
        """
        value = _plain(refresh_token)

        def call(session: Transport, auth: HTTPBasicAuth) -> None:
            session.refresh_token(
                session.address(self._hosts.token),
                refresh_token=value,
                auth=auth,
                headers=dict(_HEADERS),
            )

        return self._grant(call)

    def revoke(self, token: str | SecretStr) -> None:
        """End a whole grant by either of its tokens.

        Raises:
            ReauthorizationRequired: Intuit no longer knows the token; nothing is left to revoke.
            CredentialsRejected: Intuit refuses the app's id or secret.
            TokenEndpointThrottled: 429; nothing changed.
            TokenEndpointUnavailable: no usable answer; the grant may still be alive.
        """
        with self._session() as session:
            basic = (
                requests.Request(
                    "GET",
                    "https://localhost/",
                    auth=HTTPBasicAuth(self._client_id, _plain(self._secret)),
                )
                .prepare()
                .headers["Authorization"]
            )
            try:
                response = session.exchange(
                    "POST",
                    self._hosts.revoke,
                    headers={
                        "Accept": "application/json",
                        "Content-Type": "application/json",
                        "Authorization": basic,
                    },
                    data=json.dumps({"token": _plain(token)}).encode(),
                )
            except ServiceUnavailable as error:
                raise _unavailable(error.message) from None
        if response.status_code == 200:
            return
        if response.status_code in (400, 401) and _error_of(response) != "invalid_client":
            if response.status_code == 401:
                _refuse(response)
            raise ReauthorizationRequired(
                "Intuit no longer knows this token; the connection had already ended.",
                status=response.status_code,
            )
        _refuse(response)

    def _grant(self, call: Callable[[Transport, HTTPBasicAuth], None]) -> Grant:
        seen: list[Grant] = []

        def check(response: requests.Response) -> requests.Response:
            seen.append(_grant_of(response))
            return response

        with self._session() as session:
            session.register_compliance_hook("access_token_response", check)
            session.register_compliance_hook("refresh_token_response", check)
            try:
                call(session, HTTPBasicAuth(self._client_id, _plain(self._secret)))
            except QBOAuthError:
                raise
            except (requests.RequestException, OAuth2Error, ValueError, Warning) as error:
                # The library's own errors may quote the answer, so only their kind is passed on.
                if not seen:
                    raise _unavailable(f"no answer arrived ({type(error).__name__})") from None
        return seen[0]

    def _session(self) -> Transport:
        return Transport(
            self._client_id,
            self._hosts,
            self._clock,
            max_connections=1,
            timeouts=_TIMEOUTS,
            answer_seconds=_ANSWER_SECONDS,
        )


def _grant_of(response: requests.Response) -> Grant:
    if response.status_code != 200:
        _refuse(response)
    try:
        body = msgspec.json.decode(response.content, type=_Body, strict=False)
    except (msgspec.MsgspecError, RecursionError):
        raise _unavailable("its answer is no token", response) from None
    if not body.access_token or not all(
        token is None or is_token(token)
        for token in (body.access_token, body.refresh_token or None)
    ):
        # A header could not carry it, and the library's complaint would quote it.
        raise _unavailable("its answer is no token", response)
    return Grant(
        access_token=SecretStr(body.access_token),
        refresh_token=SecretStr(body.refresh_token) if body.refresh_token else None,
        expires_in=_lifetime(body.expires_in) or DEFAULT_ACCESS_SECONDS,
        refresh_expires_in=_lifetime(body.x_refresh_token_expires_in),
        hard_expires_in=_lifetime(body.x_refresh_token_hard_expires_in),
    )


def _lifetime(given: object) -> int | None:
    """Whole seconds; None for what cannot be a lifetime: the tokens beside it must not be lost."""
    try:
        seconds = float(given) if isinstance(given, str | int | float) else 0.0
    except (ValueError, OverflowError):
        return None
    return int(seconds) if 1.0 < seconds <= LONGEST_SECONDS else None


def is_token(text: str) -> bool:
    """Whether a header could carry it and Intuit could have given it."""
    return _TOKEN.fullmatch(text) is not None


def _refuse(response: requests.Response) -> NoReturn:
    error = _error_of(response)
    context = {"intuit_tid": response.headers.get("intuit_tid"), "fault_code": error}
    if 429 in _statuses(response):
        throttled = TokenEndpointThrottled(
            f"Intuit's token endpoint asked to wait ({_said(response)}). Nothing was lost; it is "
            "asked again after a minute. If this lasts, the app's monthly quota of reads is used "
            "up: look at it in Intuit's developer portal.",
            status=429,
            **context,
        )
        throttled.why = f"it answered {_said(response)}"
        throttled.retry_after = retry_after_seconds(
            response.headers.get("Retry-After"), time.time()
        )
        raise throttled
    if error == "invalid_grant" and response.status_code in (400, 401):
        raise ReauthorizationRequired(
            f"Intuit no longer accepts this company's grant ({_said(response)}): connect it again "
            "with `ledgerguard connect`.",
            status=response.status_code,
            **context,
        )
    if _is_outage(response):
        # Whatever a failing server calls it, it says nothing about the app or the grant.
        raise _unavailable(f"it answered {_said(response)}", response)
    if error in ("invalid_client", "unauthorized_client") or response.status_code == 401:
        raise CredentialsRejected(
            f"Intuit refuses the app's client id or secret ({_said(response)}): check "
            "INTUIT_CLIENT_ID and INTUIT_CLIENT_SECRET; connections are untouched.",
            status=response.status_code,
            **context,
        )
    raise _unavailable(f"it answered {_said(response)}", response)


def _is_outage(response: requests.Response) -> bool:
    """Whether a server failed."""
    return any(status >= 500 for status in _statuses(response))


def _statuses(response: requests.Response) -> tuple[int, ...]:
    """The status of the answer, and the one that a gateway's text passes on."""
    fault = fault_of(response.content)
    claimed = fault.claimed if fault is not None else None
    return (response.status_code,) if claimed is None else (response.status_code, claimed)


def _error_of(response: requests.Response) -> str | None:
    try:
        body = msgspec.json.decode(response.content, type=dict[str, object])
    except (msgspec.MsgspecError, RecursionError):
        return None
    error = body.get("error")
    return printable(error, 40) if isinstance(error, str) else None


def _said(response: requests.Response) -> str:
    """The status and what the answer says, fit for a message: no secret, no person."""
    return f"HTTP {response.status_code}, {_words(response) or 'without a reason'}"


def _words(response: requests.Response) -> str:
    try:
        body = msgspec.json.decode(response.content, type=dict[str, object])
    except (msgspec.MsgspecError, RecursionError):
        return reported_by(response.content)
    texts = [body[name] for name in ("error", "error_description") if body.get(name)]
    found = ": ".join(text for text in texts if isinstance(text, str))
    return printable(found, 160) if found else reported_by(response.content)


def _unavailable(why: str, response: requests.Response | None = None) -> TokenEndpointUnavailable:
    error = TokenEndpointUnavailable(
        f"Intuit's token endpoint gave no usable answer: {why}. The stored grant is kept; try "
        "again later.",
        status=response.status_code if response is not None else None,
        intuit_tid=response.headers.get("intuit_tid") if response is not None else None,
    )
    error.why = why
    return error


def _plain(value: str | SecretStr) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
