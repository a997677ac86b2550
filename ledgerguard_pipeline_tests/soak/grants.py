"""Where tokens and leases are kept, seen from outside the processes that use them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Protocol

from redis import Redis

from ledgerguard_pipeline.control.storage.redis_server import key

_PAUSE_MILLISECONDS = 10_000


class GrantStore(Protocol):
    """What is needed to stop a process in the middle of a refresh."""

    def owner(self, lease: str) -> int | None:
        """The process that took a lease last and did not give it back."""

    def writes_waiting(self) -> AbstractContextManager[None]:
        """Every write waits for the length of the block."""


class SqliteGrants:
    """In the control plane's file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def owner(self, lease: str) -> int | None:
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as connection:
            row = connection.execute("SELECT owner FROM leases WHERE name = ?", [lease]).fetchone()
        return None if row is None else _process(str(row[0]))

    @contextmanager
    def writes_waiting(self) -> Iterator[None]:
        with closing(sqlite3.connect(self._path, isolation_level=None, timeout=10)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            finally:
                connection.execute("ROLLBACK")


class RedisGrants:
    """In Redis."""

    def __init__(self, url: str) -> None:
        self._client = Redis.from_url(url, decode_responses=True)

    def owner(self, lease: str) -> int | None:
        owner = self._client.hget(key("lease", lease), "owner")
        return _process(str(owner)) if owner else None

    @contextmanager
    def writes_waiting(self) -> Iterator[None]:
        self._client.client_pause(_PAUSE_MILLISECONDS, all=False)
        try:
            yield
        finally:
            self._client.client_unpause()


def _process(owner: str) -> int | None:
    number = owner.split(":")[1] if owner.count(":") >= 2 else ""
    return int(number) if number.isdecimal() else None
