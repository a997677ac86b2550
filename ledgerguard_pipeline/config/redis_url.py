"""The address of a Redis server: checked once at the edge, shown without its password.

Plain ``redis://`` is taken for this machine only. Tokens are sealed before they leave the
process, but the password of Redis would travel in clear, and with it anybody on the way could
delete grants or lift the limits. Where the network itself is private (containers of one host, a
tunnel) the address says so: ``redis://redis:6379/0?tls=off``.

Decision 28 in docs/decisions.md.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit

_SCHEMES = ("redis", "rediss", "unix")
_OPTIONS = frozenset(
    {"db", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"}
)
_UNCHECKED = frozenset({"none", "cert_none", "0", "false", "no", "n"})


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where a Redis server is; ``shown`` is safe to print."""

    url: str = field(repr=False)
    shown: str
    in_clear: bool
    """True where somebody between here and there could read the password."""


def redis_address(url: str) -> RedisAddress:
    """Check an address.

    Raises:
        ValueError: one sentence without the address in it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(_FORM) from None
    if parts.scheme not in _SCHEMES or parts.fragment:
        raise ValueError(_FORM)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    tls_off = options.pop("tls", None) if parts.scheme == "redis" else None
    if tls_off not in (None, "off"):
        raise ValueError("tls can only be `off` there; rediss:// turns it on")
    unknown = sorted(set(options) - _OPTIONS)
    if unknown:
        raise ValueError(f"{', '.join(unknown)} is not an option of it")
    database = options.get("db") or ("" if parts.scheme == "unix" else parts.path.strip("/"))
    if database and not database.isdecimal():
        raise ValueError(
            "the database after the host must be a number, such as redis://host:6379/0"
        )
    if parts.scheme == "unix":
        if not parts.path.startswith("/"):
            raise ValueError(_FORM)
        chosen = f"?db={database}" if database else ""
        return RedisAddress(url, f"unix://{parts.path}{chosen}", in_clear=False)
    if not parts.hostname:
        raise ValueError(_FORM)
    away = not _here(parts.hostname)
    if away:
        _refuse_listeners(parts.scheme, options, allowed=tls_off is not None)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    shown = f"{parts.scheme}://{host}:{port or 6379}/{database or 0}"
    kept = parts._replace(query=urlencode(options)).geturl()
    return RedisAddress(kept, shown, in_clear=parts.scheme == "redis" and away)


def _refuse_listeners(scheme: str, options: dict[str, str], *, allowed: bool) -> None:
    if scheme == "redis" and not allowed:
        raise ValueError(
            "plain redis:// is accepted for loopback hosts only; use rediss://, or add ?tls=off "
            "where the network between is private"
        )
    checks = (options.get("ssl_cert_reqs", ""), options.get("ssl_check_hostname", ""))
    if any(each.lower() in _UNCHECKED for each in checks):
        raise ValueError("the certificate of a server beyond this machine has to be checked")


_FORM = "it must look like rediss://user:password@host:6379/0, redis://localhost or unix:///socket"


def _here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
