"""Intuit's token endpoint as tests need it: strict about reuse, scriptable, over real HTTP."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs


@dataclass(frozen=True, slots=True)
class Scripted:
    """An answer given in place of the usual one."""

    status: int
    body: bytes
    content_type: str = "application/json"


def refusal(error: str, status: int = 400) -> Scripted:
    return Scripted(status, json.dumps({"error": error}).encode())


HTML = Scripted(503, b"<html><body>Service Unavailable</body></html>", "text/html")


class TokenEndpoint:
    """Every refresh rotates the token; a value used before is ``invalid_grant``.

    ``scripted`` answers are given first, one each; ``before_answer`` runs while the caller waits.
    """

    def __init__(self) -> None:
        self.scripted: deque[Scripted] = deque()
        self.before_answer: Callable[[], None] = lambda: None
        self.extra: dict[str, object] = {"x_refresh_token_expires_in": 8_726_400}
        self.leave_out: set[str] = set()
        self.valid = {"refresh-1"}
        self.codes: set[str] = set()
        self.realm = "9341453474484455"
        self.posts: list[str] = []
        self.revoked: list[str] = []
        self.lost = 0
        """So many answers to token requests never arrive, although what they say was done."""
        self.unwilling = 0
        """So many revocations are answered 400 although the grant is alive."""
        self._rotate = True
        self._lock = threading.Lock()
        self._issued = 1
        self._access: set[str] = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def refreshes(self) -> int:
        """How many refresh calls arrived."""
        return self.posts.count("refresh_token")

    def keep_values(self) -> None:
        """Return the same refresh token again, as Intuit does within a day."""
        self._rotate = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def token(self, form: dict[str, list[str]]) -> Scripted:
        with self._lock:
            kind = form["grant_type"][0]
            self.posts.append(kind)
            scripted = self.scripted.popleft() if self.scripted else None
        self.before_answer()
        if scripted is not None:
            return scripted
        with self._lock:
            known, value = (
                (self.valid, form["refresh_token"][0])
                if kind == "refresh_token"
                else (self.codes, form["code"][0])
            )
            if value not in known:
                return refusal("invalid_grant")
            if self._rotate or kind != "refresh_token":
                known.discard(value)
                self._issued += 1
                value = f"refresh-{self._issued}"
                self.valid.add(value)
            access = f"access-{len(self.posts)}"
            self._access.add(access)
        body = {
            "token_type": "bearer",
            "expires_in": 3600,
            "access_token": access,
            "refresh_token": value,
            **self.extra,
        }
        kept = {name: each for name, each in body.items() if name not in self.leave_out}
        return Scripted(200, json.dumps(kept).encode())

    def revoke(self, token: str) -> Scripted:
        with self._lock:
            scripted = self.scripted.popleft() if self.scripted else None
            if scripted is not None:
                return scripted
            if self.unwilling:
                self.unwilling -= 1
                return Scripted(400, b"")
            self.revoked.append(token)
            if token not in self.valid:
                return Scripted(400, b"")
            self.valid.discard(token)
            return Scripted(200, b"")

    def company(self, path: str, authorization: str) -> Scripted:
        if authorization.removeprefix("Bearer ") not in self._access:
            return Scripted(401, b"")
        if path.split("/")[3] != self.realm:
            fault = {
                "Fault": {
                    "type": "AUTHORIZATION",
                    "Error": [{"Message": "denied", "code": "3100", "Detail": "wrong company"}],
                }
            }
            return Scripted(403, json.dumps(fault).encode())
        info = {
            "Id": "1",
            "SyncToken": "0",
            "CompanyName": "Søn & Co",
            "Country": "US",
            "MetaData": {
                "CreateTime": "2020-01-01T00:00:00-08:00",
                "LastUpdatedTime": "2020-01-01T00:00:00-08:00",
            },
        }
        answer = {"CompanyInfo": info, "time": "2026-11-01T00:00:00-08:00"}
        return Scripted(200, json.dumps(answer).encode())

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path.endswith("/revoke"):
                    self._send(endpoint.revoke(json.loads(body)["token"]))
                    return
                answer = endpoint.token(parse_qs(body.decode()))
                if endpoint.lost:
                    endpoint.lost -= 1
                    self.close_connection = True
                    return
                self._send(answer)

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                self._send(endpoint.company(path, self.headers.get("Authorization", "")))

            def _send(self, answer: Scripted) -> None:
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.content_type)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name
                """Stay quiet."""

        return Handler
