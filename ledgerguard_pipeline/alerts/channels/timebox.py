"""A limit for everything together: time-outs of single reads never end a dripping answer."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CONNECT_SECONDS = 5.0
READ_SECONDS = 10.0
TOTAL_SECONDS = 15.0


@contextmanager
def timebox(connected: Callable[[], socket.socket | None], seconds: float) -> Iterator[None]:
    """Shut the connection down when the block has lasted ``seconds``; whoever reads then fails."""

    def cut() -> None:
        link = connected()
        if link is not None:
            with contextlib.suppress(OSError):
                # Of the plain socket: a TLS one would forget its state under the reader's feet.
                socket.socket.shutdown(link, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
