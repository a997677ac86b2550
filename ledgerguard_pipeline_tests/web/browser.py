"""A browser without a window: asks an application over ASGI, no socket, no redirects followed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import httpx
from fastapi import FastAPI

PAGE = "text/html,application/xhtml+xml"


def ask(
    app: FastAPI,
    path: str,
    *,
    base: str = "http://localhost",
    method: str = "GET",
    headers: Mapping[bytes, bytes] | None = None,
) -> httpx.Response:
    """One request of a program, which keeps nothing."""

    async def once() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            return await client.request(method, path, headers=dict(headers or {}))

    return asyncio.run(once())


class Browser:
    """Keeps its cookies from one request to the next and asks for pages."""

    def __init__(
        self, app: FastAPI, *, base: str = "http://localhost", address: str = "127.0.0.1"
    ) -> None:
        self._transport = httpx.ASGITransport(app=app, client=(address, 50_000))
        self._base = base
        self.cookies = httpx.Cookies()

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Open a page."""
        return self._send("GET", path, {}, headers)

    def post(
        self, path: str, fields: Mapping[str, str] | None = None, **headers: str
    ) -> httpx.Response:
        """Send a form."""
        return self._send("POST", path, {"data": dict(fields or {"": ""})}, headers)

    def ask(self, method: str, path: str) -> httpx.Response:
        """A request of any kind, without a body."""
        return self._send(method, path, {}, {})

    def send(self, path: str, body: bytes, kind: str) -> httpx.Response:
        """Send any body at all."""
        return self._send("POST", path, {"content": body}, {"content-type": kind})

    def submit(self, page: httpx.Response, **filled: str) -> httpx.Response:
        """Send the form a page shows, with some of its fields filled in."""
        return self.post(action(page), {**hidden(page), **filled})

    def _send(
        self, method: str, path: str, body: Mapping[str, Any], headers: Mapping[str, str]
    ) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}

        async def once() -> httpx.Response:
            async with httpx.AsyncClient(
                transport=self._transport,
                base_url=self._base,
                cookies=self.cookies,
                headers={"accept": PAGE, **named},
            ) as client:
                answer = await client.request(method, path, **body)
                self.cookies = client.cookies
                return answer

        return asyncio.run(once())


def action(page: httpx.Response) -> str:
    """Where the form on a page goes."""
    found = re.search(r'<form method="post" action="([^"]+)"', page.text)
    assert found is not None, page.text
    return found[1]


def hidden(page: httpx.Response) -> dict[str, str]:
    """The hidden fields of a page's form."""
    pattern = r'<input type="hidden" name="([^"]+)" value="([^"]*)">'
    return dict(re.findall(pattern, page.text))
