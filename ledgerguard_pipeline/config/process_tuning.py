"""How a process that loads books holds its memory: Python's cycle collector and C's allocator."""

from __future__ import annotations

import ctypes
import gc
import os

_M_ARENA_MAX = -8
_ARENAS = 2
LONG_LIVED = {
    "MALLOC_ARENA_MAX": str(_ARENAS),
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "131072",
}
"""Variables of processes that live for months, as web edge, code server and daemon.

Dagster's daemon begins a pool of threads for every round of ticks and reads all definitions each
minute, some megabytes of text and 20 MB of objects. glibc gives each thread an arena of its own, and
raises the size from which a buffer is returned to the system as soon as a large one is freed; so what
came and went was scattered over ever more memory. With few arenas and that size kept small it stops
growing after some minutes (``python -m ledgerguard_pipeline_tests.soak --minutes 30``). Sources: mallopt(3).
"""

ARROW_ALLOCATOR = ("ARROW_DEFAULT_MEMORY_POOL", "system")
"""The variable, and its value, by which Arrow shares C's allocator; read when pyarrow is imported."""

_USUAL_CYCLES = (700, 10, 10)
"""CPython's own."""


def prepare_to_serve() -> None:
    """Let a process that answers for months look for cycles of objects as often as any other.

    Commands look so rarely that a small one never does. Answering a request leaves some hundred objects
    in cycles, and what one page leaves is 50 kB: the edge would grow by tens of megabytes between two
    looks. What is there by now stays, and is never looked at.
    """
    gc.freeze()
    gc.set_threshold(*_USUAL_CYCLES)


def prepare_for_loads() -> None:
    """Make a long load cheap in time and flat in memory; may be called any number of times.

    The cycle collector runs rarely: a load makes records by the ten thousand, none of which form
    cycles, and scanning them again and again costs a tenth of its time.

    glibc gives threads arenas of their own (eight a core) and gives back little of what each once
    held. Pages are parsed by a pool of threads, so half of the peak of a long walk was such free
    memory; with two arenas a walk of a million rows peaks about 30 MB lower and takes no longer.
    Other C libraries have no such setting and need none. Arrow brings an allocator of its own, which
    keeps what it freed where nobody else can use it, some 50 MB of a first load; it takes C's instead,
    if it was not imported before. Source: Arrow's documentation of ``ARROW_DEFAULT_MEMORY_POOL``.
    """
    os.environ.setdefault(*ARROW_ALLOCATOR)
    young, middle, old = gc.get_threshold()
    gc.set_threshold(max(young, 50_000), max(middle, 20), max(old, 100))
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    mallopt(_M_ARENA_MAX, _ARENAS)
