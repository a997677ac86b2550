"""Does deeds in children of its own and says how each child ended: ``python -m ... mortal``.

Everything is imported once, and each child is forked from there: killing a process that was started
anew for every crash point would cost seconds apiece.
"""

from __future__ import annotations

import json
import os
import sys
import traceback

import pyarrow.dataset  # noqa: F401  # DuckDB imports it with the first frame

from ledgerguard_pipeline.late_imports import import_for_binding
from ledgerguard_pipeline_tests.crashes.deeds import DEEDS


def main() -> None:
    """Read orders from standard input, one JSON object a line, and answer each with a wait status."""
    import_for_binding()
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _live(order["variables"], order["deed"], order["arguments"])
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _live(variables: dict[str, str], deed: str, arguments: list[str]) -> None:
    # What the deed prints is no answer to an order.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    os.environ.update(variables)
    code = 1
    try:
        DEEDS[deed](*arguments)
        code = 0
    except BaseException:  # whatever it is, the test reads it
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
