"""The two OAuth routes: send the browser to Intuit, and receive it back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from ledgerguard_pipeline.control.companies import Company
from ledgerguard_pipeline.errors import ConsentError, LedgerGuardError
from ledgerguard_pipeline.web import described
from ledgerguard_pipeline.web.pages import connected, page
from ledgerguard_pipeline.web.refusals import refusal

CONNECT_PATH = "/api/v1/auth/connect"
CALLBACK_PATH = "/api/v1/auth/callback"

_log = structlog.get_logger(__name__)


class Consents(Protocol):
    """What the routes need of the connector."""

    def begin(self) -> str: ...

    def complete(self, params: Mapping[str, str]) -> Company: ...


Observer = Callable[[Company | LedgerGuardError], None]
"""Told how a callback ended; the waiting ``connect`` command listens here."""


def connect_router(consents: Consents) -> APIRouter:
    """``GET /api/v1/auth/connect``: a fresh one-time state and a redirect to Intuit."""
    router = APIRouter()

    def connect() -> Response:
        try:
            return RedirectResponse(consents.begin(), status_code=302)
        except LedgerGuardError as error:
            return _refused(error)

    router.add_api_route(
        CONNECT_PATH,
        connect,
        methods=["GET"],
        response_model=None,
        status_code=302,
        response_class=RedirectResponse,
        responses=described.CONNECT,
    )
    return router


def callback_router(
    consents: Consents, *, path: str = CALLBACK_PATH, observer: Observer | None = None
) -> APIRouter:
    """The OAuth callback: confirms the company or answers 4xx, then tells the observer.

    The handler is synchronous on purpose: it waits for Intuit and for the database, so it runs
    in the server's thread pool and never holds the event loop.
    """
    router = APIRouter()

    def callback(request: Request) -> Response:
        try:
            company = consents.complete(_single_values(request))
        except LedgerGuardError as error:
            if observer is not None:
                observer(error)
            return _refused(error)
        if observer is not None:
            observer(company)
        return HTMLResponse(connected(company.name, company.realm_id))

    router.add_api_route(
        path,
        callback,
        methods=["GET"],
        response_model=None,
        response_class=HTMLResponse,
        responses=described.CALLBACK,
        openapi_extra=described.CALLBACK_REQUEST,
    )
    return router


def _single_values(request: Request) -> dict[str, str]:
    pairs = request.query_params.multi_items()
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ConsentError(
            "The callback repeats a parameter, which Intuit never does; nothing was stored. "
            "Start again with `ledgerguard connect`."
        )
    return values


def _refused(error: LedgerGuardError) -> Response:
    answer = refusal(error)
    _log.warning("consent_refused", error=type(error).__name__, message=str(error))
    return HTMLResponse(
        page(answer.title, answer.advice, action=("Connect to QuickBooks", CONNECT_PATH)),
        status_code=answer.status,
    )
