"""``POST /api/v1/webhooks/qbo``: where Intuit delivers.

Intuit waits three seconds for a 200 and repeats anything else for days, holding later events
back. So a genuine delivery is answered 200 as soon as its bytes are on disk, readable or not,
and never before; forged requests cost as little as possible. Intuit, "Webhooks".
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.counters import CounterStore
from ledgerguard_pipeline.control.webhook_queue.deliveries import (
    COUNTER,
    Delivery,
    DeliveryStore,
    Receipt,
)
from ledgerguard_pipeline.errors import LedgerGuardError
from ledgerguard_pipeline.web.security.body_reader import BodyReader, BodyRefused
from ledgerguard_pipeline.web.security.rate_limit import ClientRates
from ledgerguard_pipeline.web.webhooks.counter_buffer import CounterBuffer
from ledgerguard_pipeline.web.webhooks.group_writer import STALLED_SECONDS, DeliveryWriter
from ledgerguard_pipeline.webhooks.parse import Delivered, parse
from ledgerguard_pipeline.webhooks.signature import HEADER, Verifier, shaped

WEBHOOK_PATH = "/api/v1/webhooks/qbo"

TOKEN_COUNTER = "webhook_verifier_token"  # noqa: S105  # the name of a metric

KEPT_HEADERS = (
    "content-type",
    "user-agent",
    HEADER,
    "intuit-created-time",
    "intuit-t-id",
    "intuit-notification-schema-version",
)
_HEADER_LENGTH = 300
_LARGE_BODY = 64 * 1024

_log = structlog.get_logger(__name__)


class Stores(Protocol):
    """The part of the control plane deliveries go to."""

    @property
    def deliveries(self) -> DeliveryStore: ...

    @property
    def counters(self) -> CounterStore: ...


class WebhookReceiver:
    """Takes deliveries: one per process, on its event loop."""

    def __init__(
        self,
        settings: Settings,
        stores: Callable[[], Stores],
        *,
        clock: Clock = SYSTEM_CLOCK,
        bodies: BodyReader | None = None,
    ) -> None:
        self._verifier = Verifier.of(settings.intuit_webhook_verifier_token)
        self._bodies = bodies or BodyReader()

        def accept(batch: Sequence[Delivery]) -> list[Receipt]:
            return stores().deliveries.accept(batch)

        self._writer = DeliveryWriter(accept, clock=clock)
        self.counters = CounterBuffer(lambda: stores().counters, clock=clock)
        # Far above what Intuit sends; a client that fails often is slowed down much earlier.
        self._requests = ClientRates(per_second=1000, burst=3000, clock=clock)
        self._failures = ClientRates(per_second=5, burst=100, clock=clock)

    async def receive(self, request: Request) -> JSONResponse:
        """Answer one delivery."""
        client = request.client.host if request.client is not None else "unknown"
        if not self._verifier.configured:
            return self._refuse(503, "unconfigured", "Webhooks are not set up here.")
        pause = max(self._requests.wait_seconds(client), self._failures.wait_seconds(client))
        if pause > 0:
            return self._refuse(429, "rate_limited", "Too many requests.", pause=pause)
        self._requests.spend(client)
        signature = shaped(request.headers.get(HEADER))
        if signature is None:
            return self._forged(client)
        try:
            body = await self._bodies.read(request)
        except BodyRefused as refusal:
            self._failures.spend(client)
            return self._refuse(refusal.status, refusal.outcome, refusal.text)
        if len(body) > _LARGE_BODY:
            number, delivered = await run_in_threadpool(self._read, body, signature)
        else:
            number, delivered = self._read(body, signature)
        if number is None or delivered is None:
            return self._forged(client)
        if number > 0:
            self.counters.count(TOKEN_COUNTER, f"token {number + 1}")
        return await self._store(request, client, body, delivered)

    def close(self) -> None:
        """Write what was taken and counted."""
        self._writer.close()
        self.counters.close()

    def _read(self, body: bytes, signature: bytes) -> tuple[int | None, Delivered | None]:
        number = self._verifier.matching(body, signature)
        return number, None if number is None else parse(body)

    async def _store(
        self, request: Request, client: str, body: bytes, delivered: Delivered
    ) -> JSONResponse:
        delivery = Delivery(
            body=body,
            headers=_kept(request),
            client=client,
            shape=delivered.shape,
            events=delivered.events,
            unreadable=delivered.unreadable,
        )
        began = time.perf_counter()
        try:
            writing = asyncio.wrap_future(self._writer.submit(delivery))
            receipt = await asyncio.wait_for(writing, STALLED_SECONDS)
        except (LedgerGuardError, TimeoutError) as error:
            _log.error("webhook_not_stored", error=type(error).__name__, message=str(error))
            return self._refuse(503, "unavailable", "Not stored; send it again.")
        tell = _log.warning if delivered.unreadable else _log.debug
        tell(
            "webhook_stored",
            delivery_id=receipt.delivery_id,
            outcome=receipt.outcome.value,
            events=len(delivered.events),
            fresh=receipt.fresh,
            unreadable=len(delivered.unreadable),
            bytes=len(body),
            milliseconds=round((time.perf_counter() - began) * 1000, 1),
        )
        return JSONResponse({"status": "success"})

    def _forged(self, client: str) -> JSONResponse:
        self._failures.spend(client)
        return self._refuse(401, "bad_signature", "The signature is missing or wrong.")

    def _refuse(self, status: int, outcome: str, text: str, *, pause: float = 0.0) -> JSONResponse:
        self.counters.count(COUNTER, outcome)
        # Perhaps the body was not read to its end: the connection cannot be used again.
        headers = {"connection": "close"}
        if pause > 0:
            headers["retry-after"] = str(math.ceil(pause))
        return JSONResponse({"status": "error", "message": text}, status, headers)


def webhook_router(receiver: WebhookReceiver) -> APIRouter:
    """The route; it reads the body itself, because no framework limits one."""
    router = APIRouter()

    async def receive(request: Request) -> JSONResponse:
        """Take one delivery of Intuit's webhooks."""
        return await receiver.receive(request)

    router.add_api_route(
        WEBHOOK_PATH,
        receive,
        methods=["POST"],
        response_model=None,
    )
    return router


def _kept(request: Request) -> dict[str, str]:
    return {
        name: "".join(char if " " <= char <= "~" else "?" for char in value)[:_HEADER_LENGTH]
        for name in KEPT_HEADERS
        if (value := request.headers.get(name)) is not None
    }
