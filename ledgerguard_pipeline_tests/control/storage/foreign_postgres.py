"""A PostgreSQL that refuses every login, in any language: the frontend/backend protocol 3.0."""

from __future__ import annotations

import socket
import struct

from ledgerguard_pipeline_tests.listener import Listener, exactly
from ledgerguard_pipeline_tests.postgres_relay import startup_of


class RefusingPostgres(Listener):
    """Asks for a password and then answers ``sqlstate`` with a translated sentence."""

    def __init__(self, sqlstate: str, sentence: str, severity: str = "FATAL") -> None:
        fields = (("S", severity), ("V", "FATAL"), ("C", sqlstate), ("M", sentence))
        said = b"".join(f"{key}{value}\0".encode() for key, value in fields) + b"\0"
        self._answer = b"E" + struct.pack("!I", 4 + len(said)) + said
        listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = listening.getsockname()[1]
        self.logins = 0
        super().__init__(listening)

    def converse(self, client: socket.socket) -> None:
        """Refuse it."""
        startup_of(client)
        client.sendall(b"R" + struct.pack("!II", 8, 3))
        if exactly(client, 1) == b"p":
            exactly(client, struct.unpack("!I", exactly(client, 4))[0] - 4)
            self.logins += 1
            client.sendall(self._answer)
