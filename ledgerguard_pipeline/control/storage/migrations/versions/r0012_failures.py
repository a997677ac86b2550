"""Why things fail and who has to act: of each entity's last sync, each company, each refresh."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("sync_marks", "companies"):
        op.add_column(table, sa.Column("error_kind", sa.String(16)))
        op.add_column(table, sa.Column("error_name", sa.String(40)))
    op.add_column("sync_marks", sa.Column("error_scope", sa.String(8)))
    op.add_column("refresh_attempts", sa.Column("reason", sa.Text))
