"""The web application: ``create_app(installation)``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Protocol
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import Lifespan

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.companies import Company
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.errors import ConfigurationError
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline.web.company_pages.json_api import StatusApi, status_router
from ledgerguard_pipeline.web.company_pages.routes import CompanyPages, companies_router
from ledgerguard_pipeline.web.company_pages.sync_now import SyncNow, sync_router
from ledgerguard_pipeline.web.connections.disconnect import Disconnecting, disconnect_router
from ledgerguard_pipeline.web.connections.intuit_disconnect import (
    INTUIT_DISCONNECT_PATH,
    LEAD,
    IntuitDisconnect,
    intuit_disconnect_router,
)
from ledgerguard_pipeline.web.connections.oauth_callback import (
    Observer,
    callback_router,
    connect_router,
    waiting_callback_router,
)
from ledgerguard_pipeline.web.html.connect_button import ConnectButton, button_router
from ledgerguard_pipeline.web.html.message_page import page
from ledgerguard_pipeline.web.html.static_files import ICON_PATH, STYLE_PATH, style_router
from ledgerguard_pipeline.web.ops.metrics import metrics_router
from ledgerguard_pipeline.web.ops.readiness import READY_PATH, Readiness, readiness_router
from ledgerguard_pipeline.web.paths import CALLBACK_PATH, HOME_PATH, SIGN_IN_PATH
from ledgerguard_pipeline.web.security.admin_token import AdminToken
from ledgerguard_pipeline.web.security.forms import FormReader
from ledgerguard_pipeline.web.security.guard import Guard, require_admin_token
from ledgerguard_pipeline.web.security.request_origin import reads_pages
from ledgerguard_pipeline.web.security.sessions import Keys, Sessions
from ledgerguard_pipeline.web.security.sign_in import SignIn, sign_in_router
from ledgerguard_pipeline.web.webhooks.receiver import WEBHOOK_PATH, WebhookReceiver, webhook_router

HEALTH_PATH = "/healthz"

_ALWAYS_OPEN = frozenset(
    {HEALTH_PATH, READY_PATH, WEBHOOK_PATH, SIGN_IN_PATH, STYLE_PATH, ICON_PATH}
)


class Connects(Protocol):
    """What the edge needs of the connector."""

    def begin(self, *, session: str = "") -> str: ...

    def complete(self, params: Mapping[str, str], *, session: str = "") -> Company: ...

    def disconnect(self, realm: RealmId) -> Company: ...


class Reads(Protocol):
    """What the edge needs of an API client: one cheap call."""

    def company_info(self) -> object: ...


class Installed(Protocol):
    """The part of an installation the edge works on."""

    @property
    def settings(self) -> Settings: ...

    @property
    def connector(self) -> Connects: ...

    @property
    def control(self) -> ControlPlane: ...

    def client(self, realm_id: RealmId) -> Reads: ...


def create_app(installation: Installed, *, host: str = "127.0.0.1") -> FastAPI:
    """Build the application that will listen on ``host``.

    The callback is served under its usual path and, where a proxy or the app's registration at
    Intuit uses another one, under the path of ``INTUIT_REDIRECT_URI`` too.

    Raises:
        ConfigurationError: ``host`` is not loopback and no admin token is set, or a short one; or
            the picture of the button cannot be read.
    """
    settings = installation.settings
    require_admin_token(settings, host)

    # Opened by their first use: a page can then say what is missing.
    def control() -> ControlPlane:
        return installation.control

    def connector() -> Connects:
        return installation.connector

    receiver = WebhookReceiver(settings, control)

    @asynccontextmanager
    async def running(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(receiver.close)

    pictured = settings.ledgerguard_connect_button is not None
    button = ConnectButton.of(settings) if pictured else ConnectButton()
    sessions = Sessions(_keys(installation), settings.ledgerguard_admin_token)
    admin = AdminToken(settings.ledgerguard_admin_token)
    forms = FormReader(sessions)
    desk = SignIn(sessions, admin, forms)
    callbacks = _callback_paths(settings)
    app = _application(running)
    pages = [
        companies_router(CompanyPages(settings, control, sessions, button)),
        status_router(StatusApi(settings, control)),
        connect_router(connector, sessions, settings.intuit_redirect_uri),
        disconnect_router(
            Disconnecting(lambda: installation.control.companies, connector, sessions, forms)
        ),
        intuit_disconnect_router(
            IntuitDisconnect(
                lambda: installation.control.companies,
                lambda realm: installation.client(realm).company_info(),
            )
        ),
        sign_in_router(desk),
        sync_router(SyncNow(settings, control, forms)),
        style_router(),
        *([button_router(button)] if pictured else ()),
        webhook_router(receiver),
        metrics_router(settings, control, receiver.counters.flush),
        readiness_router(Readiness(settings, control)),
    ]
    _refuse_shadowed(pages, callbacks)
    answers = [callback_router(connector, sessions, path=path) for path in sorted(callbacks)]
    for router in (*pages, *answers):
        app.include_router(router)
    app.add_middleware(
        Guard,
        settings=settings,
        bind_host=host,
        open_paths=_ALWAYS_OPEN | callbacks,
        leads={INTUIT_DISCONNECT_PATH: LEAD},
        sessions=sessions,
        admin=admin,
        desk=desk,
    )
    return app


def create_waiting_app(installation: Installed, observer: Observer) -> FastAPI:
    """What ``ledgerguard connect`` serves on this machine while it waits: the callback alone."""
    settings = installation.settings
    sessions = Sessions(_keys(installation), None)
    admin = AdminToken(None)
    callbacks = _callback_paths(settings)
    app = _application(None)
    app.include_router(style_router())
    for path in sorted(callbacks):
        app.include_router(
            waiting_callback_router(lambda: installation.connector, observer, path=path)
        )
    app.add_middleware(
        Guard,
        settings=settings,
        bind_host="127.0.0.1",
        open_paths=callbacks | {HEALTH_PATH, STYLE_PATH, ICON_PATH},
        leads={},
        sessions=sessions,
        admin=admin,
        desk=SignIn(sessions, admin, FormReader(sessions)),
    )
    return app


def _application(lifespan: Lifespan[FastAPI] | None) -> FastAPI:
    # No interactive API pages: they would load scripts from elsewhere.
    app = FastAPI(
        title="LedgerGuard", docs_url=None, redoc_url=None, openapi_url=None,
        lifespan=lifespan, redirect_slashes=False,
    )  # fmt: skip
    app.add_api_route(HEALTH_PATH, _healthy, methods=["GET"], response_model=None)
    app.add_api_route(HEALTH_PATH, _alive, methods=["HEAD"], include_in_schema=False)
    app.add_exception_handler(HTTPException, _plain_refusal)
    return app


def _keys(installation: Installed) -> Keys:
    """Opened by their first use, as everything here."""

    def derived(purpose: str) -> tuple[bytes, ...]:
        return installation.control.keyring.derived(purpose)

    return derived


def _callback_paths(settings: Settings) -> frozenset[str]:
    return frozenset({CALLBACK_PATH, urlsplit(settings.intuit_redirect_uri).path or "/"})


def _refuse_shadowed(pages: Iterable[APIRouter], callbacks: frozenset[str]) -> None:
    """The callback's path is open to everybody, so it must be no other page's.

    Raises:
        ConfigurationError: ``INTUIT_REDIRECT_URI`` has the path of another page.
    """
    served = {
        route.path for router in pages for route in router.routes if isinstance(route, APIRoute)
    }
    taken = sorted(callbacks & {HEALTH_PATH, *served})
    if taken:
        raise ConfigurationError(
            f"INTUIT_REDIRECT_URI ends in {taken[0]}, where this server has another page. Use "
            f"the path {CALLBACK_PATH}, here and in the app's redirect URIs at Intuit."
        )


# Not in the threads that pages take: all of those may wait for a database that is away, and whoever
# ends processes that do not answer would end this one for it.
async def _healthy() -> JSONResponse:
    """The process answers; it says nothing about companies, so it may stay public."""
    return JSONResponse({"status": "ok"})


async def _alive() -> Response:
    return Response()


def _plain_refusal(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    title = "There is no such page" if status == 404 else "The request was not understood"
    text = "The address is wrong, or it does not take this kind of request."
    if not reads_pages(request) and request.url.path.startswith("/api/"):
        return JSONResponse({"status": "error", "message": f"{title}."}, status, headers)
    return HTMLResponse(
        page(title, text, action=("All companies", HOME_PATH)), status_code=status, headers=headers
    )
