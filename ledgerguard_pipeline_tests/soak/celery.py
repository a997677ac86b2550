"""The soaked installation on Celery: PostgreSQL and Redis that can be restarted, and two workers."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from functools import partial
from random import Random

import dagster as dg
import psycopg
from dagster_postgres.utils import DagsterPostgresException
from sqlalchemy.exc import SQLAlchemyError

from ledgerguard_pipeline_tests.deploy.stack import WORKERS, Stack
from ledgerguard_pipeline_tests.postgres import PostgresProcess
from ledgerguard_pipeline_tests.soak.grants import RedisGrants
from ledgerguard_pipeline_tests.soak.processes import Services, group

_NAMES = ("dagster", "control", "lake")


class RestartableStack(Stack):
    """Like the deployment on Celery, on a PostgreSQL server of its own."""

    def _databases(self) -> list[str]:
        self.postgres = self._closing.enter_context(PostgresProcess())
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            for name in _NAMES:
                connection.execute(f"CREATE DATABASE {name}")
        return [self.postgres.url.replace("/postgres?", f"/{name}?") for name in _NAMES]


class CeleryServices(Services):
    """With workers, and with stores that are restarted."""

    def __init__(self, stack: RestartableStack) -> None:
        super().__init__(stack)
        self._stores = stack
        self.grants = RedisGrants(stack.redis.url)
        self.store_folders = (stack.postgres.folder, stack.redis.folder)

    def more(self) -> dict[str, Callable[[], subprocess.Popen[bytes]]]:
        return {name: partial(self._start_worker, name) for name in WORKERS}

    def _start_worker(self, name: str) -> subprocess.Popen[bytes]:
        return self._stores.start_worker(name, **self.armed())

    def kill_starters(self) -> None:
        """The workers: runs are done in them."""
        for name in WORKERS:
            self.kill(name)

    def runs(self) -> list[int]:
        """The processes of the workers' pools, which runs are done in, while one is under way.

        None are known while Dagster's database is restarted.
        """
        try:
            under_way = self.stack.runs(dg.DagsterRunStatus.STARTED)
        except (SQLAlchemyError, DagsterPostgresException):
            return []
        if not under_way:
            return []
        workers = {self.stack.processes[name].pid for name in WORKERS}
        return [pid for pid in self.pids() if pid not in workers and group(pid) in workers]

    def unfinished(self) -> int:
        """One at least while Dagster's database is restarted."""
        try:
            return super().unfinished()
        except (SQLAlchemyError, DagsterPostgresException):
            return 1

    def restart_store(self, name: str, rng: Random) -> None:
        how = rng.choice((signal.SIGTERM, signal.SIGKILL))
        server = self._stores.postgres if name == "database" else self._stores.redis
        with self.reading:
            server.stop(how)
            server.start()
