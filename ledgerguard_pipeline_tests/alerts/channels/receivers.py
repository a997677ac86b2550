"""A real HTTP receiver on loopback."""

from __future__ import annotations

import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Posted:
    """One request as it arrived."""

    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Inbox:
    """What an HTTP receiver got, and how it answers."""

    posts: list[Posted] = field(default_factory=list)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    url: str = ""
    before_answer: Callable[[], None] = lambda: None
    drip: bool = False
    """Answers with a first line that never ends, byte by byte, until the caller hangs up."""
    hung_up: threading.Event = field(default_factory=threading.Event)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        inbox = self.server.inbox
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        inbox.before_answer()
        inbox.posts.append(Posted(self.path, dict(self.headers), body))
        if inbox.drip:
            self.drip()
            return
        self.send_response(inbox.status)
        for name, value in inbox.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def drip(self) -> None:
        self.wfile.write(b"HTTP/")
        try:
            while not self.server.inbox.hung_up.wait(0.02):
                self.wfile.write(b".")
        except OSError:
            self.server.inbox.hung_up.set()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name
        del format, args


class Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.inbox = Inbox()

    def handle_error(self, request: object, client_address: object) -> None:
        del request, client_address  # a client that hangs up is what some tests are about


@contextmanager
def http_receiver(tls: ssl.SSLContext | None = None) -> Iterator[Inbox]:
    """A server on loopback that takes POSTs."""
    server = Server()
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "http" if tls is None else "https"
    server.inbox.url = f"{scheme}://127.0.0.1:{server.server_address[1]}/hook"
    with serving(server):
        yield server.inbox
        server.inbox.hung_up.set()


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[None]:
    """Serve in a thread of its own during the block."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
