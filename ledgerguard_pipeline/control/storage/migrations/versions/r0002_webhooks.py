"""Webhook deliveries and their events, and the counters that metrics are made of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from ledgerguard_pipeline.control.storage.utc_time import UtcTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "webhook_deliveries",
        sa.Column("delivery_id", sa.String(32), primary_key=True),
        sa.Column("environment", sa.String(16), nullable=False),
        sa.Column("received_at", UtcTime, nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("shape", sa.String(20), nullable=False),
        sa.Column("events", sa.Integer, nullable=False),
        sa.Column("fresh_events", sa.Integer, nullable=False),
        sa.Column("unreadable", sa.Integer, nullable=False),
        sa.Column("client", sa.String(64), nullable=False),
        sa.Column("headers", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index(
        "webhook_deliveries_by_time", "webhook_deliveries", ["environment", "received_at"]
    )
    op.create_table(
        "webhook_events",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=True,
        ),
        sa.Column("environment", sa.String(16), nullable=False),
        sa.Column("event_key", sa.String(64), nullable=False),
        sa.Column("event_id", sa.String(200), nullable=False),
        sa.Column("delivery_id", sa.String(32), nullable=False),
        sa.Column("realm_id", sa.String(19), nullable=False),
        sa.Column("entity", sa.String(60), nullable=False),
        sa.Column("object_id", sa.String(64), nullable=False),
        sa.Column("operation", sa.String(20), nullable=False),
        sa.Column("absorbed_id", sa.String(64)),
        sa.Column("occurred_at", UtcTime),
        sa.Column("received_at", UtcTime, nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("due_at", UtcTime, nullable=False),
        sa.Column("lease_owner", sa.String(64)),
        sa.Column("lease_expires_at", UtcTime),
        sa.Column("reason", sa.Text),
        sa.Column("settled_at", UtcTime),
        sa.UniqueConstraint("environment", "event_key", name="webhook_events_once"),
    )
    op.create_index(
        "webhook_events_due", "webhook_events", ["environment", "status", "realm_id", "due_at"]
    )
    op.create_index("webhook_events_by_owner", "webhook_events", ["lease_owner"])
    op.create_table(
        "counters",
        sa.Column("environment", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("label", sa.String(60), primary_key=True),
        sa.Column("value", sa.Float(53), nullable=False),
        sqlite_with_rowid=False,
    )
