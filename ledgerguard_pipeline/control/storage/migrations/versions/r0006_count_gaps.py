"""Where Intuit's counts and Bronze differed when they were compared last."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "count_gaps",
        sa.Column("environment", sa.String(16), primary_key=True),
        sa.Column("realm_id", sa.String(19), primary_key=True),
        sa.Column("entity", sa.String(60), primary_key=True),
        sa.Column("counted", sa.BigInteger, nullable=False),
        sa.Column("held", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
