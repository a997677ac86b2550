"""What can be said of an address without asking anybody."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit


def is_loopback(host: str | None) -> bool:
    """True for localhost and the loopback addresses, the only hosts plain http may reach."""
    if host is None:
        return False
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def web_address(public_url: str | None, redirect_uri: str) -> str:
    """Where people reach the web edge; by default where Intuit sends them."""
    parts = urlsplit(redirect_uri)
    return public_url or f"{parts.scheme}://{parts.netloc}"


def any_url(value: str | None) -> str | None:
    """An address without the slash at its end.

    Raises:
        ValueError: it is no http(s) URL.
    """
    if value is None:
        return None
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it must be an http(s) URL")
    return value.rstrip("/")


def secure_url(value: str | None) -> str | None:
    """The same; plain http for loopback hosts only.

    Raises:
        ValueError: it is no such URL.
    """
    found = any_url(value)
    if found is not None:
        parts = urlsplit(found)
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError(
                "plain http is accepted for loopback hosts only; use https, or tokens would "
                "travel unencrypted"
            )
    return found


def port_fits(parts: SplitResult) -> bool:
    """Whether its port is a number that a port can have."""
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False
