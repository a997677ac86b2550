"""What a piece of work passes through: product files, functions, and openings of the stores."""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType

import ledgerguard_pipeline

PACKAGE = Path(ledgerguard_pipeline.__file__).parent
APART = ("silver",)
"""Rooms of a later step, whose files are counted by themselves."""
_NOT_OURS = ("sandbox",)
_INLINED = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})
"""Functions to some Pythons and none to others."""

OPENINGS = {
    "control plane": ("control/plane.py", "ControlPlane.open"),
    "Bronze": ("bronze/backends/duckdb_file.py", "BronzeFile._open"),
    "key file": ("control/tokens/keyfile.py", "read_keys"),
}


@dataclass
class Trace:
    """Calls of the product's own functions, by file below the package."""

    calls: dict[CodeType, int] = field(default_factory=dict)

    @property
    def functions(self) -> set[tuple[str, str]]:
        """File and name of each function entered."""
        return {(name, code.co_qualname) for code in self.calls if (name := _product_file(code))}

    @property
    def files(self) -> list[str]:
        """Files entered, without those of the rooms that are counted apart."""
        return sorted({name for name, _ in self.functions if name.split("/")[0] not in APART})

    @property
    def files_apart(self) -> list[str]:
        """Files entered of the rooms that are counted apart."""
        return sorted({name for name, _ in self.functions if name.split("/")[0] in APART})

    @property
    def openings(self) -> dict[str, int]:
        """How often each store was opened."""
        counted = dict.fromkeys(OPENINGS, 0)
        for code, calls in self.calls.items():
            found = (_product_file(code), code.co_qualname)
            for store, function in OPENINGS.items():
                counted[store] += calls if function == found else 0
        return counted


@contextmanager
def traced() -> Iterator[Trace]:
    """Note every call made by this thread, and by threads it starts, inside the block.

    Bodies of modules and classes are no calls: what is imported for the first time inside the
    block does not count, so the work should have been done once before.
    """
    trace = Trace()
    calls = trace.calls

    def note(frame: FrameType, event: str, _argument: object) -> None:
        if event == "call" and frame.f_code.co_flags & inspect.CO_OPTIMIZED:
            calls[frame.f_code] = calls.get(frame.f_code, 0) + 1

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield trace
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def _product_file(code: CodeType) -> str | None:
    path = Path(code.co_filename)
    if code.co_name in _INLINED or not path.is_relative_to(PACKAGE):
        return None
    name = path.relative_to(PACKAGE).as_posix()
    return None if name.split("/")[0] in _NOT_OURS else name
