"""What health is judged by: marks of each entity's last sync, recent calls, runs of refusals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ledgerguard_pipeline.control.storage.utc_time import UtcTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "sync_marks",
        sa.Column("environment", sa.String(16), primary_key=True),
        sa.Column("realm_id", sa.String(19), primary_key=True),
        sa.Column("entity", sa.String(60), primary_key=True),
        sa.Column("last_sync_at", UtcTime),
        sa.Column("watermark", UtcTime),
        sa.Column("committed_at", UtcTime),
        sa.Column("rows", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("quarantined", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("mode", sa.String(16)),
        sa.Column("load_id", sa.String(64)),
        sa.Column("error", sa.Text),
        sa.Column("failed_at", UtcTime),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "call_slots",
        sa.Column("environment", sa.String(16), primary_key=True),
        sa.Column("slot", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("realm_id", sa.String(19), primary_key=True),
        sa.Column("status", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("calls", sa.BigInteger, nullable=False),
        sa.Column("metered", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "refusals",
        sa.Column("environment", sa.String(16), primary_key=True),
        sa.Column("realm_id", sa.String(19), primary_key=True),
        sa.Column("began_at", UtcTime, nullable=False),
        sa.Column("last_at", UtcTime, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("resumes_at", UtcTime),
        sqlite_with_rowid=False,
    )
