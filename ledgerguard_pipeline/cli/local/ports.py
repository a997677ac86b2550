"""Free ports, and waiting until a server answers on one."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.errors import BadInputError, LedgerGuardError

_POLL_SECONDS = 0.15
_NEAR = 20
_LAST_PORT = 65535


def require_free(ports: dict[str, int]) -> None:
    """Check that nothing listens on these ports yet (``what`` → port).

    Raises:
        BadInputError: some are taken, or two servers were given the same.
    """
    if len(set(ports.values())) < len(ports):
        listed = ", ".join(f"{what} {port}" for what, port in ports.items())
        raise BadInputError(f"Every server needs its own port, but got {listed}.")
    taken = [what for what, port in ports.items() if not _is_free(port)]
    if not taken:
        return
    named = [f"{ports[what]} ({what.replace('dagster', 'Dagster')})" for what in taken]
    if len(taken) == 1:
        listed, them, other = f"Port {named[0]} is", "it", "another"
    else:
        listed, them = f"Ports {', '.join(named[:-1])} and {named[-1]} are", "them"
        other = "others"
    chosen = set(ports.values())
    options = []
    for what in taken:
        near = _free_near(ports[what], chosen)
        chosen.add(near)
        options.append(f"--{what}-port {near}")
    others = " ".join(options)
    if os.environ.get("MAKELEVEL"):
        others = f'make up ARGS="{others}"'
    raise BadInputError(f"{listed} in use. Stop what uses {them}, or choose {other}: {others}")


def _free_near(port: int, chosen: set[int]) -> int:
    """A free port that is easily remembered: one of the next few, if any of them is free."""
    following = range(port + 1, min(port + _NEAR, _LAST_PORT) + 1)
    return next((each for each in following if each not in chosen and _is_free(each)), free_port())


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A loopback port nobody listens on right now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_answering(
    url: str,
    what: str,
    *,
    seconds: float,
    still_running: Callable[[], None],
    clock: Clock = SYSTEM_CLOCK,
) -> None:
    """Return when ``url`` answers with anything below 500.

    ``still_running`` is called between attempts and raises if waiting has become pointless.

    Raises:
        LedgerGuardError: no answer within ``seconds``.
    """
    _wait(lambda: _answers(url), f"{what} server at {url}", seconds, still_running, clock)


def wait_until_listening(
    port: int,
    what: str,
    *,
    seconds: float,
    still_running: Callable[[], None],
    clock: Clock = SYSTEM_CLOCK,
) -> None:
    """Return when a loopback port takes connections; as ``wait_until_answering`` otherwise."""
    _wait(lambda: _listens(port), f"{what} server on port {port}", seconds, still_running, clock)


def _wait(
    ready: Callable[[], bool],
    what: str,
    seconds: float,
    still_running: Callable[[], None],
    clock: Clock,
) -> None:
    deadline = clock.monotonic() + seconds
    while not ready():
        still_running()
        if clock.monotonic() > deadline:
            raise LedgerGuardError(
                f"The {what} did not answer within {seconds:.0f} seconds; its log says why."
            )
        clock.sleep(_POLL_SECONDS)


def _listens(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _answers(url: str) -> bool:
    from urllib.error import HTTPError, URLError
    from urllib.request import ProxyHandler, build_opener

    try:
        with build_opener(ProxyHandler({})).open(url, timeout=5):
            return True
    except HTTPError as error:
        with error:
            return error.code < 500
    except (URLError, OSError):
        return False
