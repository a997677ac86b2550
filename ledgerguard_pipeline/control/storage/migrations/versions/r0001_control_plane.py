"""Companies, tokens, OAuth states, leases, the call limiter and the call ledger."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ledgerguard_pipeline.control.storage.utc_time import UtcTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "companies",
        sa.Column("environment", sa.String(16), primary_key=True),
        sa.Column("realm_id", sa.String(19), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("connected_at", UtcTime, nullable=False),
        sa.Column("last_success_at", UtcTime),
        sa.Column("last_error", sa.Text),
        sa.Column("response_time_ms", sa.Float),
    )
    op.create_table(
        "tokens",
        sa.Column("environment", sa.String(16), primary_key=True),
        sa.Column("realm_id", sa.String(19), primary_key=True),
        sa.Column("access_token", sa.Text, nullable=False),
        sa.Column("refresh_token", sa.Text, nullable=False),
        sa.Column("access_expires_at", UtcTime, nullable=False),
        sa.Column("refresh_expires_at", UtcTime),
        sa.Column("hard_expires_at", UtcTime),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("updated_at", UtcTime, nullable=False),
    )
    op.create_table(
        "refresh_attempts",
        sa.Column("environment", sa.String(16), primary_key=True),
        sa.Column("realm_id", sa.String(19), primary_key=True),
        sa.Column("old_token_sha256", sa.String(64), nullable=False),
        sa.Column("started_at", UtcTime, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
    )
    op.create_table(
        "oauth_states",
        sa.Column("state_sha256", sa.String(64), primary_key=True),
        sa.Column("environment", sa.String(16), nullable=False),
        sa.Column("expires_at", UtcTime, nullable=False),
        sa.Column("consumed_at", UtcTime),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(200), primary_key=True),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("expires_at", UtcTime, nullable=False),
    )
    op.create_table(
        "limiter_realms",
        sa.Column("scope", sa.String(40), primary_key=True),
        sa.Column("last_at", sa.Float(53), nullable=False),
        sa.Column("cool_until", sa.Float(53), nullable=False),
        sa.Column("calls_head", sa.BigInteger, nullable=False),
        sa.Column("calls_low", sa.BigInteger, nullable=False),
        sa.Column("batches_head", sa.BigInteger, nullable=False),
        sa.Column("batches_low", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "limiter_stamps",
        sa.Column("scope", sa.String(40), primary_key=True),
        sa.Column("stream", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Float(53), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "limiter_permits",
        sa.Column("scope", sa.String(40), primary_key=True),
        sa.Column("permit_id", sa.String(32), primary_key=True),
        sa.Column("holder", sa.String(200), nullable=False),
        sa.Column("expires_at", sa.Float(53), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "call_counts",
        sa.Column("environment", sa.String(16), primary_key=True),
        sa.Column("realm_id", sa.String(19), primary_key=True),
        sa.Column("month", sa.String(7), primary_key=True),
        sa.Column("entity", sa.String(60), primary_key=True),
        sa.Column("purpose", sa.String(60), primary_key=True),
        sa.Column("status", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("calls", sa.BigInteger, nullable=False),
        sa.Column("metered", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
