"""Who may ask, and which headers every answer carries (pure ASGI, so nothing is buffered).

Plain requests from the same machine are trusted. A name that is not loopback in ``Host`` means a
proxy or a DNS-rebinding page, so then, and always when listening beyond loopback, everything but
the OAuth callback and the health probe needs the admin token.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

import structlog

from ledgerguard_pipeline.errors import ConfigurationError
from ledgerguard_pipeline.settings import Settings, is_loopback
from ledgerguard_pipeline.web.pages import STYLE_HASH, page

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

_log = structlog.get_logger(__name__)

_FENCE = "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

SECURITY_HEADERS: tuple[tuple[str, str], ...] = (
    (
        "content-security-policy",
        f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; {_FENCE}",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    # The callback's address holds the code and the state: no page may pass it on.
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=()"),
)
_HSTS = ("strict-transport-security", "max-age=31536000")


def require_admin_token(settings: Settings, host: str) -> None:
    """Refuse to listen beyond loopback unprotected.

    Raises:
        ConfigurationError: ``host`` is no loopback address and no admin token is set.
    """
    token = settings.ledgerguard_admin_token
    if not is_loopback(host) and (token is None or not token.get_secret_value()):
        raise ConfigurationError(
            f"Listening on {host} would let anyone on the network connect companies. Set "
            "LEDGERGUARD_ADMIN_TOKEN to a long random text, or listen on 127.0.0.1."
        )


class Guard:
    """Checks each request and adds the security headers to each answer."""

    def __init__(
        self, app: Asgi, *, settings: Settings, bind_host: str, open_paths: frozenset[str]
    ) -> None:
        self._app = app
        token = settings.ledgerguard_admin_token
        self._token = token.get_secret_value().encode() if token is not None else None
        self._public = not is_loopback(bind_host)
        self._open_paths = open_paths
        secure = urlsplit(settings.intuit_redirect_uri).scheme == "https"
        headers = (*SECURITY_HEADERS, _HSTS) if secure else SECURITY_HEADERS
        self._headers = [(name.encode(), value.encode()) for name, value in headers]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        started = False

        async def with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message.get("headers", ()), *self._headers]
            await send(message)

        headers = dict(scope["headers"])
        if scope["path"] not in self._open_paths and not self._admitted(headers):
            await self._refuse(with_headers)
            return
        try:
            await self._app(scope, receive, with_headers)
        except Exception:  # noqa: BLE001 - see below
            # The framework's own answer would leave without the headers.
            _log.exception("request_failed", path=scope["path"])
            if not started:
                text = "The server's log says what. Nothing was stored."
                await _answer(with_headers, 500, page("Something went wrong", text))

    def _admitted(self, headers: dict[bytes, bytes]) -> bool:
        host = urlsplit("//" + headers.get(b"host", b"").decode("latin-1")).hostname
        if not self._public and is_loopback(host):
            return True
        return self._presented(headers)

    def _presented(self, headers: dict[bytes, bytes]) -> bool:
        """True if the request carries the token, as bearer or as the password of basic auth."""
        if self._token is None:
            return False
        scheme, _, value = headers.get(b"authorization", b"").partition(b" ")
        given = value.strip()
        if scheme.lower() == b"basic":
            try:
                given = base64.b64decode(given, validate=True).partition(b":")[2]
            except binascii.Error:
                return False
        elif scheme.lower() != b"bearer":
            return False
        return hmac.compare_digest(given, self._token)

    async def _refuse(self, send: Send) -> None:
        if self._token is None:
            text = "Reached under a public name, this server needs LEDGERGUARD_ADMIN_TOKEN."
            await _answer(send, 403, page("Not allowed", text))
            return
        text = "Sign in with the admin token as password (any user name)."
        challenge = (b"www-authenticate", b'Basic realm="LedgerGuard"')
        await _answer(send, 401, page("Not allowed", text), challenge)


async def _answer(send: Send, status: int, html: str, *headers: tuple[bytes, bytes]) -> None:
    body = html.encode()
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [
                (b"content-type", b"text/html; charset=utf-8"),
                (b"content-length", str(len(body)).encode()),
                *headers,
            ],
        }
    )
    await send({"type": "http.response.body", "body": body})
