"""The request for a sync: which company, which entities, how far back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ledgerguard_pipeline.entities import EntityType
from ledgerguard_pipeline.values import RealmId


@dataclass(frozen=True, slots=True)
class Window:
    """A span of LastUpdatedTime to read again, start inclusive, end exclusive; None is open."""

    start: datetime | None
    end: datetime | None


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """One company's sync.

    Without ``full``, ``since`` or ``window`` every entity is brought up to date from its own
    watermark. ``full`` walks everything; ``since`` re-reads changes from that instant on;
    ``window`` heals a span of the past without moving any watermark, or, open to the right, reads
    everything again from its start on; ``reconcile`` compares Intuit's counts with Bronze first and
    reads only the types that differ. ``quiet`` leaves no
    row in ``_loads`` for an entity that brought nothing: right where thousands are idle.
    """

    realm_id: RealmId
    entities: tuple[EntityType, ...]
    full: bool = False
    since: datetime | None = None
    window: Window | None = None
    run_id: str | None = None
    reconcile: bool = False
    quiet: bool = False
