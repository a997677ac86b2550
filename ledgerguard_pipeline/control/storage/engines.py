"""Connections to the control database, of either dialect: how they are set up, and how they execute
what every call executes.

SQLite executes a small statement in a few millionths of a second, and SQLAlchemy takes ten times as
long to look its text up, to hand it over and to wrap its result. So the text of such a statement is
made once, and the driver gets it directly (``Prepared``). With PostgreSQL the trip to the server counts.

Decisions 11 and 108 in docs/decisions.md.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Connection, Engine, Select, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.pool import QueuePool
from sqlalchemy.sql.dml import UpdateBase

from ledgerguard_pipeline.config.postgres_sessions import session_parameters

BUSY_TIMEOUT_SECONDS = 30.0
"""How long a lock is waited for."""

FROZEN_SECONDS = 60.0
"""When a server ends a transaction whose process says nothing any more, for others wait for it."""

POSTGRES_SCHEMA = "ledgerguard"
"""Own schema: Dagster may share the database, and it too has a table ``alembic_version``."""

BEGIN = "ledgerguard_begin"
"""The execution option with what a transaction begins with on SQLite."""


Statement = Select[Any] | UpdateBase
_Change = Callable[[object], object]


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


class Prepared:
    """One statement. What it returns are numbers and texts as SQLite keeps them, nothing else."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        self._plain: dict[tuple[str, ...], _Plain] = {}

    def __call__(
        self, connection: Connection, values: Mapping[str, object]
    ) -> Sequence[Sequence[Any]]:
        """Execute it, inside a transaction of the control database; its rows, if it has any.

        Raises:
            ControlUnavailable: from the block of the transaction, as for any other statement.
        """
        if connection.dialect.name != "sqlite":
            result = connection.execute(self._statement, values)
            return result.all() if result.returns_rows else ()
        names = tuple(values)
        plain = self._plain.get(names)
        if plain is None:
            plain = self._plain[names] = _Plain(self._statement, connection, names)
        return plain.run(connection, values)

    def each(self, connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
        """Execute it for each of these, on a server in one trip.

        Raises:
            ControlUnavailable: as above.
        """
        if connection.dialect.name != "sqlite":
            connection.execute(self._statement, rows)
            return
        for values in rows:
            self(connection, values)


class _Plain:
    """The text of a statement for SQLite, and where its values come from."""

    def __init__(self, statement: Statement, connection: Connection, names: Sequence[str]) -> None:
        compiled = statement.compile(dialect=connection.dialect, column_keys=list(names))
        self._text = str(compiled)
        # As SQLAlchemy would hand them over; there is no public way to ask.
        changes = cast("Mapping[str, _Change]", compiled._bind_processors)  # noqa: SLF001
        self._values = [
            (name, compiled.params.get(name), changes.get(name))
            for name in compiled.positiontup or ()
        ]

    def run(self, connection: Connection, values: Mapping[str, object]) -> Sequence[Sequence[Any]]:
        cursor = connection.connection.cursor()
        cursor.execute(
            self._text,
            [
                value if change is None else change(value)
                for value, change in (
                    (values.get(name, given), change) for name, given, change in self._values
                )
            ],
        )
        return cursor.fetchall()
