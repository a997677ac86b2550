"""What alerts are about, and what each channel was told last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ledgerguard_pipeline.control.storage.utc_time import UtcTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alert_signs",
        sa.Column("environment", sa.String(16), primary_key=True),
        sa.Column("realm_id", sa.String(19), primary_key=True),
        sa.Column("signs", sa.Text, nullable=False),
        sa.Column("observed_at", UtcTime, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "alert_told",
        sa.Column("environment", sa.String(16), primary_key=True),
        sa.Column("channel", sa.String(20), primary_key=True),
        sa.Column("realm_id", sa.String(19), primary_key=True),
        sa.Column("told", sa.Text, nullable=False),
        sa.Column("told_at", UtcTime),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("claim", sa.String(64)),
        sa.Column("claim_ends_at", UtcTime),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("next_try_at", UtcTime),
        sa.Column("last_error", sa.Text),
        sqlite_with_rowid=False,
    )
