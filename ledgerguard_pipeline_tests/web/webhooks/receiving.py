"""A running receiver, and deliveries sent to it as Intuit and as others send them."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from fastapi import FastAPI

from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.web.security.body_reader import BodyReader
from ledgerguard_pipeline.web.serving import listen, serving
from ledgerguard_pipeline.web.webhooks.receiver import WEBHOOK_PATH, WebhookReceiver, webhook_router
from ledgerguard_pipeline.webhooks.signature import sign

TOKEN = "made-up-verifier-token"


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where a receiver listens, and what it stores into."""

    port: int
    plane: ControlPlane
    receiver: WebhookReceiver

    def counted(self, name: str = "webhook_deliveries") -> dict[str, float]:
        """A counter as it stands once everything counted so far is written."""
        self.receiver.counters.flush()
        return self.plane.counters.read(name)

    def post(
        self,
        body: bytes,
        *,
        signature: str | None = None,
        token: str = TOKEN,
        headers: Mapping[str, str] | None = None,
    ) -> int:
        """The status a delivery is answered with; signed by ``token`` unless asked otherwise."""
        given = {"intuit-signature": sign(body, token) if signature is None else signature}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("POST", WEBHOOK_PATH, body, {**given, **(headers or {})})
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()

    def raw(self, request: bytes, *, then: bytes = b"", seconds: float = 20) -> bytes:
        """Send bytes as they are and return the first line of the answer; empty if cut off."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=seconds) as connection:
            try:
                connection.sendall(request)
                if then:
                    connection.sendall(then)
                return connection.recv(4096).split(b"\r\n")[0]
            except (ConnectionResetError, BrokenPipeError):
                return b""


def head(*lines: str) -> bytes:
    """The head of a request to the receiver with these header lines."""
    first = (f"POST {WEBHOOK_PATH} HTTP/1.1", "Host: localhost", *lines)
    return "\r\n".join((*first, "", "")).encode("latin-1")


@contextmanager
def receiving(
    settings: Settings,
    plane: ControlPlane,
    *,
    bodies: BodyReader | None = None,
    clock: Clock = SYSTEM_CLOCK,
) -> Iterator[Receiver]:
    """A receiver on a free port, on the server the product uses."""
    app = FastAPI()
    receiver = WebhookReceiver(settings, lambda: plane, clock=clock, bodies=bodies)
    app.include_router(webhook_router(receiver))
    sockets = listen("localhost", 0)
    try:
        with serving(app, sockets):
            yield Receiver(sockets[0].getsockname()[1], plane, receiver)
    finally:
        receiver.close()
        for each in sockets:
            each.close()
