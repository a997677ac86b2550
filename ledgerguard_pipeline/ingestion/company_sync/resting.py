"""Watermarks of idle companies that stay where they are for some hours.

A sweep that finds nothing new in a company would write nothing but its forty watermarks, and open
Bronze for that. Reading goes on where the stored ones are, at no more calls, so nothing is missed;
that the company is up to date is in its sync states.

Decision 92 in docs/decisions.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from ledgerguard_pipeline.ingestion.company_sync.entity_load import EntityLoad
from ledgerguard_pipeline.ingestion.readers.base import Chunk

LONGEST = timedelta(hours=6)
"""How old the watermarks in Bronze of an idle company may be before a sweep moves them."""


def rested(
    group: Sequence[tuple[EntityLoad, Chunk]], watermarks: Mapping[str, datetime], now: datetime
) -> bool:
    """Confirm these loads instead of committing their chunks, if that would only move watermarks.

    False, and nothing done, where it would not, or the watermarks rested for long enough;
    ``watermarks`` are Bronze's, by entity name.
    """
    since = now - LONGEST
    for load, chunk in group:
        if not (chunk.bare and load.untouched and watermarks.get(load.name, since) > since):
            return False
    for load, chunk in group:
        load.confirmed(chunk)
    return True
