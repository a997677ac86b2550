"""Who may ask, and which headers every answer carries (pure ASGI, so nothing is buffered).

Plain requests from the same machine are trusted. A name that is not loopback in ``Host`` means a
proxy or a DNS-rebinding page, and what a proxy adds means a proxy whatever the name. So then, and
always when listening beyond loopback, everything but the OAuth callback, webhooks, health probes and
the sign-in itself needs the admin token: as a bearer header, as the password of basic authentication,
or by a session that signed in with it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

import structlog
from fastapi import Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from ledgerguard_pipeline.config.addresses import is_loopback
from ledgerguard_pipeline.config.settings import SHORTEST_ADMIN_TOKEN, Settings
from ledgerguard_pipeline.errors import ConfigurationError, LedgerGuardError
from ledgerguard_pipeline.web.html.error_pages import refusal
from ledgerguard_pipeline.web.html.message_page import page
from ledgerguard_pipeline.web.paths import HOME_PATH
from ledgerguard_pipeline.web.security.admin_token import AdminToken, Admission, basic, bearer
from ledgerguard_pipeline.web.security.request_origin import Visitor, host_of, proxied, reads_pages
from ledgerguard_pipeline.web.security.sessions import Sessions
from ledgerguard_pipeline.web.security.sign_in import SignIn

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

_log = structlog.get_logger(__name__)

_CONTENT_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
SECURITY_HEADERS: tuple[tuple[str, str], ...] = (
    ("content-security-policy", _CONTENT_POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    # The callback's address holds the code and the state: no page may pass it on.
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=()"),
)
HSTS = ("strict-transport-security", "max-age=31536000")


def require_admin_token(settings: Settings, host: str) -> None:
    """Refuse to listen beyond loopback unprotected.

    Raises:
        ConfigurationError: ``host`` is no loopback address and no admin token is set, or one
            that can be guessed.
    """
    if is_loopback(host):
        return
    token = settings.ledgerguard_admin_token
    shown = "" if token is None else token.get_secret_value()
    if not shown:
        raise ConfigurationError(
            f"Listening on {host} would let anyone on the network connect companies. Set "
            "LEDGERGUARD_ADMIN_TOKEN to "
            f"{SHORTEST_ADMIN_TOKEN} random characters or more, or listen on 127.0.0.1."
        )
    if len(shown) < SHORTEST_ADMIN_TOKEN:
        raise ConfigurationError(
            f"Listening on {host} needs an LEDGERGUARD_ADMIN_TOKEN nobody can guess: at least "
            f"{SHORTEST_ADMIN_TOKEN} random characters, or listen on 127.0.0.1."
        )


class Guard:
    """Checks each request and adds the security headers to each answer."""

    def __init__(
        self,
        app: Asgi,
        *,
        settings: Settings,
        bind_host: str,
        open_paths: frozenset[str],
        leads: dict[str, str],
        sessions: Sessions,
        admin: AdminToken,
        desk: SignIn,
    ) -> None:
        self._app = app
        self._public = not is_loopback(bind_host)
        self._open_paths = open_paths
        self._leads = leads
        self._sessions = sessions
        self._admin = admin
        self._desk = desk
        redirect = urlsplit(settings.intuit_redirect_uri)
        self._https_name = redirect.hostname if redirect.scheme == "https" else None
        self._headers = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        request = Request(scope)
        host = host_of(request.headers.get("host", ""))
        https = scope["scheme"] == "https" or (host is not None and host == self._https_name)
        added = [*self._headers, _raw(HSTS)] if https else self._headers
        started = False

        async def with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message.get("headers", ()), *added]
            await send(message)

        try:
            refused = await self._refusal(request, host, https=https)
            if refused is None:
                await self._app(scope, receive, with_headers)
            else:
                await refused(scope, receive, with_headers)
        except Exception:  # noqa: BLE001 - see below
            # The framework's own answer would leave without the headers.
            _log.exception("request_failed", path=scope["path"])
            if not started:
                text = "See the server's log. Nothing was stored."
                answer = HTMLResponse(page("Something went wrong", text), 500)
                await answer(scope, receive, with_headers)

    async def _refusal(self, request: Request, host: str | None, *, https: bool) -> Response | None:
        """None for a visitor who may pass, who is then kept with the request."""
        given = request.headers.get("authorization", "").encode("latin-1")
        client = request.client.host if request.client is not None else "unknown"
        cookies = "; ".join(request.headers.getlist("cookie"))
        trusted = not self._public and is_loopback(host) and not proxied(request)
        is_open = request.scope["path"] in self._open_paths
        shown, pause = False, 0
        # Nobody gets to guess where no token is asked for.
        if given and not is_open:
            admission = self._presented(given, client)
            shown, pause = admission.granted, admission.wait_seconds
        by_bearer = shown and bearer(given) is not None
        visitor = Visitor(client, host, https, by_bearer, cookies)
        visitor.remember(request.scope)
        if is_open or trusted or shown:
            return None
        if pause:
            return self._desk.slow_down(pause)
        try:
            session = await run_in_threadpool(self._sessions.read, cookies, secure=https)
            if session is not None and session.admin and self._admin.has_lock:
                return None
            return await self._ask(request, visitor)
        except LedgerGuardError as error:
            _log.error("sign_in_failed", error=type(error).__name__, message=str(error))
            said = refusal(error)
            return HTMLResponse(page(said.title, said.advice), said.status)

    def _presented(self, given: bytes, client: str) -> Admission:
        token = bearer(given)
        token = basic(given) if token is None else token
        return Admission(granted=False) if token is None else self._admin.admit(token, client)

    async def _ask(self, request: Request, visitor: Visitor) -> Response:
        if not self._admin.has_lock:
            text = "Reached from elsewhere, this server needs LEDGERGUARD_ADMIN_TOKEN."
            return _reported(request, 403, "Not allowed", text)
        if not reads_pages(request):
            text = "Send the admin token as a bearer token."
            answer = JSONResponse({"status": "error", "message": text}, 401)
            answer.headers["www-authenticate"] = 'Bearer realm="LedgerGuard"'
            return answer
        path = request.scope["path"]
        then = HOME_PATH
        if request.method == "GET":
            query = request.url.query
            then = f"{request.url.path}?{query}" if query else request.url.path
        return await self._desk.ask(visitor, then=then, lead=self._leads.get(path, ""))


def _reported(request: Request, status: int, title: str, text: str) -> Response:
    if reads_pages(request):
        return HTMLResponse(page(title, text), status)
    return JSONResponse({"status": "error", "message": text}, status)


def _raw(header: tuple[str, str]) -> tuple[bytes, bytes]:
    return header[0].encode(), header[1].encode()
