"""Objects that Bronze holds in part only, by entity."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "sync_marks", sa.Column("partial", sa.BigInteger, nullable=False, server_default="0")
    )
