"""Requests generated from the OpenAPI description, sent over HTTP to the server of the product."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy
from pydantic import SecretStr
from schemathesis import Case, GenerationMode
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.web.app import create_app
from ledgerguard_pipeline.web.paths import (
    CONNECT_PATH,
)
from ledgerguard_pipeline.web.serving import listen, serving
from ledgerguard_pipeline.web.webhooks.receiver import WEBHOOK_PATH
from ledgerguard_pipeline.webhooks.signature import HEADER, sign
from ledgerguard_pipeline_tests.web.conftest import Edge
from ledgerguard_pipeline_tests.web.description import ROUTES, describe

TOKEN = "made-up-verifier-token"
SOME = settings(
    max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


class SignedOnTheWay:
    """Signs whatever body arrives as Intuit would, and notes the answers to it."""

    def __init__(self, app: ASGIApp, statuses: list[int]) -> None:
        self._app = app
        self._statuses = statuses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        kept = [(name, text) for name, text in scope["headers"] if name != HEADER.encode()]
        signed = [*kept, (HEADER.encode(), sign(body, TOKEN).encode())]
        reported = False

        async def once() -> Message:
            nonlocal reported
            if reported:
                return await receive()
            reported = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start" and scope["path"] == WEBHOOK_PATH:
                self._statuses.append(message["status"])
            await send(message)

        await self._app({**scope, "headers": signed}, once, noted)


@dataclass
class Served:
    """A running edge and its description, which only tests see."""

    url: str
    described: dict[str, Any]
    control: ControlPlane
    signing: bool
    signed: list[int]

    def cases(self, method: str, path: str) -> SearchStrategy[Case[Any]]:
        """Requests as one route's description wants them and, where it wants something, as not."""
        operation = schemathesis.openapi.from_dict(self.described)[path][method]
        fitting = operation.as_strategy(GenerationMode.POSITIVE)
        if path != WEBHOOK_PATH or self.signing:
            return fitting
        return fitting | operation.as_strategy(GenerationMode.NEGATIVE)

    def session(self) -> str:
        """The cookie of a browser that pressed Connect: only its consents are believed."""
        with httpx.Client(trust_env=False) as client:
            client.get(f"{self.url.replace('127.0.0.1', 'localhost')}{CONNECT_PATH}")
            return "; ".join(f"{name}={value}" for name, value in client.cookies.items())


@pytest.fixture
def served(request: pytest.FixtureRequest, edge: Edge) -> Iterator[Served]:
    settings = edge.settings.model_copy(update={"intuit_webhook_verifier_token": SecretStr(TOKEN)})
    installed = replace(edge, settings=settings)
    app = create_app(installed)
    described = describe(app)
    signed: list[int] = []
    signing = getattr(request, "param", "as sent") == "signed"
    if signing:
        app.add_middleware(SignedOnTheWay, statuses=signed)
    with ExitStack() as stack:
        stack.enter_context(installed.control)
        sockets = listen("localhost", 0)
        for each in sockets:
            stack.callback(each.close)
        stack.enter_context(serving(app, sockets))
        url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
        yield Served(url, described, installed.control, signing, signed)


def test_every_route_is_described(served: Served) -> None:
    described = {
        (method.upper(), path)
        for path, operations in served.described["paths"].items()
        for method in operations
    }
    assert described == set(ROUTES)


@pytest.mark.parametrize(
    "served,method,path",
    [*(("as sent", *route) for route in ROUTES), ("signed", "POST", WEBHOOK_PATH)],
    indirect=["served"],
)
def test_every_answer_is_one_the_description_names(served: Served, method: str, path: str) -> None:
    session = served.session()

    @SOME
    @given(served.cases(method, path))
    def attempt(case: Case[Any]) -> None:
        case.call_and_validate(served.url, allow_redirects=False, headers={"cookie": session})

    attempt()
    if path == WEBHOOK_PATH:
        # Genuine is stored, readable or not, and answered so that it is not sent again.
        assert set(served.signed) == ({200} if served.signing else set())
        assert bool(served.control.deliveries.list(limit=1)) == served.signing
