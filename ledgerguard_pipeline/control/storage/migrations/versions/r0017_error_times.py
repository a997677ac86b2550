"""Since when a company's last error holds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ledgerguard_pipeline.control.storage.utc_time import UtcTime

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("companies", sa.Column("error_at", UtcTime))
