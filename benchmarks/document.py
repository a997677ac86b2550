"""Where figures are written down: pages of ``docs``, each set between delimiters of its own."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.environments import ROOT

_DOCS = ROOT / "docs"


def write_down(
    name: str, command: str, tables: Sequence[str], page: str = "performance.md"
) -> None:
    """Replace what stands between the delimiters of that name by tables, with where they are from.

    Raises:
        LookupError: the page has no such delimiters.
    """
    document = _DOCS / page
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    text = document.read_text(encoding="utf-8")
    if begin not in text or end not in text:
        raise LookupError(f"docs/{page} has no figures called {name!r}")
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    where = (
        f"Measured on {datetime.now(UTC):%Y-%m-%d} with `{command}`: {os.cpu_count()} cores"
        f"{_processor()}, Python {platform.python_version()}."
    )
    found = "\n\n".join((where, *tables))
    document.write_text(f"{before}{begin}\n{found}\n{end}{after}", encoding="utf-8")


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return f" of {value.strip()}"
    return ""
