"""Ending a connection: a page that asks, the action, and where Intuit sends people afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from ledgerguard_pipeline.control.company_state.companies import (
    Company,
    CompanyStore,
    ConnectionStatus,
)
from ledgerguard_pipeline.errors import BadInputError, LedgerGuardError
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline.web.html.error_pages import Refusal, disconnect_refusal
from ledgerguard_pipeline.web.html.message_page import page
from ledgerguard_pipeline.web.html.rendering import render
from ledgerguard_pipeline.web.paths import (
    COMPANY_PATH,
    CONFIRM_PATH,
    DISCONNECT_PATH,
    HOME_PATH,
    named_realm,
)
from ledgerguard_pipeline.web.security.body_reader import BodyRefused
from ledgerguard_pipeline.web.security.forms import FormReader
from ledgerguard_pipeline.web.security.request_origin import Visitor, reads_pages
from ledgerguard_pipeline.web.security.sessions import Sessions

_HOME = ("All companies", HOME_PATH)
_log = structlog.get_logger(__name__)


class Disconnects(Protocol):
    """What the routes need of the connector."""

    def disconnect(self, realm: RealmId) -> Company: ...


class Disconnecting:
    """The confirmation page and the action."""

    def __init__(
        self,
        companies: Callable[[], CompanyStore],
        connector: Callable[[], Disconnects],
        sessions: Sessions,
        forms: FormReader,
    ) -> None:
        self._companies = companies
        self._connector = connector
        self._sessions = sessions
        self._forms = forms

    def confirm(self, request: Request) -> Response:
        """Ask before it is done; changes nothing."""
        visitor = Visitor.of(request)
        try:
            company = self._companies().require(named_realm(request))
            if company.status is ConnectionStatus.DISCONNECTED:
                return RedirectResponse(COMPANY_PATH.format(realm=company.realm_id), 303)
            known = self._sessions.read(visitor.cookies, secure=visitor.https)
            session = known or self._sessions.start()
            action = DISCONNECT_PATH.format(realm=company.realm_id)
            values = {
                "company": company,
                "action": action,
                "form_token": self._sessions.form_token(session, action),
                "back": COMPANY_PATH.format(realm=company.realm_id),
            }
            answer = HTMLResponse(render("disconnect.html", values))
            if known is None:
                answer.headers["set-cookie"] = self._sessions.cookie(session, secure=visitor.https)
        except LedgerGuardError as error:
            return _refused(request, error)
        return answer

    async def act(self, request: Request) -> Response:
        """Disconnect, for a form of the confirmation page or a program with the admin token."""
        try:
            realm_id = named_realm(request)
        except BadInputError as error:
            return _refused(request, error)
        if not Visitor.of(request).token_shown:
            denied = await self._distrusted(request, realm_id)
            if denied is not None:
                return denied
        return await run_in_threadpool(self._disconnect, request, realm_id)

    async def _distrusted(self, request: Request, realm: RealmId) -> Response | None:
        if not reads_pages(request) and "content-type" not in request.headers:
            return _answer(request, _TOKEN_WANTED)
        try:
            fields = await self._forms.read(request)
        except BodyRefused as refused:
            said = Refusal(refused.status, "The form was not accepted", refused.text)
            answer = _answer(request, said)
            # Perhaps the body was not read to its end.
            answer.headers["connection"] = "close"
            return answer
        action = DISCONNECT_PATH.format(realm=realm)
        try:
            if await run_in_threadpool(self._forms.trusted, request, fields, action):
                return None
        except LedgerGuardError as error:
            return _refused(request, error)
        return _answer(request, _TOO_OLD, ("Ask again", CONFIRM_PATH.format(realm=realm)))

    def _disconnect(self, request: Request, realm: RealmId) -> Response:
        try:
            self._companies().require(realm)
            company = self._connector().disconnect(realm)
        except LedgerGuardError as error:
            return _refused(request, error)
        if reads_pages(request):
            return RedirectResponse(COMPANY_PATH.format(realm=realm), 303)
        return JSONResponse(
            {"realm_id": company.realm_id, "name": company.name, "is_connected": False}
        )


_TOKEN_WANTED = Refusal(
    403,
    "Not allowed",
    "Send the admin token as a bearer token (LEDGERGUARD_ADMIN_TOKEN on the server), or use "
    "`ledgerguard disconnect` there.",
)
_TOO_OLD = Refusal(
    403,
    "Nothing was disconnected",
    "This page is too old, was not opened here, or cookies are off. Open the company again and "
    "press Disconnect there.",
)


def disconnect_router(desk: Disconnecting) -> APIRouter:
    """The routes."""
    router = APIRouter()
    router.add_api_route(
        CONFIRM_PATH, desk.confirm, methods=["GET"], response_model=None,
        response_class=HTMLResponse,
    )  # fmt: skip
    router.add_api_route(
        DISCONNECT_PATH, desk.act, methods=["POST"], response_model=None,
    )  # fmt: skip
    return router


def _refused(request: Request, error: LedgerGuardError) -> Response:
    said = disconnect_refusal(error)
    _log.warning("not_disconnected", error=type(error).__name__, message=str(error))
    return _answer(request, said)


def _answer(request: Request, said: Refusal, action: tuple[str, str] = _HOME) -> Response:
    if reads_pages(request):
        return HTMLResponse(page(said.title, said.advice, action=action), said.status)
    return JSONResponse({"status": "error", "message": f"{said.title}. {said.advice}"}, said.status)
