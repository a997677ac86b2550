"""The tables of the control plane, for SQLite and PostgreSQL alike.

``REVISION`` names the schema this code works with; it must be the head of ``migrations`` (a
test holds them together), so that opening a current database needs no alembic at all.
Every row belongs to one Intuit environment; the environment is the first part of each key.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
    text,
)

from ledgerguard_pipeline.control.storage.utc_time import UtcTime

REVISION = "0017"

metadata = MetaData()


_Realm = String(20).with_variant(String(19), "sqlite")
"""A company id; SQLite keeps to no length and still says the former one."""

companies = Table(
    "companies",
    metadata,
    Column("environment", String(16), primary_key=True),
    Column("realm_id", _Realm, primary_key=True),
    Column("name", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("connected_at", UtcTime, nullable=False),
    Column("last_success_at", UtcTime),
    Column("last_error", Text),
    Column("response_time_ms", Float),
    Column("error_kind", String(16)),
    Column("error_name", String(40)),
    Column("error_at", UtcTime),
)

tokens = Table(
    "tokens",
    metadata,
    Column("environment", String(16), primary_key=True),
    Column("realm_id", _Realm, primary_key=True),
    Column("access_token", Text, nullable=False),
    Column("refresh_token", Text, nullable=False),
    Column("access_expires_at", UtcTime, nullable=False),
    Column("refresh_expires_at", UtcTime),
    Column("hard_expires_at", UtcTime),
    Column("version", BigInteger, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)

refresh_attempts = Table(
    "refresh_attempts",
    metadata,
    Column("environment", String(16), primary_key=True),
    Column("realm_id", _Realm, primary_key=True),
    Column("old_token_sha256", String(64), nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("reason", Text),
)

oauth_states = Table(
    "oauth_states",
    metadata,
    Column("state_sha256", String(64), primary_key=True),
    Column("environment", String(16), nullable=False),
    Column("expires_at", UtcTime, nullable=False),
    Column("consumed_at", UtcTime),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("owner", String(200), nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("expires_at", UtcTime, nullable=False),
)

limiter_realms = Table(
    "limiter_realms",
    metadata,
    Column("scope", String(40), primary_key=True),
    Column("last_at", Float(53), nullable=False),
    Column("cool_until", Float(53), nullable=False),
    Column("calls_head", BigInteger, nullable=False),
    Column("calls_low", BigInteger, nullable=False),
    Column("batches_head", BigInteger, nullable=False),
    Column("batches_low", BigInteger, nullable=False),
)

limiter_stamps = Table(
    "limiter_stamps",
    metadata,
    Column("scope", String(40), primary_key=True),
    Column("stream", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Float(53), nullable=False),
    sqlite_with_rowid=False,
)

limiter_permits = Table(
    "limiter_permits",
    metadata,
    Column("scope", String(40), primary_key=True),
    Column("permit_id", String(32), primary_key=True),
    Column("holder", String(200), nullable=False),
    Column("expires_at", Float(53), nullable=False),
    sqlite_with_rowid=False,
)

call_counts = Table(
    "call_counts",
    metadata,
    Column("environment", String(16), primary_key=True),
    Column("realm_id", _Realm, primary_key=True),
    Column("month", String(7), primary_key=True),
    Column("entity", String(60), primary_key=True),
    Column("purpose", String(60), primary_key=True),
    Column("status", Integer, primary_key=True, autoincrement=False),
    Column("calls", BigInteger, nullable=False),
    Column("metered", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

_Number = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows by itself only where the key is exactly INTEGER."""

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("delivery_id", String(32), primary_key=True),
    Column("environment", String(16), nullable=False),
    Column("received_at", UtcTime, nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("shape", String(20), nullable=False),
    Column("events", Integer, nullable=False),
    Column("fresh_events", Integer, nullable=False),
    Column("unreadable", Integer, nullable=False),
    Column("client", String(64), nullable=False),
    Column("headers", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("webhook_deliveries_by_time", "environment", "received_at"),
)

_PENDING, _LEASED = text("status = 'pending'"), text("status = 'leased'")

webhook_events = Table(
    "webhook_events",
    metadata,
    Column("seq", _Number, primary_key=True, autoincrement=True),
    Column("environment", String(16), nullable=False),
    Column("event_key", String(64), nullable=False),
    Column("event_id", String(200), nullable=False),
    Column("delivery_id", String(32), nullable=False),
    Column("realm_id", _Realm, nullable=False),
    Column("entity", String(60), nullable=False),
    Column("object_id", String(64), nullable=False),
    Column("operation", String(20), nullable=False),
    Column("absorbed_id", String(64)),
    Column("occurred_at", UtcTime),
    Column("received_at", UtcTime, nullable=False),
    Column("status", String(10), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    Column("lease_owner", String(64)),
    Column("lease_expires_at", UtcTime),
    Column("reason", Text),
    Column("settled_at", UtcTime),
    Column("missed_at", UtcTime),
    UniqueConstraint("environment", "event_key", name="webhook_events_once"),
    Index("webhook_events_due", "environment", "status", "realm_id", "due_at"),
    Index("webhook_events_by_owner", "lease_owner"),
    Index(
        "webhook_events_pending",
        "environment",
        "seq",
        sqlite_where=_PENDING,
    ),
    Index(
        "webhook_events_leased",
        "environment",
        "lease_expires_at",
        sqlite_where=_LEASED,
    ),
)


@event.listens_for(webhook_events, "before_create")
def _partial_on_a_server(table: Table, connection: Connection, **_: object) -> None:
    """The same conditions on PostgreSQL; named above, they load its dialect, for SQLite too."""
    if connection.dialect.name == "postgresql":
        for index in table.indexes:
            condition = index.dialect_options["sqlite"]["where"]
            if condition is not None:
                index.dialect_options["postgresql"]["where"] = condition


counters = Table(
    "counters",
    metadata,
    Column("environment", String(16), primary_key=True),
    Column("name", String(40), primary_key=True),
    Column("label", String(60), primary_key=True),
    Column("value", Float(53), nullable=False),
    sqlite_with_rowid=False,
)

sync_marks = Table(
    "sync_marks",
    metadata,
    Column("environment", String(16), primary_key=True),
    Column("realm_id", _Realm, primary_key=True),
    Column("entity", String(60), primary_key=True),
    Column("last_sync_at", UtcTime),
    Column("watermark", UtcTime),
    Column("committed_at", UtcTime),
    Column("rows", BigInteger, nullable=False, server_default="0"),
    Column("quarantined", BigInteger, nullable=False, server_default="0"),
    Column("partial", BigInteger, nullable=False, server_default="0"),
    Column("mode", String(16)),
    Column("load_id", String(64)),
    Column("error", Text),
    Column("failed_at", UtcTime),
    Column("error_kind", String(16)),
    Column("error_name", String(40)),
    Column("error_scope", String(8)),
    sqlite_with_rowid=False,
)

call_slots = Table(
    "call_slots",
    metadata,
    Column("environment", String(16), primary_key=True),
    # Before the company, so that the latest calls of all companies lie together.
    Column("slot", BigInteger, primary_key=True, autoincrement=False),
    Column("realm_id", _Realm, primary_key=True),
    Column("status", Integer, primary_key=True, autoincrement=False),
    Column("calls", BigInteger, nullable=False),
    Column("metered", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

refusals = Table(
    "refusals",
    metadata,
    Column("environment", String(16), primary_key=True),
    Column("realm_id", _Realm, primary_key=True),
    Column("began_at", UtcTime, nullable=False),
    Column("last_at", UtcTime, nullable=False),
    Column("count", Integer, nullable=False),
    Column("resumes_at", UtcTime),
    sqlite_with_rowid=False,
)

alert_signs = Table(
    "alert_signs",
    metadata,
    Column("environment", String(16), primary_key=True),
    Column("realm_id", _Realm, primary_key=True),
    Column("signs", Text, nullable=False),
    Column("observed_at", UtcTime, nullable=False),
    sqlite_with_rowid=False,
)

alert_told = Table(
    "alert_told",
    metadata,
    Column("environment", String(16), primary_key=True),
    Column("channel", String(20), primary_key=True),
    Column("realm_id", _Realm, primary_key=True),
    Column("told", Text, nullable=False),
    Column("told_at", UtcTime),
    Column("version", BigInteger, nullable=False),
    Column("claim", String(64)),
    Column("claim_ends_at", UtcTime),
    Column("attempts", Integer, nullable=False),
    Column("next_try_at", UtcTime),
    Column("last_error", Text),
    sqlite_with_rowid=False,
)

count_gaps = Table(
    "count_gaps",
    metadata,
    Column("environment", String(16), primary_key=True),
    Column("realm_id", _Realm, primary_key=True),
    Column("entity", String(60), primary_key=True),
    Column("counted", BigInteger, nullable=False),
    Column("held", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

capabilities = Table(
    "capabilities",
    metadata,
    Column("environment", String(16), primary_key=True),
    Column("realm_id", String(20), primary_key=True),
    Column("entity", String(60), primary_key=True),
    Column("capability", String(40), primary_key=True),
    Column("value", String(60), nullable=False),
    Column("seen_at", UtcTime, nullable=False),
    sqlite_with_rowid=False,
)

doubts = Table(
    "doubts",
    metadata,
    Column("environment", String(16), primary_key=True),
    Column("realm_id", String(20), primary_key=True),
    Column("entity", String(60), primary_key=True),
    Column("found_at", UtcTime, nullable=False),
    Column("looked_at", UtcTime, nullable=False),
    sqlite_with_rowid=False,
)

check_faults = Table(
    "check_faults",
    metadata,
    Column("environment", String(16), primary_key=True),
    Column("realm_id", String(20), primary_key=True),
    Column("entity", String(60), primary_key=True),
    Column("check_name", String(60), primary_key=True),
    Column("severe", Boolean, nullable=False),
    Column("fault", Text, nullable=False),
    Column("since", UtcTime, nullable=False),
    sqlite_with_rowid=False,
)

bronze_trouble = Table(
    "bronze_trouble",
    metadata,
    Column("environment", String(16), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("since", UtcTime, nullable=False),
    sqlite_with_rowid=False,
)

sync_requests = Table(
    "sync_requests",
    metadata,
    Column("environment", String(16), primary_key=True),
    Column("realm_id", String(20), primary_key=True),
    Column("entity", String(60), nullable=False),
    Column("asked_at", UtcTime, nullable=False),
    sqlite_with_rowid=False,
)

tie_outs = Table(
    "tie_outs",
    metadata,
    Column("environment", String(16), primary_key=True),
    Column("realm_id", String(20), primary_key=True),
    Column("brief", Text, nullable=False),
    Column("summary", Text, nullable=False),
    sqlite_with_rowid=False,
)

daily_figures = Table(
    "daily_figures",
    metadata,
    Column("environment", String(16), primary_key=True),
    Column("realm_id", String(20), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("figure", String(20), primary_key=True),
    Column("label", String(60), primary_key=True),
    Column("value", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

daily_health = Table(
    "daily_health",
    metadata,
    Column("environment", String(16), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("realm_id", String(20), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    sqlite_with_rowid=False,
)
