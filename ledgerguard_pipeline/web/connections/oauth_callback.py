"""The two OAuth routes: send the browser to Intuit, and receive it back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol
from urllib.parse import urlsplit

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from ledgerguard_pipeline.config.addresses import is_loopback
from ledgerguard_pipeline.control.company_state.companies import Company
from ledgerguard_pipeline.errors import ConsentError, LedgerGuardError
from ledgerguard_pipeline.web.html.error_pages import refusal
from ledgerguard_pipeline.web.html.message_page import connected, page
from ledgerguard_pipeline.web.paths import CALLBACK_PATH, CONNECT_PATH, HOME_PATH
from ledgerguard_pipeline.web.security.request_origin import Visitor
from ledgerguard_pipeline.web.security.sessions import Sessions

_log = structlog.get_logger(__name__)


class Consents(Protocol):
    """What the routes need of the connector."""

    def begin(self, *, session: str = "") -> str: ...

    def complete(self, params: Mapping[str, str], *, session: str = "") -> Company: ...


Observer = Callable[[Company | LedgerGuardError], None]
"""Learns how a callback ended; the waiting ``connect`` command listens here."""


def connect_router(
    consents: Callable[[], Consents], sessions: Sessions, redirect_uri: str
) -> APIRouter:
    """``GET /api/v1/auth/connect``: a fresh one-time state and a redirect to Intuit.

    The state is good in the browser that asked for it only. Cookies belong to a name, and on this
    machine there are several: a browser that came by another one than the redirect URI's is sent
    there first.
    """
    router = APIRouter()
    name = urlsplit(redirect_uri).hostname

    def connect(request: Request) -> Response:
        visitor = Visitor.of(request)
        if visitor.host != name and is_loopback(visitor.host) and is_loopback(name):
            return RedirectResponse(_under(name, request), status_code=302)
        try:
            known = sessions.read(visitor.cookies, secure=visitor.https)
            session = known or sessions.start()
            answer = RedirectResponse(consents().begin(session=session.id), status_code=302)
            if known is None:
                answer.headers["set-cookie"] = sessions.cookie(session, secure=visitor.https)
        except LedgerGuardError as error:
            return _refused(error, again=True)
        return answer

    router.add_api_route(
        CONNECT_PATH,
        connect,
        methods=["GET"],
        response_model=None,
        status_code=302,
        response_class=RedirectResponse,
    )
    return router


def callback_router(
    consents: Callable[[], Consents], sessions: Sessions, *, path: str = CALLBACK_PATH
) -> APIRouter:
    """The OAuth callback: confirms the company or answers 4xx.

    It is believed in the browser the consent began in only: a link that somebody else started
    would connect their company here.
    """

    def complete(request: Request) -> Company:
        visitor = Visitor.of(request)
        params = _single_values(request)
        session = sessions.known(visitor.cookies, secure=visitor.https)
        if session is None:
            raise ConsentError(
                "The callback came to a browser that did not start the sign-in, or one without "
                "cookies; nothing was stored. Start again from the Connect button."
            )
        return consents().complete(params, session=session.id)

    def callback(request: Request) -> Response:
        try:
            company = complete(request)
        except LedgerGuardError as error:
            return _refused(error, again=True)
        home = ("All companies", HOME_PATH)
        return HTMLResponse(connected(company.name, company.realm_id, action=home))

    return _callback(path, callback)


def waiting_callback_router(
    consents: Callable[[], Consents], observer: Observer, *, path: str = CALLBACK_PATH
) -> APIRouter:
    """The callback of a consent that a waiting command began: its state belongs to no browser.

    The one who opened the link and the one who waits are distinguished by nothing else than the
    state, which only the command's own output showed.
    """

    def callback(request: Request) -> Response:
        try:
            company = consents().complete(_single_values(request))
        except LedgerGuardError as error:
            observer(error)
            return _refused(error, again=False)
        observer(company)
        return HTMLResponse(connected(company.name, company.realm_id))

    return _callback(path, callback)


def _callback(path: str, endpoint: Callable[[Request], Response]) -> APIRouter:
    """The endpoint is synchronous on purpose: it waits for Intuit and for the database, so it
    runs in the server's thread pool and never holds the event loop.
    """
    router = APIRouter()
    router.add_api_route(
        path,
        endpoint,
        methods=["GET"],
        response_model=None,
        response_class=HTMLResponse,
    )
    return router


def _under(name: str | None, request: Request) -> str:
    host = f"[{name}]" if name is not None and ":" in name else name
    port = request.url.port
    return f"{request.url.scheme}://{host}{'' if port is None else f':{port}'}{CONNECT_PATH}"


def _single_values(request: Request) -> dict[str, str]:
    pairs = request.query_params.multi_items()
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ConsentError(
            "The callback repeats a parameter, which Intuit never does; nothing was stored. "
            "Start again with `ledgerguard connect`."
        )
    return values


def _refused(error: LedgerGuardError, *, again: bool) -> Response:
    answer = refusal(error)
    _log.warning("consent_refused", error=type(error).__name__, message=str(error))
    action = ("Try again", CONNECT_PATH) if again else None
    return HTMLResponse(page(answer.title, answer.advice, action=action), answer.status)
