"""What people asked to be synced now."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ledgerguard_pipeline.control.storage.utc_time import UtcTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sync_requests",
        sa.Column("environment", sa.String(16), primary_key=True),
        sa.Column("realm_id", sa.String(20), primary_key=True),
        sa.Column("entity", sa.String(60), nullable=False),
        sa.Column("asked_at", UtcTime, nullable=False),
        sqlite_with_rowid=False,
    )
