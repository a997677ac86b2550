"""How connections to the control database are set up, of either dialect.

Decision 108 in docs/decisions.md.
"""

from __future__ import annotations

import sqlite3

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.pool import QueuePool

from ledgerguard_pipeline.config.postgres_sessions import session_parameters

BUSY_TIMEOUT_SECONDS = 30.0
"""How long a lock is waited for."""

FROZEN_SECONDS = 60.0
"""When a server ends a transaction whose process says nothing any more, for others wait for it."""

POSTGRES_SCHEMA = "ledgerguard"
"""Own schema: Dagster may share the database, and it too has a table ``alembic_version``."""

BEGIN = "ledgerguard_begin"
"""The execution option with what a transaction begins with on SQLite."""


def new_engine(url: URL, *, durable: bool) -> Engine:
    """Connections to a database; ``durable`` ones wait until a write is on disk.

    The others are connections of their own, so that nothing is set per use.
    """
    synchronous = "FULL" if durable else "NORMAL"
    if url.get_backend_name() != "sqlite":
        return create_engine(
            url,
            hide_parameters=True,
            pool_pre_ping=durable,
            pool_size=5,
            max_overflow=20,
            connect_args=session_parameters(
                {name: value for name, value in url.query.items() if isinstance(value, str)},
                proposed={
                    "lock_timeout": f"{BUSY_TIMEOUT_SECONDS * 1000:.0f}",
                    "idle_in_transaction_session_timeout": f"{FROZEN_SECONDS * 1000:.0f}",
                },
                settled={
                    "search_path": POSTGRES_SCHEMA,
                    "timezone": "UTC",
                    "synchronous_commit": "on" if durable else "off",
                    # A snapshot from before a lock was had would be of no use.
                    "default_transaction_isolation": "read committed",
                },
            ),
        )
    engine = create_engine(
        url,
        hide_parameters=True,
        poolclass=QueuePool,
        pool_size=4,
        max_overflow=-1,
        connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        # Autocommit mode of the driver: the BEGIN below is then the only one there is.
        connection.isolation_level = None
        cursor = connection.cursor()
        if cursor.execute("PRAGMA journal_mode").fetchone() != ("wal",):
            cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute(f"PRAGMA synchronous={synchronous}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(
            str(connection.get_execution_options().get(BEGIN, "BEGIN IMMEDIATE"))
        )

    return engine
