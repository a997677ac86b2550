"""Indexes for claims: what waits in the order it came, and what is leased by the end of leases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, column, status in (
        ("webhook_events_pending", "seq", "pending"),
        ("webhook_events_leased", "lease_expires_at", "leased"),
    ):
        only = sa.text(f"status = '{status}'")
        op.create_index(
            name,
            "webhook_events",
            ["environment", column],
            sqlite_where=only,
            postgresql_where=only,
        )
