"""Who is asking: what a request says of itself, read once by the guard."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request

_STATE = "visitor"
_OF_PROXIES = (
    "forwarded",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
)
"""What proxies add on their own (RFC 7239, RFC 9110 7.6.3, and what was usual before)."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """A request's origin. ``host`` is the name it was sent to, without the port."""

    client: str
    host: str | None
    https: bool
    token_shown: bool
    """True if it carried the right admin token in a bearer header, which no page can forge."""
    cookies: str = field(default="", repr=False)

    @classmethod
    def of(cls, request: Request) -> Visitor:
        """The visitor the guard let in."""
        visitor: Visitor = getattr(request.state, _STATE)
        return visitor

    def remember(self, scope: Any) -> None:
        """Keep it with the request."""
        scope.setdefault("state", {})[_STATE] = self


def host_of(header: str) -> str | None:
    """The name in a ``Host`` header; None if it holds none."""
    try:
        return urlsplit(f"//{header}").hostname
    except ValueError:
        return None


def reads_pages(request: Request) -> bool:
    """True for a browser that wants to show the answer, not for a program."""
    return "text/html" in request.headers.get("accept", "")


def proxied(request: Request) -> bool:
    """True if something passed the request on, whatever name it now bears.

    Several proxies put their own target, which is loopback, in place of ``Host``: Apache and rewriting
    tunnels do and add headers that show it, nginx does and speaks HTTP/1.0, which no browser does.
    """
    return request.scope.get("http_version") == "1.0" or any(
        name in request.headers for name in _OF_PROXIES
    )
