"""Signing in with the admin token, which gives the browser a session; and out again."""

from __future__ import annotations

from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from ledgerguard_pipeline.web.html.message_page import page
from ledgerguard_pipeline.web.html.rendering import render
from ledgerguard_pipeline.web.paths import HOME_PATH, SIGN_IN_PATH, SIGN_OUT_PATH
from ledgerguard_pipeline.web.security.admin_token import AdminToken
from ledgerguard_pipeline.web.security.body_reader import BodyRefused
from ledgerguard_pipeline.web.security.forms import FormReader
from ledgerguard_pipeline.web.security.request_origin import Visitor
from ledgerguard_pipeline.web.security.sessions import Sessions

_LONGEST_NEXT = 500


class SignIn:
    """The sign-in page and the action of its form."""

    def __init__(self, sessions: Sessions, admin: AdminToken, forms: FormReader) -> None:
        self._sessions = sessions
        self._admin = admin
        self._forms = forms

    async def ask(
        self,
        visitor: Visitor,
        *,
        then: str = HOME_PATH,
        lead: str = "",
        wrong: str = "",
        status: int = 401,
    ) -> Response:
        """The form. It needs a session of its own, so that no other site can send it.

        Raises:
            KeyUnavailable: the key ring cannot be read.
        """
        return await run_in_threadpool(self._form, visitor, then, lead, wrong, status)

    def _form(
        self, visitor: Visitor, then: str, lead: str, wrong: str, status: int
    ) -> HTMLResponse:
        known = self._sessions.read(visitor.cookies, secure=visitor.https)
        session = known or self._sessions.start()
        values = {
            "action": SIGN_IN_PATH,
            "form_token": self._sessions.form_token(session, SIGN_IN_PATH),
            "next": local_address(then),
            "lead": lead,
            "wrong": wrong,
        }
        answer = HTMLResponse(render("sign_in.html", values), status)
        if known is None:
            answer.headers["set-cookie"] = self._sessions.cookie(session, secure=visitor.https)
        if status == 401:
            # The scheme programs use; one that browsers answer by themselves would be Basic.
            answer.headers["www-authenticate"] = 'Bearer realm="LedgerGuard"'
        return answer

    async def show(self, request: Request) -> Response:
        """``GET /sign-in``."""
        if not self._admin.has_lock:
            return RedirectResponse(HOME_PATH, 303)
        return await self.ask(Visitor.of(request), status=200)

    async def enter(self, request: Request) -> Response:
        """``POST /sign-in``: the right token gives a fresh session, so none can be planted."""
        visitor = Visitor.of(request)
        if not self._admin.has_lock:
            return RedirectResponse(HOME_PATH, 303)
        try:
            fields = await self._forms.read(request)
        except BodyRefused as refusal:
            return _unread(refusal)
        then = local_address(fields.get("next", HOME_PATH))
        if not await run_in_threadpool(self._forms.trusted, request, fields, SIGN_IN_PATH):
            return await self.ask(
                visitor,
                then=then,
                wrong="This page is too old or cookies are off. Please sign in again.",
                status=403,
            )
        admission = self._admin.admit(fields.get("token", "").encode(), visitor.client)
        if admission.wait_seconds:
            return self.slow_down(admission.wait_seconds)
        if not admission.granted:
            return await self.ask(visitor, then=then, wrong="That is not the admin token.")
        answer = RedirectResponse(then, 303)
        session = self._sessions.start(admin=True)
        answer.headers["set-cookie"] = await run_in_threadpool(
            self._sessions.cookie, session, secure=visitor.https
        )
        return answer

    async def leave(self, request: Request) -> Response:
        """``POST /sign-out``."""
        visitor = Visitor.of(request)
        try:
            fields = await self._forms.read(request)
        except BodyRefused as refusal:
            return _unread(refusal)
        if not await run_in_threadpool(self._forms.trusted, request, fields, SIGN_OUT_PATH):
            text = "This page is too old. Open the companies again and sign out there."
            return HTMLResponse(page("Not signed out", text, action=_HOME), 403)
        answer = RedirectResponse(SIGN_IN_PATH if self._admin.has_lock else HOME_PATH, 303)
        answer.headers["set-cookie"] = self._sessions.farewell(secure=visitor.https)
        return answer

    def slow_down(self, seconds: int) -> Response:
        """What an address gets that guessed wrongly too often."""
        text = f"Too many wrong tokens came from your address. Try again in {seconds} seconds."
        html = page("Please wait", text, action=("Sign in", SIGN_IN_PATH))
        return HTMLResponse(html, 429, {"retry-after": str(seconds)})


_HOME = ("All companies", HOME_PATH)


def sign_in_router(desk: SignIn) -> APIRouter:
    """The routes."""
    router = APIRouter()
    router.add_api_route(
        SIGN_IN_PATH, desk.show, methods=["GET"], response_model=None,
        response_class=HTMLResponse,
    )  # fmt: skip
    router.add_api_route(
        SIGN_IN_PATH, desk.enter, methods=["POST"], response_model=None, status_code=303,
        response_class=RedirectResponse,
    )  # fmt: skip
    router.add_api_route(
        SIGN_OUT_PATH, desk.leave, methods=["POST"], response_model=None, status_code=303,
        response_class=RedirectResponse,
    )  # fmt: skip
    return router


def local_address(wanted: str) -> str:
    """``wanted`` if it is a page of this server, else the first page: nobody is sent elsewhere."""
    plain = wanted.isascii() and wanted.isprintable() and len(wanted) <= _LONGEST_NEXT
    if not plain or not wanted.startswith("/") or wanted[1:2] in ("/", "\\"):
        return HOME_PATH
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return HOME_PATH
    return HOME_PATH if parts.scheme or parts.netloc else wanted


def _unread(refusal: BodyRefused) -> Response:
    html = page("The form was not accepted", refusal.text, action=_HOME)
    return HTMLResponse(html, refusal.status, {"connection": "close"})
