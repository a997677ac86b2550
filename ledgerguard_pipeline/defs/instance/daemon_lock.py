"""One Dagster daemon per home.

Two daemons on one home launch every schedule twice and hand the same webhook events to two runs.
Dagster notices that by heartbeats, after minutes and in a log. Here the second one does not start:
a daemon locks a file in its home when it opens the storage, until it ends in whatever way.
"""

import fcntl
import os
import sys
from pathlib import Path

from ledgerguard_pipeline.errors import ConfigurationError

FILE = "daemon.lock"

_held: dict[Path, int] = {}


def hold_daemon_lock(home: Path) -> None:
    """Take the lock if this process is a daemon; others never take it.

    Raises:
        ConfigurationError: another daemon has it; with its process id.
    """
    if not is_daemon(sys.argv) or home in _held:
        return
    handle = os.open(home / FILE, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        other = os.read(handle, 20).decode("ascii", "replace").strip()
        os.close(handle)
        raise ConfigurationError(
            f"A Dagster daemon is already running in {home}: process {other}. Stop it, or use the one "
            "that runs; two would launch every schedule twice."
        ) from None
    os.ftruncate(handle, 0)
    os.write(handle, str(os.getpid()).encode())
    _held[home] = handle


def daemon_of(home: Path) -> int | None:
    """The process id of the daemon that runs in this Dagster home, or None."""
    try:
        with (home / FILE).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                text = file.read(20)
                return int(text) if text.isdigit() else 0
    except OSError:
        pass
    return None


def is_daemon(arguments: list[str]) -> bool:
    """Whether a command line is that of a daemon: ``dagster-daemon run``, also with ``-m``."""
    if len(arguments) < 2 or arguments[1] != "run":
        return False
    program = Path(arguments[0])
    return program.name == "dagster-daemon" or program.parent.name == "_daemon"
