"""A webhook receiver that records what arrives and answers as it is set to."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

TOKEN = "a made-up verifier token"
SILENT = 0
"""As a scripted answer: none before the receiver closes."""


@dataclass(frozen=True, slots=True)
class Posted:
    """One request as it arrived; header names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def genuine(self) -> bool:
        """Whether the signature is the one Intuit's page describes, computed independently."""
        digest = hmac.new(TOKEN.encode(), self.body, hashlib.sha256).digest()
        return self.headers["intuit-signature"] == base64.b64encode(digest).decode()

    def event_ids(self) -> list[str]:
        """Of a CloudEvents delivery."""
        return [str(event["id"]) for event in self.json]


class Receiver:
    """Answers 200 unless ``script`` has an answer left."""

    def __init__(self) -> None:
        self.posted: list[Posted] = []
        self._script: deque[int] = deque()
        self._released = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                names = {name.lower(): value for name, value in self.headers.items()}
                receiver.posted.append(Posted(self.path, names, self.rfile.read(length)))
                status = receiver._script.popleft() if receiver._script else 200
                if status == SILENT:
                    receiver._released.wait(60)
                    return
                self.send_response(status)
                if status in (301, 302):
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  # its name there
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/api/v1/webhooks/qbo"

    def script(self, answers: Iterable[int]) -> None:
        """The next answers, in order."""
        self._script.extend(answers)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
