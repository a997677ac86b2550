"""A server of a test's own: it takes connections, each in a thread, until its block ends."""

from __future__ import annotations

import socket
import threading
from abc import ABC, abstractmethod
from contextlib import suppress
from types import TracebackType
from typing import Self


class Listener(ABC):
    """Takes the connections of ``listening``, which it closes in the end. A context manager."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self._threads = [threading.Thread(target=self._accept)]
        self._clients: list[socket.socket] = []

    @abstractmethod
    def converse(self, client: socket.socket) -> None:
        """Serve one connection until it ends; OSError and EOFError say that it did."""

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._threads[0].join()
        for client in self._clients:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,))
            self._clients.append(client)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError, EOFError):
            self.converse(client)


def exactly(reader: socket.socket, size: int) -> bytes:
    """So many bytes.

    Raises:
        EOFError: the connection ended before.
    """
    found = b""
    while len(found) < size:
        more = reader.recv(size - len(found))
        if not more:
            raise EOFError
        found += more
    return found
