"""A Redis as of 7.2, made of the older one at hand: it can be asked when a write is on disk.

A relay in front of the real server that names a newer release and answers WAITAOF itself, in its
place among the pipelined commands of each connection.
"""

from __future__ import annotations

import socket
from io import BufferedReader
from pathlib import Path

from ledgerguard_pipeline_tests.listener import Listener


class NewerRedis(Listener):
    """``on_disk`` is what WAITAOF answers; ``asked`` counts after which command it was asked."""

    def __init__(self, server: Path, folder: Path) -> None:
        self._server = server
        self._path = folder / "newer.sock"
        self.on_disk = 1
        self.asked: list[str] = []
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(self._path))
        listening.listen()
        super().__init__(listening)

    @property
    def url(self) -> str:
        return f"unix://{self._path}"

    def converse(self, client: socket.socket) -> None:
        """Pass on what is asked, but for WAITAOF."""
        with socket.socket(socket.AF_UNIX) as upstream:
            upstream.connect(str(self._server))
            with client.makefile("rb") as asks, upstream.makefile("rb") as answers:
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
