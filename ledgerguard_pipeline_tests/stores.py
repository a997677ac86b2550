"""Fixtures that run one test on every kind of store: SQLite, PostgreSQL and Redis."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.control.database_file import DATABASE_FILE
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.storage.database import Database
from ledgerguard_pipeline.control.storage.migrate import migrate
from ledgerguard_pipeline.control.storage.schema import metadata
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.postgres import postgres_database
from ledgerguard_pipeline_tests.redis_server import redis_database

__all__ = [  # the fixtures, for the conftest of a folder whose tests use them
    "clock",
    "migrated_database",
    "migrated_file",
    "open_plane",
    "plane",
    "settings",
    "store_settings",
]

DATABASES = ("sqlite", "postgresql")
"""What keeps every contract."""

ALL_STORES = (*DATABASES, "redis")
"""What keeps tokens, leases and the limiter; the rest of that plane is on SQLite."""

on_all_stores = pytest.mark.parametrize("store_settings", ALL_STORES, indirect=True)

OpenPlane = Callable[..., ControlPlane]


@pytest.fixture
def settings(home: Path) -> Settings:
    """Settings of an installation that never calls anybody: the stores need no sandbox."""
    return load_settings(ledgerguard_home=home)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A current, empty SQLite database to copy: migrating one for every test takes longer."""
    home = tmp_path_factory.mktemp("migrated")
    ControlPlane.open(Settings(_env_file=None, ledgerguard_home=home)).close()
    return home / DATABASE_FILE


@pytest.fixture(scope="session")
def migrated_database() -> Iterator[str]:
    """The same in PostgreSQL, emptied by whoever used it."""
    with postgres_database() as url:
        database = Database(url)
        migrate(database)
        database.close()
        yield url


@pytest.fixture(params=DATABASES)
def store_settings(request: pytest.FixtureRequest, settings: Settings) -> Iterator[Settings]:
    """Settings of an installation on each kind of store."""
    if request.param != "postgresql":
        file = request.getfixturevalue("migrated_file")
        settings.ledgerguard_home.mkdir(mode=0o700)
        shutil.copy(file, settings.ledgerguard_home / DATABASE_FILE)
    if request.param == "sqlite":
        yield settings
        return
    if request.param == "redis":
        with redis_database() as url:
            yield settings.model_copy(update={"ledgerguard_redis_url": SecretStr(url)})
        return
    url = request.getfixturevalue("migrated_database")
    yield settings.model_copy(update={"ledgerguard_control_url": SecretStr(url)})
    database = Database(url)
    with database.write("empty") as connection:
        names = ", ".join(table.name for table in metadata.sorted_tables)
        connection.execute(text(f"TRUNCATE {names}"))
    database.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def open_plane(store_settings: Settings) -> Iterator[OpenPlane]:
    """Opens control planes of one installation; all are closed at the end."""
    with ExitStack() as stack:

        def opener(*, clock: Clock | None = None, **changes: object) -> ControlPlane:
            settings = store_settings.model_copy(update=changes)
            plane = (
                ControlPlane.open(settings)
                if clock is None
                else ControlPlane.open(settings, clock=clock)
            )
            return stack.enter_context(plane)

        yield opener


@pytest.fixture
def plane(open_plane: OpenPlane, clock: FakeClock) -> ControlPlane:
    """A control plane whose clock the test drives."""
    return open_plane(clock=clock)
