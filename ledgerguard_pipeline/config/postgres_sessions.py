"""What every connection to PostgreSQL asks for, so that neither end waits for one that is gone.

A host that loses power, or a network that is cut, says no goodbye. Left to the system, a client
waits a quarter of an hour for the answer of a server that failed over, and a server keeps the locks
of a client that is gone for more than two hours. PostgreSQL, "Connection Strings" (keepalives and
``tcp_user_timeout``) and "TCP Settings"; on Unix sockets and on systems without them they do nothing.

Decision 108 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Mapping

CONNECT_SECONDS = 10

_CLIENT = {
    "connect_timeout": str(CONNECT_SECONDS),
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    # In milliseconds: what was sent and is not acknowledged by then was sent to nobody.
    "tcp_user_timeout": "15000",
}
_SERVER = {
    "tcp_keepalives_idle": "60",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}


def session_parameters(
    given: Mapping[str, str],
    *,
    proposed: Mapping[str, str] | None = None,
    settled: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Libpq's parameters of a connection: those ``given`` in an address and ours beside them.

    What an address names counts before ours. The same goes for settings of the session, except that
    ``settled`` ones are as they are said here; ``proposed`` are further ones that an address may change.
    """
    found = _CLIENT | dict(given)
    # PostgreSQL takes the last of several.
    parts = (
        _options(_SERVER | dict(proposed or {})),
        given.get("options", ""),
        _options(settled or {}),
    )
    found["options"] = " ".join(part for part in parts if part)
    return found


def _options(settings: Mapping[str, str]) -> str:
    return " ".join(
        f"-c{name}={value.replace(' ', chr(92) + ' ')}" for name, value in settings.items()
    )
