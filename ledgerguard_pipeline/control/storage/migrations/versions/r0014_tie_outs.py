"""What the last comparison of each company's books found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tie_outs",
        sa.Column("environment", sa.String(16), primary_key=True),
        sa.Column("realm_id", sa.String(20), primary_key=True),
        sa.Column("brief", sa.Text, nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
