"""What each company's API was seen to accept, per entity type."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "capabilities",
        sa.Column("environment", sa.String(16), primary_key=True),
        sa.Column("realm_id", sa.String(20), primary_key=True),
        sa.Column("entity", sa.String(60), primary_key=True),
        sa.Column("capability", sa.String(40), primary_key=True),
        sa.Column("value", sa.String(60), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sqlite_with_rowid=False,
    )
