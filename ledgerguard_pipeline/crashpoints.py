"""Named places where a test can kill the process.

``crashpoint("after_token_response")`` does nothing unless the environment variable
``LEDGERGUARD_CRASH_AT`` names that point (``name`` or ``name:N`` for the Nth passage); then the
process gets SIGKILL, as a power cut would. Each name stands at one point of the source: the crash
suite reads the names there and kills a process at every one, so a new point cannot be forgotten.
"""

from __future__ import annotations

import os
import signal
import threading

_lock = threading.Lock()
_passages: dict[str, int] = {}


def crashpoint(name: str) -> None:
    """Die here if this point is armed."""
    armed = os.environ.get("LEDGERGUARD_CRASH_AT")
    if not armed:
        return
    wanted, _, nth = armed.partition(":")
    if wanted != name:
        return
    with _lock:
        _passages[name] = _passages.get(name, 0) + 1
        due = _passages[name] >= int(nth or "1")
    if due:
        os.kill(os.getpid(), signal.SIGKILL)
