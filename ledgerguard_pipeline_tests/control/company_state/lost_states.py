"""Sync states that are gone, as after the control plane was set up anew beside its Bronze."""

from __future__ import annotations

from sqlalchemy import delete

from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.storage.schema import sync_marks


def lose_states(control: ControlPlane, realm: str) -> None:
    """Remove all of a company's."""
    with control.database.write(None) as connection:
        connection.execute(delete(sync_marks).where(sync_marks.c.realm_id == realm))
