"""Time literals of the query language and of ``changedSince``: fewer forms than ISO 8601 has."""

from __future__ import annotations

import re

from ledgerguard_pipeline.sandbox.books.pacific_time import read_time

_FORM = re.compile(r"\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)?", re.ASCII)


def read_literal(text: str) -> float:
    """Epoch seconds; a bare date is its midnight, and without an offset Pacific time is meant.

    Raises:
        ValueError: it is none of the documented forms, or no date of the calendar.
    """
    if _FORM.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no date or time")
    return read_time(text)
