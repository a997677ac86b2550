"""What pydantic says of a value it refuses, in the words of people."""

from __future__ import annotations

import re

_PLAINER = (
    (re.compile(r"\bValue error, "), ""),
    (
        re.compile(r"Input should be a valid (?:integer|whole number)\b.*"),
        "it has to be a whole number",
    ),
    (re.compile(r"Input should be a valid number\b.*"), "it has to be a number"),
    (
        re.compile(r"Input should be a valid date or datetime\b.*"),
        "it has to be a date as in 2026-01-31",
    ),
    (re.compile(r"Input should be greater than or equal to "), "it has to be at least "),
    (re.compile(r"Input should be less than or equal to "), "it has to be at most "),
    (re.compile(r"Input should be "), "it has to be "),
)


def plain(refusal: str) -> str:
    """The same refusal for people who never heard of pydantic."""
    for theirs, ours in _PLAINER:
        refusal = theirs.sub(ours, refusal)
    return refusal
