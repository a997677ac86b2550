"""What one kind of store does its own way; what they share is in ``conformance``."""

from __future__ import annotations

from ledgerguard_pipeline_tests.stores import (
    clock,
    migrated_database,
    migrated_file,
    open_plane,
    plane,
    settings,
    store_settings,
)

__all__ = [
    "clock",
    "migrated_database",
    "migrated_file",
    "open_plane",
    "plane",
    "settings",
    "store_settings",
]
