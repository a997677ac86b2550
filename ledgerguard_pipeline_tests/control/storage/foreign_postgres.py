"""A PostgreSQL that refuses every login, in any language: the frontend/backend protocol 3.0."""

from __future__ import annotations

import socket
import struct
import threading
from types import TracebackType
from typing import Self

_SSL_AND_GSS = (80877103, 80877104)


class RefusingPostgres:
    """Asks for a password and then answers ``sqlstate`` with a translated sentence."""

    def __init__(self, sqlstate: str, sentence: str, severity: str = "FATAL") -> None:
        fields = (("S", severity), ("V", "FATAL"), ("C", sqlstate), ("M", sentence))
        said = b"".join(f"{key}{value}\0".encode() for key, value in fields) + b"\0"
        self._answer = b"E" + struct.pack("!I", 4 + len(said)) + said
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self.logins = 0

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

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
            with client, client.makefile("rb") as reader:
                try:
                    self._refuse(client, reader.read)
                except OSError:
                    continue

    def _refuse(self, client: socket.socket, read: object) -> None:
        assert callable(read)
        while True:
            size = struct.unpack("!I", read(4))[0]
            (version,) = struct.unpack("!I", read(size - 4)[:4])
            if version not in _SSL_AND_GSS:
                break
            client.sendall(b"N")
        client.sendall(b"R" + struct.pack("!II", 8, 3))
        if read(1) == b"p":
            read(struct.unpack("!I", read(4))[0] - 4)
            self.logins += 1
            client.sendall(self._answer)
