"""Carrying one signed delivery to its receiver, within the time Intuit grants."""

from __future__ import annotations

import base64
import hashlib
import hmac
import socket
import time
from urllib.parse import urlsplit

import msgspec

_HEAD_LIMIT = 65_536


class Reply(msgspec.Struct, kw_only=True, frozen=True):
    """What came back. ``status`` 0: no answer, and ``problem`` says why."""

    status: int
    seconds: float
    problem: str = ""

    @property
    def acknowledged(self) -> bool:
        """Only a 200 is."""
        return self.status == 200


def signature(body: bytes, token: str) -> str:
    """The value of ``intuit-signature``: base64 of HMAC-SHA256 over the raw bytes."""
    return base64.b64encode(hmac.digest(token.encode(), body, hashlib.sha256)).decode()


def deliver(url: str, headers: dict[str, str], body: bytes, limit: float) -> Reply:
    """POST ``body`` and wait up to ``limit`` seconds for the head of the answer.

    The limit spans everything, so a receiver that sends its answer byte by byte gains nothing.
    Redirects are not followed. Nothing is raised: whatever goes wrong is in the reply.
    """
    began = time.monotonic()
    try:
        status = _exchange(url, headers, body, began + limit)
        problem = "" if status else "the answer is no HTTP"
    except TimeoutError:
        status, problem = 0, f"no answer within {limit:g} s"
    except OSError as error:
        status, problem = 0, error.strerror or type(error).__name__
    return Reply(status=status, seconds=time.monotonic() - began, problem=problem)


def _exchange(url: str, headers: dict[str, str], body: bytes, deadline: float) -> int:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = [
        f"POST {target} HTTP/1.1",
        f"Host: {parts.netloc}",
        *(f"{name}: {value}" for name, value in headers.items()),
        f"Content-Length: {len(body)}",
        "Connection: close",
        "\r\n",
    ]
    with socket.create_connection((host, port), timeout=_left(deadline)) as connection:
        connection.settimeout(_left(deadline))
        connection.sendall("\r\n".join(lines).encode("latin-1") + body)
        head = b""
        while b"\r\n\r\n" not in head and len(head) < _HEAD_LIMIT:
            connection.settimeout(_left(deadline))
            more = connection.recv(4096)
            if not more:
                break
            head += more
    words = head.split(b"\r\n", 1)[0].split()
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        return 0
    return int(words[1])


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
