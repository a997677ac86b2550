"""Free ports, and waiting until a server answers on one."""

from __future__ import annotations

import socket
from collections.abc import Callable

from ledgerguard_pipeline.clock import SYSTEM_CLOCK, Clock
from ledgerguard_pipeline.errors import BadInputError, LedgerGuardError

_POLL_SECONDS = 0.15


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
    if len(taken) == 1:
        listed, them = f"Port {ports[taken[0]]} for the {taken[0]} is", "it"
    else:
        named = " and ".join(f"{ports[what]} for the {what}" for what in taken)
        listed, them = f"Ports {named} are", "them"
    others = " ".join(f"--{what.replace(' ', '-')}-port {free_port()}" for what in taken)
    raise BadInputError(f"{listed} in use. Stop what uses {them}, or choose others: {others}.")


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
