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

_HOST, _PORT = "_SERVICE_HOST", "_SERVICE_PORT"
_ASSIGNMENT = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class UnknownVariable:
    """A name without a meaning, and the setting that is spelt most like it, if any is."""

    name: str
    nearest: str | None
    misplaced: bool = False
    """It means something, but in the environment and not in ``.env``."""

    def __str__(self) -> str:
        if self.misplaced:
            return f"{self.name} has no effect in .env; set it in the environment of the process."
        meant = "" if self.nearest is None else f" Did you mean {self.nearest}?"
        return f"{self.name} is no setting and has no effect.{meant}"


def unknown_variables(
    environment: Mapping[str, str] | None = None, file: Path = Path(".env")
) -> list[UnknownVariable]:
    """Those of the environment and of the ``.env`` of the working folder, by name."""
    known = {name.upper() for name in Settings.model_fields}
    process = dict(os.environ if environment is None else environment)
    written = set(_names_in(file))
    unknown = [
        UnknownVariable(name, _nearest(name.upper(), known.union(_ELSEWHERE)))
        for name in {*process, *written} - _of_services(process)
        if name.upper().startswith(_PREFIXES) and name.upper() not in known.union(_ELSEWHERE)
    ]
    misplaced = written.intersection(_ELSEWHERE) - process.keys()
    unknown += [UnknownVariable(name, None, misplaced=True) for name in misplaced]
    return sorted(unknown, key=lambda each: each.name)


def _of_services(process: Mapping[str, str]) -> set[str]:
    """What Kubernetes tells every pod of a service such as ``ledgerguard-web``."""
    services = [
        name.removesuffix(_HOST)
        for name in process
        if name.endswith(_HOST) and name.removesuffix(_HOST) + _PORT in process
    ]
    return {
        name
        for name in process
        if any(name.startswith((f"{each}_SERVICE_", f"{each}_PORT")) for each in services)
    }


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
