"""A TCP port in front of the tests' PostgreSQL: it hears what clients say at their login.

It can leave out the options of a login, as poolers do that are set to ignore them.
Frontend/backend protocol 3.0.
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlsplit

_SSL_AND_GSS = (80877103, 80877104)


class PostgresRelay:
    """Passes on what clients and the server say. ``logins`` are the parameters of each login."""

    def __init__(self, url: str, *, leaves_options_out: bool = False) -> None:
        parts = urlsplit(url)
        self._server = f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432"
        self._leaves_options_out = leaves_options_out
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._serve)]
        self._sockets: list[socket.socket] = []
        self.logins: list[dict[str, str]] = []
        self.port: int = self._listener.getsockname()[1]
        self.database = parts.path.removeprefix("/")
        self.url = f"postgresql://postgres:@127.0.0.1:{self.port}/{self.database}"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join()
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()
        for each in self._sockets:
            each.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            self._sockets += [client, server]
            server.connect(self._server)
            thread = threading.Thread(target=self._converse, args=(client, server))
            self._threads.append(thread)
            thread.start()

    def _converse(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError, EOFError):
            server.sendall(self._login(client))
            answers = threading.Thread(target=_pass_on, args=(server, client))
            answers.start()
            _pass_on(client, server)
            answers.join()

    def _login(self, client: socket.socket) -> bytes:
        while True:
            (size,) = struct.unpack("!I", _exactly(client, 4))
            said = _exactly(client, size - 4)
            (version,) = struct.unpack("!I", said[:4])
            if version not in _SSL_AND_GSS:
                break
            client.sendall(b"N")
        words = said[4:].rstrip(b"\0").split(b"\0")
        named = dict(zip(words[::2], words[1::2], strict=True))
        self.logins.append({name.decode(): value.decode() for name, value in named.items()})
        if self._leaves_options_out:
            named.pop(b"options", None)
            said = said[:4] + b"".join(b"%b\0%b\0" % each for each in named.items()) + b"\0"
        return struct.pack("!I", len(said) + 4) + said


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while said := one.recv(65536):
            other.sendall(said)
    for each in (one, other):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


def _exactly(reader: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = reader.recv(size - len(found))
        if not more:
            raise EOFError
        found += more
    return found
