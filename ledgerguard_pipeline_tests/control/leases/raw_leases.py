"""Leases as somebody with access to the store may change them."""

from __future__ import annotations

from sqlalchemy import update

from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.storage.schema import leases


def free(plane: ControlPlane, name: str) -> None:
    """Let a lease have no holder, as if its time were over."""
    if plane.redis is not None:
        plane.redis.run(lambda client: client.hset(f"ledgerguard:lease:{name}", "owner", ""))
        return
    with plane.database.write("test") as connection:
        connection.execute(update(leases).where(leases.c.name == name).values(owner=""))
