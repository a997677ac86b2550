"""Which data checks fail for which company."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ledgerguard_pipeline.control.storage.utc_time import UtcTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "check_faults",
        sa.Column("environment", sa.String(16), primary_key=True),
        sa.Column("realm_id", sa.String(20), primary_key=True),
        sa.Column("entity", sa.String(60), primary_key=True),
        sa.Column("check_name", sa.String(60), primary_key=True),
        sa.Column("severe", sa.Boolean, nullable=False),
        sa.Column("fault", sa.Text, nullable=False),
        sa.Column("since", UtcTime, nullable=False),
        sqlite_with_rowid=False,
    )
