"""Entity types whose answers went silent, and events that were looked for once without success."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "doubts",
        sa.Column("environment", sa.String(16), primary_key=True),
        sa.Column("realm_id", sa.String(20), primary_key=True),
        sa.Column("entity", sa.String(60), primary_key=True),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=False),
        sqlite_with_rowid=False,
    )
    op.add_column("webhook_events", sa.Column("missed_at", sa.DateTime(timezone=True)))
