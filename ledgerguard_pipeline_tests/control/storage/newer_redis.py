"""A Redis as of 7.2, made of the older one at hand: it can be asked when a write is on disk.

A relay in front of the real server that names a newer release and answers WAITAOF itself, in its
place among the pipelined commands of each connection.
"""

from __future__ import annotations

import socket
import threading
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import Self


class NewerRedis:
    """``on_disk`` is what WAITAOF answers; ``asked`` counts after which command it was asked."""

    def __init__(self, server: Path, folder: Path) -> None:
        self._server = server
        self._path = folder / "newer.sock"
        self.on_disk = 1
        self.asked: list[str] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def url(self) -> str:
        return f"unix://{self._path}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        upstream = socket.socket(socket.AF_UNIX)
        upstream.connect(str(self._server))
        with client, upstream, client.makefile("rb") as asks, upstream.makefile("rb") as answers:
            before = ""
            while request := _value(asks):
                name = request.split(b"\r\n")[2].decode().upper()
                if name == "WAITAOF":
                    self.asked.append(before)
                    client.sendall(b"*2\r\n:%d\r\n:0\r\n" % self.on_disk)
                    continue
                upstream.sendall(request)
                answer = _value(answers)
                client.sendall(answer.replace(b"redis_version:6.", b"redis_version:8."))
                before = name


def _value(stream: BufferedReader) -> bytes:
    """One whole value of Redis' protocol as it was sent; empty at the end of the stream."""
    line = stream.readline()
    kind, count = line[:1], line[1:].strip()
    if kind in (b"$", b"=", b"!"):
        return line + (stream.read(int(count) + 2) if int(count) >= 0 else b"")
    if kind in (b"*", b"~", b">"):
        return line + b"".join(_value(stream) for _ in range(int(count)))
    if kind == b"%":
        return line + b"".join(_value(stream) for _ in range(2 * int(count)))
    return line
