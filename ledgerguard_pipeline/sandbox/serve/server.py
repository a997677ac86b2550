"""The ASGI application: takes a request apart, lets faults and limits act, sends the answer."""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
import sys
import time
import traceback
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import cast

from starlette.types import Message, Receive, Scope, Send

from ledgerguard_pipeline.sandbox.answers.replies import XML, Answer, html_page, throttled
from ledgerguard_pipeline.sandbox.answers.request import Request
from ledgerguard_pipeline.sandbox.answers.xml_text import translate
from ledgerguard_pipeline.sandbox.api import control, downloads, oauth, routes
from ledgerguard_pipeline.sandbox.api.faults import SPOILS, FaultKind, FaultRule, instead
from ledgerguard_pipeline.sandbox.api.stats import Call
from ledgerguard_pipeline.sandbox.api.world import World
from ledgerguard_pipeline.sandbox.webhooks import control as webhook_control

TRANSPORT = "sandbox.transport"
"""Key of the connection's transport in the scope; injected resets need it."""

_BODY_LIMIT = 10_000_000
_SMALLEST_GZIP = 512
_SLOW_CHUNKS = 20


class SandboxApp:
    """All of Intuit's hosts on one base URL, and ``/_sandbox/`` for those who test with it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._api = routes.Api(world)
        self._downloads = downloads.Downloads(world)
        self._oauth = oauth.OAuth(world)
        self._control = control.Control(world)
        self._webhooks = webhook_control.WebhookControl(world.webhooks)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = await _read(scope, receive)
        if request is None:
            return
        try:
            await self._route(request, scope, receive, send)
        except Exception:  # noqa: BLE001  # the sandbox's own bug: say so, keep to the protocol
            traceback.print_exc(file=sys.stderr)
            await _send(send, html_page(500, "Sandbox error", "See its stderr."), _tid())

    async def _route(self, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        path = request.path
        if path.startswith(webhook_control.PREFIX):
            answer = await asyncio.to_thread(self._webhooks.answer, request)
            await _send(send, answer, _tid())
        elif path.startswith(control.PREFIX):
            await self._controlled(request, send)
        elif path.startswith(routes.PREFIX):
            await self._accounting(request, scope, receive, send)
        elif path.startswith(downloads.PREFIX):
            await self._file(request, scope, receive, send)
        elif path in oauth.ENDPOINTS:
            await self._authorization(request, scope, receive, send)
        elif path in oauth.DISCOVERY:
            host = request.headers.get("host", "127.0.0.1")
            await _send(send, self._oauth.discovery(f"http://{host}"), _tid())
        else:
            await _send(send, html_page(404, "HTTP Status 404 - Not Found"), _tid())

    async def _controlled(self, request: Request, send: Send) -> None:
        if request.method == "GET" and request.path.startswith(control.PREFIX + "truth/"):
            try:
                lines = self._control.truth(request.path)
            except (LookupError, ValueError) as error:
                await _send(send, html_page(404, "Not Found", str(error)), _tid())
                return
            await _stream(send, lines)
            return
        await _send(send, self._control.answer(request), _tid())

    async def _authorization(
        self, request: Request, scope: Scope, receive: Receive, send: Send
    ) -> None:
        endpoint = oauth.ENDPOINTS[request.path]
        self._world.stats.arrived_oauth(endpoint)
        rule = self._world.faults.strike(endpoint, "", frozenset())
        await self._wait(rule)
        now = self._world.now()
        if endpoint == "token" and self._world.switches.quota_spent == "everywhere":
            answer = throttled(now)
        elif rule is None or rule.kind in SPOILS:
            answer = self._oauth.answer(request, now)
        else:
            answer = instead(rule, now)
        grant = request.form.get("grant_type", "") if endpoint == "token" else ""
        call = Call(time=now, tid=_tid(), method=request.method, endpoint=endpoint, target=grant)
        await self._finish(request, answer, rule, call, scope, receive, send)

    async def _file(self, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        realm, _, id = request.path.removeprefix(downloads.PREFIX).partition("/")
        rule = self._world.faults.strike("download", realm, frozenset({"attachable"}))
        await self._wait(rule)
        now = self._world.now()
        if rule is None or rule.kind in SPOILS:
            answer = self._downloads.answer(request, now)
        else:
            answer = instead(rule, now)
        call = Call(
            time=now, tid=_tid(), method=request.method, endpoint="download", realm=realm, target=id
        )
        await self._finish(request, answer, rule, call, scope, receive, send)

    async def _accounting(
        self, request: Request, scope: Scope, receive: Receive, send: Send
    ) -> None:
        target = routes.target_of(request)
        at, began = time.monotonic(), self._world.now()
        self._world.stats.arrived(target.realm, target.endpoint, at)
        rule = self._world.faults.strike(target.endpoint, target.realm, target.entities)
        self._world.limits.begin(target.realm)
        try:
            answer = self._before(request, target, rule, at)
            await self._wait(rule)
            if answer is None:
                answer = self._api.answer(request, target, began)
                if answer.translatable and not request.wants_json:
                    answer.body, answer.content_type = translate(answer.body), XML
        finally:
            self._world.limits.end(target.realm)
        call = Call(
            time=self._world.now(),
            tid=_tid(),
            method=request.method,
            endpoint=target.endpoint,
            realm=target.realm,
            target=target.what[:1000],
        )
        await self._finish(request, answer, rule, call, scope, receive, send)

    def _before(
        self, request: Request, target: routes.Target, rule: FaultRule | None, at: float
    ) -> Answer | None:
        """What keeps a call from the books: an injected fault, the gateway, the limits."""
        now = self._world.now()
        if rule is not None and rule.kind not in SPOILS:
            return instead(rule, now)
        refusal = self._api.gate(request, target, now)
        if refusal is not None:
            return refusal
        spent = self._world.switches.quota_spent != "no"
        if not spent and self._world.limits.admit(
            target.realm, at, batch=target.endpoint == "batch"
        ):
            return None
        answer = throttled(now)
        if self._world.switches.retry_after_seconds is not None:
            answer.headers["Retry-After"] = str(self._world.switches.retry_after_seconds)
        return answer

    async def _wait(self, rule: FaultRule | None) -> None:
        if rule is not None and rule.kind is FaultKind.HANG:
            await asyncio.sleep(rule.seconds)
        if self._world.switches.latency_ms > 0:
            await asyncio.sleep(self._world.switches.latency_ms / 1000)

    async def _finish(
        self,
        request: Request,
        answer: Answer,
        rule: FaultRule | None,
        call: Call,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        kind = None if rule is None else rule.kind
        if self._world.switches.gzip and request.takes_gzip and len(answer.body) > _SMALLEST_GZIP:
            answer.body = _gzip(answer.body)
            answer.headers["Content-Encoding"] = "gzip"
        if rule is not None:
            call.fault = rule.kind
            _spoil(rule.kind, answer)
        call.status, call.rows, call.bytes = answer.status, answer.rows, len(answer.body)
        if kind in (FaultKind.RESET, FaultKind.RESET_AFTER):
            call.status = call.bytes = 0
        self._world.stats.answered(call)
        if kind in (FaultKind.RESET, FaultKind.RESET_AFTER):
            await _hang_up(scope, receive, reset=True)
        elif kind is FaultKind.TRUNCATED:
            await _start(send, answer, call.tid)
            half = answer.body[: len(answer.body) // 2]
            await send({"type": "http.response.body", "body": half, "more_body": True})
            await _hang_up(scope, receive, reset=False)
        elif rule is not None and kind is FaultKind.SLOW_BODY:
            await _trickle(send, answer, call.tid, rule.seconds)
        else:
            await _send(send, answer, call.tid)


def _spoil(kind: FaultKind, answer: Answer) -> None:
    match kind:
        case FaultKind.CUT_JSON:
            answer.headers.pop("Content-Encoding", None)
            answer.body = b'{"QueryResponse":{"Invoice":[{"Id":"1","Doc'
        case FaultKind.WRONG_CONTENT_TYPE:
            answer.content_type = "text/html;charset=UTF-8"
        case FaultKind.BAD_GZIP:
            answer.headers["Content-Encoding"] = "gzip"
            answer.body = b"\x1f\x8b\x08\x00" + answer.body[: len(answer.body) // 2]
        case _:
            pass


async def _read(scope: Scope, receive: Receive) -> Request | None:
    """The whole request, or None where the client went away or sends too much."""
    parts: list[bytes] = []
    size = 0
    more = True
    while more:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > _BODY_LIMIT:
            return None
        more = message.get("more_body", False)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    return Request(scope["method"], scope["path"], scope["query_string"], headers, b"".join(parts))


async def _start(send: Send, answer: Answer, tid: str) -> None:
    headers = {
        "Content-Type": answer.content_type,
        "Content-Length": str(len(answer.body)),
        "intuit_tid": tid,
        "QBO-Version": "1975.200",
        "Service-Time": "total=12, db=3",
        "Cache-Control": "max-age=0, no-cache, no-store, must-revalidate, private",
        **answer.headers,
    }
    lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": lines})


async def _send(send: Send, answer: Answer, tid: str) -> None:
    await _start(send, answer, tid)
    await send({"type": "http.response.body", "body": answer.body})


async def _trickle(send: Send, answer: Answer, tid: str, seconds: float) -> None:
    await _start(send, answer, tid)
    step = len(answer.body) // _SLOW_CHUNKS + 1
    for first in range(0, len(answer.body), step):
        chunk = answer.body[first : first + step]
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await asyncio.sleep(seconds / _SLOW_CHUNKS)
    await send({"type": "http.response.body", "body": b""})


async def _stream(send: Send, chunks: Iterator[bytes]) -> None:
    headers = [(b"Content-Type", b"application/jsonl"), (b"intuit_tid", _tid().encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    async for chunk in _breathing(chunks):
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _breathing(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Lets other requests in between the chunks."""
    for chunk in chunks:
        yield chunk
        await asyncio.sleep(0)


async def _hang_up(scope: Scope, receive: Receive, *, reset: bool) -> None:
    """Close the connection under the client: at once with RST, or after what was written."""
    transport = cast("asyncio.Transport", scope["extensions"][TRANSPORT])
    if reset:
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass


def _gzip(body: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()


def _tid() -> str:
    """A request id in the form Intuit's gateway uses."""
    return f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"
