"""Numbers and lists as written in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

NAMED = 5
"""Entities a sentence names; status and page list all."""


def span(seconds: float) -> str:
    """A length of time in its largest unit."""
    for size, name in ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} seconds"


def names(entities: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    shown = ", ".join(entities[:NAMED])
    more = len(entities) - NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def some_of(entities: Sequence[str]) -> str:
    """Their names, or how many they are with the first ones."""
    if len(entities) <= NAMED:
        return names(entities)
    return f"{len(entities)} entity types ({names(entities)})"


def were(entities: Sequence[str]) -> str:
    """The verb that fits to so many."""
    return "was" if len(entities) == 1 else "were"


def is_or_are(count: int) -> str:
    """The verb that fits to so many now."""
    return "is" if count == 1 else "are"
