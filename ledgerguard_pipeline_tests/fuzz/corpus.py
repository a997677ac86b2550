"""The corpus: inputs worth remembering, for each target, in files that people can read.

A line is a JSON object: ``why`` it is there, and the ``input`` as a text whose characters are its
bytes, or as a list of texts with how often each is repeated. The published reports of Intuit belong
to the corpus of reports as they are.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ledgerguard_pipeline_tests.reports.samples import FOLDER, bytes_of

_FOLDER = Path(__file__).with_name("corpus")


@dataclass(frozen=True, slots=True)
class Entry:
    """One input, and what it is remembered for."""

    why: str
    data: bytes


@cache
def corpus(target: str) -> tuple[Entry, ...]:
    """Everything that is remembered for a target."""
    lines = _file(target).read_text(encoding="utf-8").splitlines()
    read = [json.loads(line) for line in lines]
    kept = [Entry(each["why"], _bytes_of(each["input"])) for each in read]
    if target == "reports":
        names = sorted(path.stem for path in FOLDER.iterdir() if path.suffix != ".md")
        kept += [Entry(f"published: {name}", bytes_of(name)) for name in names]
    return tuple(kept)


def remember(target: str, why: str, data: bytes) -> None:
    """Add an input to a target's corpus."""
    line = json.dumps({"why": why, "input": data.decode("latin-1")})
    with _file(target).open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")


def _file(target: str) -> Path:
    return _FOLDER / f"{target}.jsonl"


def _bytes_of(given: str | list[tuple[str, int]]) -> bytes:
    parts = [(given, 1)] if isinstance(given, str) else given
    return "".join(text * times for text, times in parts).encode("latin-1")
