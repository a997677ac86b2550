"""Dagster's SQLite storage with its connections kept open.

Dagster opens a new engine and a new connection for every event it stores. A sync of all entities
writes about 700 events, which took 13 to 16 seconds; with engines kept and SQLAlchemy's compiled
statements reused it takes about 4. The files and their schema are Dagster's own: processes with
the stock storage read and write the same ones.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import sqlalchemy
from dagster import AssetKey, DagsterEventType, EventLogEntry
from dagster._core.event_api import AssetRecordsFilter, EventRecordsResult
from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
    INDEX_SHARD_NAME,
    SqliteEventLogStorage,
)
from dagster._core.storage.runs.schema import InstanceInfo
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._core.storage.sqlite import create_db_conn_string
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData

from ledgerguard_pipeline.defs.instance.daemon_lock import hold_daemon_lock
from ledgerguard_pipeline.defs.instance.event_rows import Batch, written, written_together
from ledgerguard_pipeline.defs.instance.sqlite_schema import (
    Schema,
    has_revision,
    is_empty,
    make_schema,
    read_schema,
)
from ledgerguard_pipeline.errors import ControlUnavailable

_KEPT_SHARDS = 8
"""Event logs are one file a run; a web server that shows many keeps the last few open."""


_SAME_FETCH_SECONDS = 1.0
_NEWEST_COLUMN = "last_materialization_timestamp"


BUSY_SECONDS = 30
"""How long a statement waits for another process, as in Dagster's later releases."""

CACHE_KIB = 256
"""Pages a connection keeps, instead of SQLite's 2,000.

A code server or daemon keeps a connection to a dozen files, and fills each one's cache in the course
of hours, among everything else it allocates. With so little, a code server rests after a few
hundred ticks of its sensors. What the operating system caches it need not, and storing events
takes no longer but for those of a first load, by half a hundredth of it.
"""


def _engine(url: str) -> sqlalchemy.Engine:
    # Threads that ask at the same moment get a connection that is closed again.
    engine = sqlalchemy.create_engine(
        url, pool_size=1, max_overflow=-1, connect_args={"timeout": BUSY_SECONDS}
    )

    @sqlalchemy.event.listens_for(engine, "connect")
    def _relax(connection: sqlalchemy.engine.interfaces.DBAPIConnection, _: object) -> None:
        # In WAL mode NORMAL keeps the file consistent over a power cut; at worst the last events
        # of the log are missing. Bronze, not this log, says which rows were loaded.
        connection.cursor().execute("PRAGMA synchronous=NORMAL")
        connection.cursor().execute(f"PRAGMA cache_size=-{CACHE_KIB}")

    return engine


class PooledEventLogStorage(SqliteEventLogStorage):
    """The event log, one engine per shard for the life of the process.

    Storing one event takes up to four transactions in the stock storage; here it is one per file.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: dict[str, sqlalchemy.Engine] = {}
        self._present: set[str] = set()
        self._schema: Schema | None = None
        self._together: _Transactions | None = None
        self._last_fetch: tuple[float, object, EventRecordsResult] | None = None
        super().__init__(base_dir, inst_data)
        # Nested use is what lets one transaction span a whole event.
        self._db_lock = threading.RLock()  # type: ignore[assignment]  # same interface

    def store_event(self, event: EventLogEntry) -> None:
        with self._one_transaction() as shards:
            if not (self._is_current() and written(shards, event, self._tags_of(event))):
                super().store_event(event)
        if event.dagster_event_type == DagsterEventType.ASSET_MATERIALIZATION:
            self._last_fetch = None

    def _is_current(self) -> bool:
        """False for files of an older Dagster that lack columns, which it then works around."""
        known = f"asset_keys.{_NEWEST_COLUMN}" in self._present
        return (known or self.has_asset_key_index_cols()) and self.supports_asset_checks

    def _tags_of(self, event: EventLogEntry) -> Mapping[str, str]:
        return {} if event.dagster_event is None else self._tags_for_asset_event(event)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        with self._one_transaction():
            for event in events:
                self.store_event(event)

    def store_materializations(self, batch: Batch) -> None:
        """Store materializations of a step in one transaction.

        Raises:
            sqlalchemy.exc.DBAPIError: the files cannot be written; nothing was stored.
        """
        with self._one_transaction() as shards:
            if not (self._is_current() and written_together(shards, batch)):
                self.store_event_batch([*batch.events()])
        self._last_fetch = None

    def fetch_materializations(
        self,
        records_filter: AssetKey | AssetRecordsFilter,
        limit: int,
        cursor: str | None = None,
        ascending: bool = False,  # noqa: FBT001, FBT002  # Dagster's signature
    ) -> EventRecordsResult:
        # The checks of one step ask for the same record eight times within milliseconds.
        question = (records_filter, limit, cursor, ascending)
        last = self._last_fetch
        if last and last[1] == question and time.monotonic() - last[0] < _SAME_FETCH_SECONDS:
            return last[2]
        answer = super().fetch_materializations(records_filter, limit, cursor, ascending)
        self._last_fetch = (time.monotonic(), question, answer)
        return answer

    def delete_events(self, run_id: str) -> None:
        """With the run's file, which the stock storage leaves, as large as it was."""
        super().delete_events(run_id)
        with self._db_lock:
            engine = self._engines.pop(run_id, None)
            if engine is not None:
                engine.dispose()
            self._initialized_dbs.discard(run_id)
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path_for_shard(run_id)}{suffix}").unlink(missing_ok=True)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What this thread stores inside the block is one transaction; others wait meanwhile.

        Raises:
            sqlalchemy.exc.DBAPIError: the files cannot be written; nothing was stored.
        """
        with self._one_transaction():
            yield

    @contextmanager
    def _one_transaction(self) -> Iterator["_Transactions"]:
        """Everything inside the block shares one transaction per shard."""
        with self._db_lock:
            if self._together is not None:
                yield self._together
                return
            with ExitStack() as stack:
                self._together = _Transactions(self._engine_of, stack)
                stack.callback(setattr, self, "_together", None)
                yield self._together

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sqlalchemy.Connection]:
        with self._db_lock:
            if self._together is not None:
                yield self._together[shard]
                return
            with self._engine_of(shard).connect() as connection, connection.begin():
                yield connection

    def _engine_of(self, shard: str) -> sqlalchemy.Engine:
        engine = self._engines.pop(shard, None) or _engine(self.conn_string_for_shard(shard))
        if shard not in self._initialized_dbs:
            self._initdb(engine)
            self._initialized_dbs.add(shard)
        self._engines[shard] = engine  # the last used comes last
        while len(self._engines) > _KEPT_SHARDS:
            self._engines.pop(next(iter(self._engines))).dispose()
        return engine

    def _initdb(self, engine: sqlalchemy.Engine, for_index_shard: bool = False) -> None:  # noqa: FBT001, FBT002  # Dagster's signature
        if has_revision(engine):
            return
        is_new = is_empty(engine)
        if is_new and self._schema is not None:
            make_schema(engine, self._schema)
            if has_revision(engine):
                return
        super()._initdb(engine, for_index_shard)
        if is_new:  # an older one may be of an older release
            self._schema = read_schema(engine)

    # Both are asked once per event; existing ones stay.

    def has_table(self, table_name: str) -> bool:
        if table_name not in self._present and super().has_table(table_name):
            self._present.add(table_name)
        return table_name in self._present

    def _has_asset_key_col_on_connection(
        self, conn: sqlalchemy.Connection, column_name: str
    ) -> bool:
        known = f"asset_keys.{column_name}"
        if known not in self._present and super()._has_asset_key_col_on_connection(
            conn, column_name
        ):
            self._present.add(known)
        return known in self._present

    def wipe(self) -> None:
        self._forget_engines()
        super().wipe()

    def dispose(self) -> None:
        super().dispose()
        self._forget_engines()

    def _forget_engines(self) -> None:
        with self._db_lock:
            self._last_fetch = None
            while self._engines:
                self._engines.popitem()[1].dispose()


class _Transactions(dict[str, sqlalchemy.Connection]):
    """The open transaction of each shard, begun on first use, committed with the stack."""

    def __init__(self, engine_of: Callable[[str], sqlalchemy.Engine], stack: ExitStack) -> None:
        self._engine_of = engine_of
        self._stack = stack

    def __missing__(self, shard: str) -> sqlalchemy.Connection:
        connection = self._stack.enter_context(self._engine_of(shard).connect())
        self._stack.enter_context(connection.begin())
        self[shard] = connection
        return connection

    def of_run(self, run_id: str) -> sqlalchemy.Connection:
        return self[run_id]

    def of_all_runs(self) -> sqlalchemy.Connection:
        return self[INDEX_SHARD_NAME]


class PooledRunStorage(SqliteRunStorage):
    """The table of runs with one engine for the life of the process."""

    def __init__(self, conn_string: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._pool = _engine(conn_string)
        super().__init__(conn_string, inst_data)

    @classmethod
    def from_local(cls, base_dir: str, inst_data: ConfigurableClassData | None = None) -> Self:
        known = _complete(base_dir, "runs", InstanceInfo.name)
        return super().from_local(base_dir, inst_data) if known is None else cls(known, inst_data)

    @contextmanager
    def connect(self) -> Iterator[sqlalchemy.Connection]:
        with self._pool.connect() as connection, connection.begin():
            yield connection

    def dispose(self) -> None:
        super().dispose()
        self._pool.dispose()


def _complete(folder: str, name: str, *tables: str) -> str | None:
    """The address of a file that needs nothing done to it before it is used, or None."""
    if not Path(folder, f"{name}.db").exists():
        return None
    address = create_db_conn_string(folder, name)
    engine = sqlalchemy.create_engine(address, poolclass=sqlalchemy.NullPool)
    present = sqlalchemy.inspect(engine).get_table_names()
    return address if set(tables) <= set(present) and has_revision(engine) else None


def _schedules(folder: str) -> SqliteScheduleStorage:
    known = _complete(folder, "schedules")
    return (
        SqliteScheduleStorage.from_local(folder) if known is None else SqliteScheduleStorage(known)
    )


class HistoryUnavailable(ControlUnavailable):
    """Dagster's own files cannot be opened now: the disk is full, or somebody holds them for long."""


class PooledSqliteStorage(DagsterSqliteStorage):
    """What ``dagster.yaml`` names as ``storage.custom``; ``base_dir`` as for the stock one.

    Raises:
        HistoryUnavailable: its files cannot be opened now.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        # Not the stock initialiser: it would open the stock storages first.
        self.base_dir = base_dir
        self._inst_data = inst_data
        root = Path(base_dir)
        hold_daemon_lock(root)
        try:
            self._run_storage = PooledRunStorage.from_local(str(root / "history"))
            self._event_log_storage = PooledEventLogStorage(str(root / "history" / "runs"))
            self._schedule_storage = _schedules(str(root / "schedules"))
        except sqlalchemy.exc.OperationalError as error:
            raise HistoryUnavailable(
                f"Dagster's history in {root} cannot be opened ({error.orig}); free some space on "
                "that disk, and look for a process that holds the files."
            ) from error
        super(DagsterSqliteStorage, self).__init__()  # type: ignore[no-untyped-call]  # Dagster

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]
    ) -> Self:
        return cls.from_local(inst_data=inst_data, **config_value)
