"""The ``ledgerguard`` command: one file per group of verbs, nothing heavy imported at start."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import threading
from collections.abc import Sequence

_YOUNG = 200_000
"""Objects after which Python looks for cycles; imports make many objects and hardly a cycle.

That is more than a small command makes: looking took a tenth of its time.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 something failed, 2 bad input or configuration."""
    gc.set_threshold(_YOUNG, 10, 50)
    from ledgerguard_pipeline.cli.streams import prepare

    prepare()
    from ledgerguard_pipeline.cli.app import run

    _leave(run(list(sys.argv[1:] if arguments is None else arguments)))


def _leave(code: int) -> None:
    """End the process without taking its modules apart, which takes longer than some commands.

    What is registered for the end of the process still runs, and threads at work are waited for.
    """
    others = [each for each in threading.enumerate() if each is not threading.main_thread()]
    if any(not each.daemon for each in others):
        sys.exit(code)
    atexit._run_exitfuncs()  # noqa: SLF001  # as Python does at its end
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)
