"""What can be said of an address without asking anybody."""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult


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


def port_fits(parts: SplitResult) -> bool:
    """Whether its port is a number that a port can have."""
    try:
        return parts.port is None or parts.port > 0
    except ValueError:
        return False
