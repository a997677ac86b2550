"""What is imported only when it is certain to be used, and what other packages need not import at all.

DuckDB imports pandas when a value is bound for the first time, to know its missing values; rows go
through Arrow; structlog imports rich's tracebacks. Each takes as long as a small command works.

Decision 94 in docs/decisions.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def sparing(name: str) -> Iterator[None]:
    """Inside the block a package counts as not installed, unless it is imported already.

    For the beginning of a process of our own: what other threads import meanwhile does not find it
    either. Afterwards whoever needs it imports it as usual.
    """
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # so does Python's documentation of imports
    try:
        yield
    finally:
        if _is_spared(name):
            del sys.modules[name]


def _is_spared(name: str) -> bool:
    return name in sys.modules and sys.modules[name] is None


def import_for_binding() -> None:
    """What DuckDB imports at the first bound value; that second must not be spent holding the file.

    Readers call it too, unless they bind nothing: a command with one question has no second to lose.
    """
    if not _is_spared("pandas"):
        import pandas as pd  # noqa: F401


def import_for_rows() -> None:
    """What rows are written with, into Bronze and into what is made from it."""
    import_for_binding()
    import pyarrow.compute
    import pyarrow.json  # noqa: F401
