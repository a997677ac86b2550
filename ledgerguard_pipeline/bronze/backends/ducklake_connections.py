"""DuckDB instances with a lake attached: one for writing and one for reading per process.

Loading the extensions and attaching takes a quarter of a second, so instances stay; each piece
of work gets a cursor of its own. The reading instance is attached read-only and cannot touch
any file outside the lake's data path.

Decisions 40 and 101 in docs/decisions.md.
"""

from __future__ import annotations

import os
import tempfile
import threading
import uuid
from collections import Counter
from pathlib import Path

import duckdb
from psycopg.conninfo import make_conninfo

from ledgerguard_pipeline.bronze.backends.extensions import load_extension
from ledgerguard_pipeline.bronze.backends.writer_locks import catalog_parameters
from ledgerguard_pipeline.bronze.lake_catalog import CATALOG
from ledgerguard_pipeline.config.bronze_url import LakeAddress

INLINED_ROWS = 50
"""Insertions up to this size go into the catalog instead of a file of their own. Measured: 50
rows cost what a small Parquet file costs, 200 rows three times as much."""
_SETTINGS = {
    "threads": "2",
    "memory_limit": "'384MB'",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "ducklake_default_data_inlining_row_limit": str(INLINED_ROWS),
    # Writers of other companies take commit numbers too; taking the next one costs milliseconds.
    "ducklake_max_retry_count": "30",
    "ducklake_retry_wait_ms": "2",
    "ducklake_retry_backoff": "1.3",
    "pg_pool_max_connections": "2",
}
_UNCOMPRESSED = (
    f"SELECT 1 WHERE NOT EXISTS (FROM ducklake_options('{CATALOG}') "
    "WHERE option_name = 'parquet_compression')"
)
MOST_KEPT_BYTES = 64 * 1024 * 1024
"""Of what an instance keeps of the snapshots it has seen, out of its ``memory_limit``."""
LOOK_EVERY = 50
"""Cursors between two looks at that. One statement keeps a megabyte at most, if it reads every table."""
_KEPT = "SELECT sum(memory_usage_bytes) FROM duckdb_memory() WHERE tag = 'OBJECT_CACHE'"
_Key = tuple[LakeAddress, bool]


class LakeConnections:
    """Attached instances by address; a forked child starts with none of its parent's."""

    def __init__(self) -> None:
        self._forget()
        # A parent's connections must not be closed by its children: they are kept, unused.
        self._inherited: list[dict[_Key, duckdb.DuckDBPyConnection]] = []
        os.register_at_fork(after_in_child=self._leave)

    def _forget(self) -> None:
        self._guard = threading.Lock()
        self._open: dict[_Key, duckdb.DuckDBPyConnection] = {}
        self._given: Counter[_Key] = Counter()

    def _leave(self) -> None:
        self._inherited.append(self._open)
        self._forget()

    def cursor(self, address: LakeAddress, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        """A new connection to the lake.

        DuckLake keeps the statistics of the tables it read for every snapshot, some hundred bytes a
        column, until ``memory_limit`` is reached. An instance that keeps too many gives way to a new
        one; whoever works with the old one finishes there.

        Raises:
            ConfigurationError: an extension is missing.
            duckdb.Error: the catalog or the data path cannot be used.
        """
        with self._guard:
            key = address, read_only
            instance = self._open.get(key)
            self._given[key] += 1
            if instance is None or (
                self._given[key] % LOOK_EVERY == 0 and kept_bytes(instance) > MOST_KEPT_BYTES
            ):
                instance = _attach(address, read_only=read_only)
                self._open[key] = instance
            cursor = instance.cursor()
        cursor.execute("SET TimeZone = 'UTC'")
        return cursor

    def drop(self, address: LakeAddress) -> None:
        """Let the next caller attach anew; whoever still works with the old ones may end."""
        with self._guard:
            self._open.pop((address, False), None)
            self._open.pop((address, True), None)


def kept_bytes(instance: duckdb.DuckDBPyConnection) -> int:
    """What DuckLake keeps in this instance of the snapshots it has seen."""
    ((found,),) = instance.cursor().execute(_KEPT).fetchall()
    return int(found or 0)


def _attach(address: LakeAddress, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(":memory:")
    try:
        load_extension(connection, "postgres_scanner")
        load_extension(connection, "ducklake")
        if address.on_s3:
            load_extension(connection, "httpfs")
            connection.execute(_s3_secret(address))
        for name, value in _SETTINGS.items():
            connection.execute(f"SET GLOBAL {name} = {value}")
        # Each instance has one of its own: DuckDB names the files in it without asking who else does.
        spill = (
            Path(tempfile.gettempdir()) / f"ledgerguard-lake-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        )
        connection.execute(f"SET GLOBAL temp_directory = {_text(str(spill))}")
        # A password in the attached path could be read by any query; in a secret it cannot.
        if address.password is not None:
            connection.execute(
                f"CREATE SECRET catalog_login (TYPE postgres, PASSWORD {_text(address.password)})"
            )
        options = [f"DATA_PATH {_text(address.data)}"]
        if address.password is not None:
            options.append("META_SECRET 'catalog_login'")
        if read_only:
            options.append("READ_ONLY")
        elif not address.on_s3:
            Path(address.data).mkdir(mode=0o700, parents=True, exist_ok=True)
        target = _text(f"ducklake:postgres:{login_of(address)}")
        connection.execute(f"ATTACH {target} AS {CATALOG} ({', '.join(options)})")
        if not read_only and connection.execute(_UNCOMPRESSED).fetchone():
            connection.execute(f"CALL {CATALOG}.set_option('parquet_compression', 'zstd')")
        if read_only:
            connection.execute(f"SET GLOBAL allowed_directories = [{_text(address.data)}]")
            connection.execute("SET GLOBAL enable_external_access = false")
    except BaseException:
        connection.close()
        raise
    return connection


def login_of(address: LakeAddress) -> str:
    """How DuckDB logs in to the catalog, which it repeats in its errors; without the password."""
    return make_conninfo(**catalog_parameters(address))


def _s3_secret(address: LakeAddress) -> str:
    access = address.s3
    parts = ["TYPE s3"]
    for option, value in (
        ("KEY_ID", access.key_id),
        ("SECRET", access.secret),
        ("SESSION_TOKEN", access.session_token),
        ("REGION", access.region),
    ):
        if value:
            parts.append(f"{option} {_text(value)}")
    if access.endpoint:
        host = access.endpoint.partition("://")[2].rstrip("/")
        secure = "false" if access.endpoint.startswith("http://") else "true"
        parts += [f"ENDPOINT {_text(host)}", "URL_STYLE 'path'", f"USE_SSL {secure}"]
    return f"CREATE SECRET object_store ({', '.join(parts)})"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


instances = LakeConnections()
