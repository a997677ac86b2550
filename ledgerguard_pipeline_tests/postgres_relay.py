"""A TCP port in front of the tests' PostgreSQL: it hears what clients say at their login.

It can leave out the options of a login, as poolers do that are set to ignore them.
Frontend/backend protocol 3.0.
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

from ledgerguard_pipeline_tests.listener import Listener, exactly

_SSL_AND_GSS = (80877103, 80877104)


class PostgresRelay(Listener):
    """Passes on what clients and the server say. ``logins`` are the parameters of each login."""

    def __init__(self, url: str, *, leaves_options_out: bool = False) -> None:
        parts = urlsplit(url)
        self._server = f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432"
        self._leaves_options_out = leaves_options_out
        listening = socket.create_server(("127.0.0.1", 0))
        self.logins: list[dict[str, str]] = []
        self.port: int = listening.getsockname()[1]
        self.database = parts.path.removeprefix("/")
        self.url = f"postgresql://postgres:@127.0.0.1:{self.port}/{self.database}"
        super().__init__(listening)

    def converse(self, client: socket.socket) -> None:
        """Log in as the client does, and pass on what follows."""
        with socket.socket(socket.AF_UNIX) as server:
            server.connect(self._server)
            server.sendall(self._login(client))
            answers = threading.Thread(target=_pass_on, args=(server, client))
            answers.start()
            _pass_on(client, server)
            answers.join()

    def _login(self, client: socket.socket) -> bytes:
        said = startup_of(client)
        words = said[4:].rstrip(b"\0").split(b"\0")
        named = dict(zip(words[::2], words[1::2], strict=True))
        self.logins.append({name.decode(): value.decode() for name, value in named.items()})
        if self._leaves_options_out:
            named.pop(b"options", None)
            said = said[:4] + b"".join(b"%b\0%b\0" % each for each in named.items()) + b"\0"
        return struct.pack("!I", len(said) + 4) + said


def startup_of(client: socket.socket) -> bytes:
    """The message a session begins with, behind its length; encryption is declined before it."""
    while True:
        (size,) = struct.unpack("!I", exactly(client, 4))
        said = exactly(client, size - 4)
        (version,) = struct.unpack("!I", said[:4])
        if version not in _SSL_AND_GSS:
            return said
        client.sendall(b"N")


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while said := one.recv(65536):
            other.sendall(said)
    for each in (one, other):
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
