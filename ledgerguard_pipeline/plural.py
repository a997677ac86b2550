"""Numbers with their nouns, as people write them."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """``1 event``, ``2 events``, ``1,234 entities``; ``plural`` where it is not just an s."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
