"""A raw HTTP server on loopback that answers from a script, byte by byte where a test needs it,
and a clock that tests drive.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote_plus, urlsplit


class DrivenClock:
    """Time that only moves when somebody waits or a test says so."""

    def __init__(self, now: datetime = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)) -> None:
        self._lock = threading.Lock()
        self._start = now
        self._elapsed = 1000.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        with self._lock:
            return self._start + timedelta(seconds=self._elapsed - 1000.0)

    def monotonic(self) -> float:
        with self._lock:
            return self._elapsed

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self._elapsed += max(seconds, 0.0)

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._elapsed += seconds


@dataclass(frozen=True)
class Received:
    """One request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def params(self) -> dict[str, str]:
        return {key: values[0] for key, values in parse_qs(urlsplit(self.target).query).items()}

    @property
    def form(self) -> dict[str, str]:
        return {
            k: unquote_plus(v) for k, v in (p.split("=") for p in self.body.decode().split("&"))
        }

    @property
    def statement(self) -> str:
        return self.params["query"] if self.method == "GET" else self.body.decode()


Writer = Callable[[socket.socket], bool]
"""Writes an answer; returns whether the connection stays open."""

Answering = Callable[[Received], Writer]


def reply(
    body: object = b"",
    status: int = 200,
    headers: dict[str, str] | None = None,
    content_type: str = "application/json;charset=UTF-8",
) -> Writer:
    """A well-formed answer; anything but bytes is sent as JSON."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {
        "Content-Type": content_type,
        "Content-Length": str(len(payload)),
        "intuit_tid": "1-tid",
        **(headers or {}),
    }
    head = f"HTTP/1.1 {status} Scripted\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items())

    def write(connection: socket.socket) -> bool:
        connection.sendall(head.encode() + b"\r\n" + payload)
        return True

    return write


def raw(data: bytes) -> Writer:
    """Exactly these bytes, then the connection closes."""

    def write(connection: socket.socket) -> bool:
        connection.sendall(data)
        return False

    return write


def reset(connection: socket.socket) -> bool:
    """No answer: the connection is reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    return False


@dataclass
class Script:
    """Answers in order; once they are used up, ``default`` answers, or a 599 tells the test."""

    url: str
    answers: list[Writer] = field(default_factory=list)
    default: Answering | None = None
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def then(self, *answers: Writer) -> Script:
        self.answers.extend(answers)
        return self

    def _answer(self, request: Received) -> Writer:
        with self.lock:
            self.requests.append(request)
            if self.answers:
                return self.answers.pop(0)
        if self.default is not None:
            return self.default(request)
        return reply(b"the script has ended", 599)


@contextmanager
def scripted() -> Iterator[Script]:
    """Serve a script until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    script = Script(f"http://127.0.0.1:{listener.getsockname()[1]}")
    threads: list[threading.Thread] = []
    open_sockets: set[socket.socket] = set()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with script.lock:
                script.connections += 1
                open_sockets.add(connection)
            worker = threading.Thread(target=_serve, args=(connection, script), daemon=True)
            threads.append(worker)
            worker.start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield script
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join(5)
        for connection in open_sockets:
            with _quietly():
                connection.shutdown(socket.SHUT_RDWR)
        for worker in threads:
            worker.join(5)


@contextmanager
def _quietly() -> Iterator[None]:
    try:
        yield
    except OSError:
        return


def _serve(connection: socket.socket, script: Script) -> None:
    with connection, _quietly():
        reader = connection.makefile("rb")
        with reader:
            while line := reader.readline():
                method, target, _ = line.decode().split(" ", 2)
                headers: dict[str, str] = {}
                while (header := reader.readline().decode().strip()) != "":
                    name, _, value = header.partition(":")
                    headers[name.strip().lower()] = value.strip()
                body = reader.read(int(headers.get("content-length", "0")))
                writer = script._answer(Received(method, target, headers, body))
                if not writer(connection):
                    return
