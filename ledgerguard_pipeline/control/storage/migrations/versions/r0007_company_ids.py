"""Company ids of up to 20 digits; SQLite keeps to no length, so its tables stay as they are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = (
    "companies",
    "tokens",
    "refresh_attempts",
    "call_counts",
    "webhook_events",
    "sync_marks",
    "call_slots",
    "refusals",
    "alert_signs",
    "alert_told",
    "count_gaps",
)


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        return
    for table in TABLES:
        op.alter_column(
            table, "realm_id", existing_type=sa.String(19), type_=sa.String(20), nullable=False
        )
