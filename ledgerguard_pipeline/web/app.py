"""The web application: ``create_app(installation)``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.settings import Settings
from ledgerguard_pipeline.web.consent import (
    CALLBACK_PATH,
    CONNECT_PATH,
    Consents,
    Observer,
    callback_router,
    connect_router,
)
from ledgerguard_pipeline.web.guard import Guard, require_admin_token
from ledgerguard_pipeline.web.metrics import metrics_router
from ledgerguard_pipeline.web.pages import page
from ledgerguard_pipeline.web.webhooks import WEBHOOK_PATH, WebhookReceiver, webhook_router

HEALTH_PATH = "/healthz"


class Installed(Protocol):
    """The part of an installation the edge works on."""

    @property
    def settings(self) -> Settings: ...

    @property
    def connector(self) -> Consents: ...

    @property
    def control(self) -> ControlPlane: ...


def create_app(
    installation: Installed, *, host: str = "127.0.0.1", observer: Observer | None = None
) -> FastAPI:
    """Build the application that will listen on ``host``.

    The callback is served under its usual path and, where a proxy or the app's registration at
    Intuit uses another one, under the path of ``INTUIT_REDIRECT_URI`` too.

    Raises:
        ConfigurationError: ``host`` is not loopback and no admin token is set.
    """
    settings = installation.settings
    require_admin_token(settings, host)
    # Opened by its first use: connecting a company must work while the store is new.
    receiver = WebhookReceiver(settings, lambda: installation.control)

    @asynccontextmanager
    async def running(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(receiver.close)

    # No interactive API pages: they would load scripts from elsewhere.
    app = FastAPI(
        title="LedgerGuard", docs_url=None, redoc_url=None, openapi_url=None, lifespan=running
    )
    callback_paths = {CALLBACK_PATH, urlsplit(settings.intuit_redirect_uri).path or "/"}
    app.include_router(connect_router(installation.connector))
    for path in sorted(callback_paths):
        app.include_router(callback_router(installation.connector, path=path, observer=observer))
    app.include_router(webhook_router(receiver))
    app.include_router(metrics_router(settings, lambda: installation.control, receiver.tally.flush))
    app.add_api_route(HEALTH_PATH, _healthy, methods=["GET"], response_model=None)
    app.add_exception_handler(HTTPException, _plain_refusal)
    app.add_middleware(
        Guard,
        settings=settings,
        bind_host=host,
        open_paths=frozenset({HEALTH_PATH, WEBHOOK_PATH, *callback_paths}),
    )
    return app


def _healthy() -> JSONResponse:
    """The process answers; it says nothing about companies, so it may stay public."""
    return JSONResponse({"status": "ok"})


def _plain_refusal(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    title = "There is no such page" if status == 404 else "The request was not understood"
    return HTMLResponse(
        page(
            title, "Companies are connected here.", action=("Connect to QuickBooks", CONNECT_PATH)
        ),
        status_code=status,
        headers=headers,
    )
