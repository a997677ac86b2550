"""Reading a request's body without trusting its size, its pace or its end."""

from __future__ import annotations

import asyncio

from fastapi import Request
from starlette.requests import ClientDisconnect

MAX_BYTES = 8 * 1024 * 1024
"""Intuit names no limit and speaks of megabytes at most."""

READ_SECONDS = 10.0
"""For the whole body, however busily it trickles in."""

MAX_BUFFERED_BYTES = 64 * 1024 * 1024


class BodyRefused(Exception):
    """A body that will not be read; ``status`` and ``outcome`` say how that is answered.

    It never leaves the web edge.
    """

    def __init__(self, status: int, outcome: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.outcome = outcome
        self.text = text


class BodyReader:
    """Reads bodies; all that are under way together never hold more than ``buffered`` bytes."""

    def __init__(
        self,
        *,
        limit: int = MAX_BYTES,
        seconds: float = READ_SECONDS,
        buffered: int = MAX_BUFFERED_BYTES,
    ) -> None:
        self._limit = limit
        self._seconds = seconds
        self._buffered = buffered
        self._held = 0

    async def read(self, request: Request) -> bytes:
        """The whole body.

        Raises:
            BodyRefused: it is too large, too slow or was cut off, or too many are being read.
        """
        declared = request.headers.get("content-length", "0")
        if not declared.isdecimal() or int(declared) > self._limit:
            raise self._too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(self._seconds):
                async for chunk in request.stream():
                    if len(body) + len(chunk) > self._limit:
                        raise self._too_large()
                    if self._held + len(chunk) > self._buffered:
                        raise BodyRefused(
                            503, "overloaded", "The server is receiving too much at once."
                        )
                    self._held += len(chunk)
                    body += chunk
        except TimeoutError:
            raise BodyRefused(408, "timed_out", "The body took too long to arrive.") from None
        except ClientDisconnect:
            raise BodyRefused(400, "cut_off", "The connection was cut.") from None
        finally:
            self._held -= len(body)
        return bytes(body)

    def _too_large(self) -> BodyRefused:
        return BodyRefused(413, "too_large", f"At most {self._limit} bytes are accepted.")
