"""A browser in one function: asks an application over ASGI, no socket, no redirects followed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import httpx
from fastapi import FastAPI


def ask(
    app: FastAPI,
    path: str,
    *,
    base: str = "http://localhost",
    method: str = "GET",
    headers: Mapping[bytes, bytes] | None = None,
) -> httpx.Response:
    async def once() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url=base) as client:
            return await client.request(method, path, headers=dict(headers or {}))

    return asyncio.run(once())
