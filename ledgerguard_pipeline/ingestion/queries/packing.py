"""Filling batches: as few calls as possible, each below what Intuit hands out in one answer.

Whether the ceiling of 1000 objects holds per item of a batch or per answer is not documented; filled
this way it does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from ledgerguard_pipeline.qbo.intuit_limits import MAX_BATCH, ROWS_PER_BATCH

T = TypeVar("T")


def packed(items: Sequence[T], rows: Callable[[T], int]) -> list[list[T]]:
    """The items in batches, first fit, largest first; ``rows`` is how many an item may bring.

    An item that alone exceeds a batch gets one of its own.
    """
    batches: list[tuple[int, list[T]]] = []
    for weight, item in sorted(((rows(item), item) for item in items), key=lambda each: -each[0]):
        for at, (filled, members) in enumerate(batches):
            if filled + weight <= ROWS_PER_BATCH and len(members) < MAX_BATCH:
                members.append(item)
                batches[at] = (filled + weight, members)
                break
        else:
            batches.append((weight, [item]))
    return [members for _, members in batches]
