"""The authorization server: authorize page, token endpoint, revocation.

Intuit OAuth 2.0 pages; RFC 6749 for the error codes. Tokens are never logged.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from urllib.parse import urlencode, urlsplit

import msgspec

from ledgerguard_pipeline.sandbox.answers.replies import JSON, Answer, dumps, html_page
from ledgerguard_pipeline.sandbox.answers.request import Request
from ledgerguard_pipeline.sandbox.api.consent_pages import complaint_page, consent_page
from ledgerguard_pipeline.sandbox.api.grants import InvalidGrantError, TokenSet
from ledgerguard_pipeline.sandbox.api.world import World

AUTHORIZE = "/connect/oauth2"
TOKEN = "/oauth2/v1/tokens/bearer"  # noqa: S105  # a path
REVOKE = "/v2/oauth2/tokens/revoke"
DISCOVERY = (
    "/.well-known/openid_configuration",
    "/.well-known/openid_sandbox_configuration",
)
ENDPOINTS = {AUTHORIZE: "authorize", TOKEN: "token", REVOKE: "revoke"}
_ACCOUNTING = "com.intuit.quickbooks.accounting"
_SCOPES = frozenset(
    {_ACCOUNTING, "com.intuit.quickbooks.payment", "openid", "profile", "email", "phone", "address"}
)
_CARRIED = ("client_id", "redirect_uri", "response_type", "scope", "state")


class OAuth:
    """Answers the OAuth endpoints of one sandbox."""

    def __init__(self, world: World) -> None:
        self._world = world

    def answer(self, request: Request, now: float) -> Answer:
        """Any of the OAuth paths; a wrong method gets 405."""
        if request.path == AUTHORIZE and request.method in ("GET", "POST"):
            return self._authorize(request, now)
        if request.method == "POST":
            return self._token(request, now) if request.path == TOKEN else self._revoke(request)
        return html_page(405, "Method Not Allowed")

    def discovery(self, base_url: str) -> Answer:
        """The discovery document, with this server in place of Intuit's hosts."""
        return Answer(
            200,
            dumps(
                {
                    "issuer": f"{base_url}/op/v1",
                    "authorization_endpoint": base_url + AUTHORIZE,
                    "token_endpoint": base_url + TOKEN,
                    "revocation_endpoint": base_url + REVOKE,
                    "response_types_supported": ["code"],
                    "scopes_supported": ["openid", "email", "profile", "address", "phone"],
                    "token_endpoint_auth_methods_supported": [
                        "client_secret_post",
                        "client_secret_basic",
                    ],
                }
            ),
        )

    def _authorize(self, request: Request, now: float) -> Answer:
        asked = request.params if request.method == "GET" else request.form
        complaint = self._complaint(asked)
        if complaint is not None:
            return complaint_page(complaint)
        scopes = set(asked.get("scope", "").split())
        if not scopes or not scopes <= _SCOPES:
            return _redirect(asked, error="invalid_scope")
        if request.method == "GET":
            carried = {name: asked[name] for name in _CARRIED}
            return consent_page(self._world.companies.values(), carried)
        if asked.get("decision") != "connect":
            return _redirect(asked, error="access_denied")
        realm = asked.get("realmId", "")
        if realm not in self._world.companies:
            return complaint_page("Choose one of your companies and try again.")
        code = self._world.grants.issue_code(realm, asked["scope"], asked["redirect_uri"], now)
        return _redirect(asked, code=code, realmId=realm)

    def _complaint(self, asked: dict[str, str]) -> str | None:
        if asked.get("client_id") != self._world.client_id:
            return "The app is unknown: its client_id is missing or wrong."
        target = urlsplit(asked.get("redirect_uri", ""))
        registered = self._world.redirect_uris
        if target.scheme not in ("http", "https") or not target.netloc:
            return "The redirect_uri query parameter value is invalid."
        if registered is not None and asked["redirect_uri"] not in registered:
            return "The redirect_uri is not one the app has registered."
        if asked.get("response_type") != "code":
            return "The response_type must be code."
        if not asked.get("state"):
            return "The state parameter is missing."
        return None

    def _token(self, request: Request, now: float) -> Answer:
        if request.media_type != "application/x-www-form-urlencoded":
            return _refused("invalid_request")
        form = request.form
        if not self._client(request, form):
            return _refused("invalid_client", self._world.switches.invalid_client_status)
        grants = self._world.grants
        try:
            match form.get("grant_type"):
                case "authorization_code":
                    tokens = grants.exchange(
                        form.get("code", ""), form.get("redirect_uri", ""), now
                    )
                case "refresh_token":
                    tokens = grants.refresh(form.get("refresh_token", ""), now)
                case None:
                    return _refused("invalid_request")
                case _:
                    return _refused("unsupported_grant_type")
        except InvalidGrantError:
            return _refused("invalid_grant")
        wants_hard = request.headers.get("x-include-refresh-token-hard-expires-in", "")
        return _issued(tokens, hard=wants_hard.lower() == "true")

    def _revoke(self, request: Request) -> Answer:
        form = request.form if "json" not in request.media_type else _json_members(request.body)
        if not self._client(request, form):
            return _refused("invalid_client", self._world.switches.invalid_client_status)
        if not self._world.grants.revoke(form.get("token", "")):
            return Answer(400, dumps({"error": "invalid_request"}))
        return Answer(200, b"")

    def _client(self, request: Request, form: dict[str, str]) -> bool:
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                given = base64.b64decode(value, validate=True)
            except binascii.Error:
                return False
        else:
            given = f"{form.get('client_id', '')}:{form.get('client_secret', '')}".encode()
        expected = f"{self._world.client_id}:{self._world.client_secret}".encode()
        return hmac.compare_digest(given, expected)


def _json_members(body: bytes) -> dict[str, str]:
    try:
        return msgspec.json.decode(body, type=dict[str, str])
    except msgspec.MsgspecError:
        return {}


def _redirect(asked: dict[str, str], **outcome: str) -> Answer:
    target = asked["redirect_uri"]
    query = urlencode({**outcome, "state": asked["state"]})
    separator = "&" if urlsplit(target).query else "?"
    return Answer(302, b"", JSON, {"Location": f"{target}{separator}{query}"})


def _refused(error: str, status: int = 400) -> Answer:
    return Answer(status, dumps({"error": error}))


def _issued(tokens: TokenSet, *, hard: bool) -> Answer:
    members: dict[str, object] = {
        "token_type": "bearer",
        "expires_in": tokens.expires_in,
        "refresh_token": tokens.refresh_token,
        "x_refresh_token_expires_in": tokens.refresh_expires_in,
        "access_token": tokens.access_token,
    }
    if hard:
        members["x_refresh_token_hard_expires_in"] = tokens.hard_expires_in
    return Answer(200, dumps(members), JSON, {"Cache-Control": "no-store"})
