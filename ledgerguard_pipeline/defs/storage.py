"""Dagster's SQLite storage with its connections kept open.

Dagster opens a new engine and a new connection for every event it stores. A sync of all entities
writes about 700 events, which took 13 to 16 seconds; with engines kept and SQLAlchemy's compiled
statements reused it takes about 4. The files and their schema are Dagster's own: processes with
the stock storage read and write the same ones.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import sqlalchemy
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData

_KEPT_SHARDS = 8
"""Event logs are one file a run; a web server that shows many keeps the last few open."""


def _engine(url: str) -> sqlalchemy.Engine:
    engine = sqlalchemy.create_engine(url, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})

    @sqlalchemy.event.listens_for(engine, "connect")
    def _relax(connection: sqlalchemy.engine.interfaces.DBAPIConnection, _: object) -> None:
        # In WAL mode NORMAL keeps the file consistent over a power cut; at worst the last events
        # of the log are missing. What was loaded is known from Bronze, not from this log.
        connection.cursor().execute("PRAGMA synchronous=NORMAL")

    return engine


class PooledEventLogStorage(SqliteEventLogStorage):
    """The event log, one engine per shard for the life of the process."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, sqlalchemy.Engine] = {}
        self._tables: set[str] = set()
        super().__init__(base_dir, inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sqlalchemy.Connection]:
        with self._db_lock:
            engine = self._engine_of(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def _engine_of(self, shard: str) -> sqlalchemy.Engine:
        engine = self._engines.pop(shard, None)
        if engine is not None and not Path(self.path_for_shard(shard)).exists():
            engine.dispose()  # the file was deleted behind our back (a wipe)
            self._initialized_dbs.discard(shard)
            engine = None
        if engine is None:
            engine = _engine(self.conn_string_for_shard(shard))
        if shard not in self._initialized_dbs:
            self._initdb(engine)
            self._initialized_dbs.add(shard)
        self._engines[shard] = engine  # the last used stands last
        while len(self._engines) > _KEPT_SHARDS:
            self._engines.pop(next(iter(self._engines))).dispose()
        return engine

    def has_table(self, table_name: str) -> bool:
        # Asked once per asset check; a table that exists stays.
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def dispose(self) -> None:
        super().dispose()
        with self._db_lock:
            while self._engines:
                self._engines.popitem()[1].dispose()


class PooledRunStorage(SqliteRunStorage):
    """The table of runs with one engine for the life of the process."""

    def __init__(self, conn_string: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._pool = _engine(conn_string)
        super().__init__(conn_string, inst_data)

    @contextmanager
    def connect(self) -> Iterator[sqlalchemy.Connection]:
        with self._pool.connect() as connection, connection.begin():
            yield connection

    def dispose(self) -> None:
        super().dispose()
        self._pool.dispose()


class PooledSqliteStorage(DagsterSqliteStorage):
    """What ``dagster.yaml`` names as ``storage.custom``; ``base_dir`` as for the stock one."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        # Not the stock initialiser: it would open the stock storages first.
        self.base_dir = base_dir
        self._inst_data = inst_data
        root = Path(base_dir)
        self._run_storage = PooledRunStorage.from_local(str(root / "history"))
        self._event_log_storage = PooledEventLogStorage(str(root / "history" / "runs"))
        self._schedule_storage = SqliteScheduleStorage.from_local(str(root / "schedules"))
        super(DagsterSqliteStorage, self).__init__()  # type: ignore[no-untyped-call]  # Dagster

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> Self:
        return cls.from_local(inst_data=inst_data, **config_value)
