"""Variables that are named like settings and are none, as a slip of the pen makes them.

Without a warning such a variable has no effect, and nobody learns why.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from ledgerguard_pipeline.config.settings import Settings

_PREFIXES = ("LEDGERGUARD_", "INTUIT_")
_ELSEWHERE = ("LEDGERGUARD_LOG_LEVEL", "LEDGERGUARD_DEBUG", "LEDGERGUARD_CRASH_AT")
"""Read where they are needed: they are about a process and not about an installation."""

_ASSIGNMENT = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class UnknownVariable:
    """A name without a meaning, and the setting that is spelt most like it, if any is."""

    name: str
    nearest: str | None

    def __str__(self) -> str:
        meant = "" if self.nearest is None else f" Did you mean {self.nearest}?"
        return f"{self.name} is no setting and has no effect.{meant}"


def unknown_variables(
    environment: Mapping[str, str] | None = None, file: Path = Path(".env")
) -> list[UnknownVariable]:
    """Those of the environment and of the ``.env`` of the working folder, by name."""
    known = {name.upper() for name in Settings.model_fields}.union(_ELSEWHERE)
    given = {*(os.environ if environment is None else environment), *_names_in(file)}
    return [
        UnknownVariable(name, _nearest(name.upper(), known))
        for name in sorted(given)
        if name.upper().startswith(_PREFIXES) and name.upper() not in known
    ]


def _nearest(name: str, known: set[str]) -> str | None:
    """Compared without what all names have in common."""
    ends = {each.partition("_")[2]: each for each in sorted(known)}
    found = get_close_matches(name.partition("_")[2], ends, n=1)
    return ends[found[0]] if found else None


def _names_in(file: Path) -> Iterator[str]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return
    for match in _ASSIGNMENT.finditer(text):
        yield match.group(1)
