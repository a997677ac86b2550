"""Listening: sockets bound before anything is promised, and uvicorn on top of them."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from ledgerguard_pipeline.errors import BadInputError


def listen(host: str, port: int) -> list[socket.socket]:
    """Bind ``host:port``; ``localhost`` is bound on IPv4 and, where there is one, on IPv6.

    Browsers may try either address of ``localhost`` first, and a port of one family may belong
    to another program, which then would receive the callback.

    Raises:
        BadInputError: the port is taken or the address is not one of this machine.
    """
    wanted = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
    if host != "localhost":
        wanted = [(socket.AF_INET6 if ":" in host else socket.AF_INET, host)]
    sockets: list[socket.socket] = []
    try:
        for family, address in wanted:
            bound = _bind(family, address, port)
            if bound is None:
                continue
            sockets.append(bound)
            port = bound.getsockname()[1]
    except OSError as error:
        for each in sockets:
            each.close()
        why = (
            "another program uses it"
            if error.errno == errno.EADDRINUSE
            else (error.strerror or type(error).__name__)
        )
        raise BadInputError(
            f"Port {port} on {host} cannot be opened: {why}. Stop that program (perhaps "
            "`ledgerguard up` or `ledgerguard web` is running) or choose another port."
        ) from None
    return sockets


def _bind(family: socket.AddressFamily, address: str, port: int) -> socket.socket | None:
    try:
        bound = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        if family is socket.AF_INET6:
            return None
        raise
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((address, port))
        bound.listen(128)
    except OSError as error:
        bound.close()
        if address == "::1" and error.errno == errno.EADDRNOTAVAIL:
            return None
        raise
    return bound


def serve(app: FastAPI, sockets: Sequence[socket.socket]) -> None:
    """Serve until SIGINT or SIGTERM."""
    _server(app).run(sockets=list(sockets))


@contextmanager
def serving(app: FastAPI, sockets: Sequence[socket.socket]) -> Iterator[None]:
    """Serve in the background; at exit answers in flight are finished, then the sockets close."""
    server = _server(app)
    thread = threading.Thread(
        target=server.run, kwargs={"sockets": list(sockets)}, name="callback-server", daemon=True
    )
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=15)


def _server(app: FastAPI) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_config=None,
            # The access log would hold the callback's code and state.
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=10,
        )
    )
