"""Ends what ``ledgerguard up`` started when ``up`` itself was killed and cannot do it any more.

Runs as a process of its own with the standard library only. Its standard input is a pipe that only
``up`` holds: process groups are named there, a line each, and ``done`` when they have ended. If the
pipe ends without that word, whoever held it is dead.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress

DONE = "done"
_PAUSE_SECONDS = 0.1


def main(grace_seconds: float) -> None:
    """Wait for the end of the pipe; SIGTERM to every group then, newest first, and SIGKILL."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: list[int] = []
    for line in sys.stdin:
        if line.strip() == DONE:
            return
        groups.append(int(line))
    for group in reversed(groups):
        send(group, signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while time.monotonic() < deadline and any(lives(group) for group in groups):
        time.sleep(_PAUSE_SECONDS)
    for group in reversed(groups):
        send(group, signal.SIGKILL)


def send(group: int, number: signal.Signals) -> None:
    """Signal a process group that may have ended."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def lives(group: int) -> bool:
    """Whether any process of the group is left."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    main(float(sys.argv[1]))
