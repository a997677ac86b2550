"""Where figures are written down: ``docs/performance.md``, each set between delimiters of its own."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.environments import ROOT

_DOCUMENT = ROOT / "docs" / "performance.md"


def write_down(sync_states: str, command: str, tables: Sequence[str]) -> None:
    """Replace what stands between these delimiters by tables, with where they were measured."""
    begin, end = f"<!-- {sync_states}: begin -->", f"<!-- {sync_states}: end -->"
    text = _DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    where = (
        f"Measured on {datetime.now(UTC):%Y-%m-%d} with `{command}`: {os.cpu_count()} cores"
        f"{_processor()}, Python {platform.python_version()}."
    )
    found = "\n\n".join((where, *tables))
    _DOCUMENT.write_text(f"{before}{begin}\n{found}\n{end}{after}", encoding="utf-8")


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.exists():
        for line in listing.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return f" of {value.strip()}"
    return ""
