"""Bronze: every version of every object, byte for byte as Intuit sent it."""

from __future__ import annotations

from ledgerguard_pipeline.bronze.loads import (
    Answer,
    Load,
    LoadOutcome,
    LoadRecord,
    StoredVersion,
    Walk,
    WalkStep,
)
from ledgerguard_pipeline.bronze.statements import VERSION_COLUMNS, Column
from ledgerguard_pipeline.bronze.store import BronzeStore

__all__ = [
    "VERSION_COLUMNS",
    "Answer",
    "BronzeStore",
    "Column",
    "Load",
    "LoadOutcome",
    "LoadRecord",
    "StoredVersion",
    "Walk",
    "WalkStep",
]
