"""Grids, instances and companies for the definitions."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.defs.instance.home import dagster_home, dagster_instance
from ledgerguard_pipeline.defs.instance.sqlite_storage import PooledSqliteStorage
from ledgerguard_pipeline.defs.partitions import REALM, cell_partitions
from ledgerguard_pipeline.values import Environment, RealmId

FIRST = "9341453474484455"
SECOND = "9341453474484456"
CONNECTED_AT = datetime(2026, 3, 1, 9, tzinfo=UTC)


def plain_settings(**overrides: object) -> Settings:
    """Settings nobody configured: no credentials, no file, the given fields apart."""
    return Settings.model_validate({"ledgerguard_start_date": date(2026, 1, 1), **overrides})


def company(
    realm_id: str = FIRST,
    *,
    connected_at: datetime = CONNECTED_AT,
    status: ConnectionStatus = ConnectionStatus.CONNECTED,
) -> Company:
    return Company(
        realm_id=RealmId(realm_id),
        environment=Environment.SANDBOX,
        name="Craig's Design",
        status=status,
        connected_at=connected_at,
    )


@pytest.fixture
def cells() -> dg.MultiPartitionsDefinition:
    """Monthly windows from January 2026."""
    return cell_partitions(plain_settings())


@pytest.fixture
def ephemeral() -> Iterator[dg.DagsterInstance]:
    """An instance in memory that knows the first company."""
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(REALM, [FIRST])
        yield instance


@contextmanager
def pooled_instance(folder: Path) -> Iterator[dg.DagsterInstance]:
    """An instance with the storage of ``dagster.yaml``: Dagster's own connects for every event."""
    storage = {
        "module": PooledSqliteStorage.__module__,
        "class": PooledSqliteStorage.__name__,
        "config": {"base_dir": str(folder)},
    }
    with dg.DagsterInstance.local_temp(str(folder), {"storage": {"custom": storage}}) as instance:
        yield instance


@pytest.fixture(scope="session")
def new_storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The databases of a new instance, to copy: making them takes longer than many a test."""
    folder = tmp_path_factory.mktemp("new") / "dagster"
    folder.mkdir()
    with pooled_instance(folder) as instance:
        assert instance.get_runs() == []
    return folder


@pytest.fixture
def persistent(tmp_path: Path, new_storage: Path) -> Iterator[dg.DagsterInstance]:
    """An instance on disk, as ranges, schedules and event queries need, with the first company."""
    folder = shutil.copytree(new_storage, tmp_path / "dagster")
    with pooled_instance(folder) as instance:
        instance.add_dynamic_partitions(REALM, [FIRST])
        yield instance


@pytest.fixture
def installed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, new_storage: Path
) -> Iterator[dg.DagsterInstance]:
    """The instance of an installation, as ``dagster.yaml`` describes it; it knows no company."""
    for name in ("DAGSTER_HOME", "DAGSTER_EVENT_BATCH_SIZE"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    settings.ledgerguard_home.mkdir(mode=0o700, exist_ok=True)
    shutil.copytree(new_storage, dagster_home(settings.ledgerguard_home))
    with dagster_instance(settings, capture_output=False) as instance:
        yield instance
