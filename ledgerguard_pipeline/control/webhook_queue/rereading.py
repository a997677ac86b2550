"""What becomes of the unreadable parts of a delivery that is read again.

A part that still cannot be read keeps its row, and with it its number and what somebody decided
about it. Rows of 0.1.0 have keys that count the unreadable parts of their delivery, so these are
known by their text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping

from ledgerguard_pipeline.change_events import Unreadable
from ledgerguard_pipeline.control.webhook_queue.queued_event import EventStatus


@dataclass(frozen=True, slots=True)
class Reread:
    """``queued`` events were found; of the parts asked for, ``parts`` can be read now."""

    queued: int
    parts: int


def row_text(part: Unreadable) -> str:
    """The reason a row gives for an unreadable part."""
    return f"{part.reason}: {part.excerpt}"


def sorted_out(
    rows: Sequence[RowMapping], parts: Sequence[Unreadable]
) -> tuple[list[int], list[Unreadable]]:
    """Numbers of parked rows whose part can be read by now, and parts that have no row yet."""
    known = {row["event_key"] for row in rows}
    new = [part for part in parts if part.key not in known]
    keys = {part.key for part in parts}
    readable: list[int] = []
    settled = 0
    for row in rows:
        if row["event_key"] in keys:
            continue
        if row["status"] != EventStatus.PARKED.value:
            settled += 1
            continue
        same = next((part for part in new if row["reason"].endswith(f": {part.excerpt}")), None)
        if same is None:
            readable.append(row["seq"])
        else:
            new.remove(same)
    # What was dismissed no longer tells which part it was: it is not to come back as another one.
    return readable, new[settled:]
