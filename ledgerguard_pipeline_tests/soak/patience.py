"""How long a backlog is waited for: as long as there is less of it now and then."""

from __future__ import annotations

import time
from collections.abc import Callable

STILL_SECONDS = 400.0
"""A backlog that did not shrink for that long is not worked on."""
LONGEST_SECONDS = 1_800.0


def outlast(
    backlog: Callable[[], int],
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Whether ``backlog`` came to nothing; a busy machine has half an hour, if it gets on at all."""
    began = shrank = monotonic()
    fewest = None
    while (now := monotonic()) < min(shrank + STILL_SECONDS, began + LONGEST_SECONDS):
        left = backlog()
        if not left:
            return True
        if fewest is None or left < fewest:
            fewest, shrank = left, now
        sleep(0.5)
    return False
