"""Where the control plane is by default, and whether there is one: asking opens and imports nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ledgerguard_pipeline.config.settings import Settings

DATABASE_FILE = "control.db"
"""In the home."""


def exists(settings: Settings) -> bool:
    """Whether there is a control plane; opening one creates it."""
    if settings.ledgerguard_control_url is not None:
        return True
    return (settings.ledgerguard_home / DATABASE_FILE).exists()
