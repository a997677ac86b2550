"""A host that fails over says no goodbye: whatever `deploy/` sets up stops waiting for it."""

from __future__ import annotations

import runpy
import shutil
from pathlib import Path

import pytest
from dagster._core.instance.config import dagster_instance_config
from dagster_celery.defaults import broker_transport_options
from dagster_celery.launcher import CeleryRunLauncher
from dagster_postgres.utils import pg_url_from_config
from psycopg.conninfo import conninfo_to_dict

from ledgerguard_pipeline.config.postgres_sessions import session_parameters
from ledgerguard_pipeline_tests.deploy.test_the_deployment_files_are_sound import (
    DEPLOY,
    INSTANCES,
    at,
    example,
    read,
)

LONGEST_SECONDS = 30.0


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in example().items():
        if name.startswith("DAGSTER_"):
            monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("variables")
@pytest.mark.parametrize("path", INSTANCES, ids=lambda path: path.parent.name)
def test_dagsters_own_connections_are_asked_for_signs_of_life(path: Path, tmp_path: Path) -> None:
    """As ours are."""
    shutil.copy(path, tmp_path / "dagster.yaml")
    config, _ = dagster_instance_config(str(tmp_path))
    storage = at(config, "storage.postgres")
    assert isinstance(storage, dict)
    resolved = {**storage["postgres_db"], "hostname": "db", "username": "me", "password": "x"}
    resolved |= {"port": "5432", "db_name": "dagster"}
    url = pg_url_from_config({"postgres_db": resolved})
    said = conninfo_to_dict(url.replace("postgresql+psycopg2", "postgresql"))
    ours = session_parameters({})
    assert {name: said[name] for name in ours if name != "options"} == {
        name: value for name, value in ours.items() if name != "options"
    }
    values = read(DEPLOY / "kubernetes" / "values.yaml")
    assert at(values, "postgresql.postgresqlParams") == resolved["params"]


@pytest.mark.usefixtures("variables")
def test_neither_a_worker_nor_the_queue_waits_long_for_a_redis_that_is_gone() -> None:
    given = at(read(DEPLOY / "celery" / "dagster.yaml"), "run_launcher.config.config_source")
    assert isinstance(given, dict)
    launcher = CeleryRunLauncher(
        default_queue="dagster", broker="redis://db/1", backend="redis://db/2", config_source=given
    )
    worker = runpy.run_path(str(DEPLOY / "celery" / "dagster_celery_config.py"))
    with launcher.celery.connection_for_write() as connection:
        asked = connection.transport_options
    assert asked == worker["broker_transport_options"]
    assert asked.items() >= broker_transport_options.items(), "dagster-celery's own are kept"
    assert 0 < asked["socket_timeout"] <= LONGEST_SECONDS
    assert 0 < asked["socket_connect_timeout"] <= LONGEST_SECONDS
    for name in ("redis_socket_timeout", "redis_socket_connect_timeout"):
        assert 0 < launcher.celery.conf[name] <= LONGEST_SECONDS
        assert worker[name] == launcher.celery.conf[name]


def test_a_code_server_that_cannot_begin_ends_everywhere() -> None:
    """``dagster code-server`` keeps an error of its start until somebody reloads it."""
    values = read(DEPLOY / "kubernetes" / "values.yaml")
    (deployment,) = at(values, "dagster-user-deployments").get("deployments")  # type: ignore[attr-defined]  # a mapping
    assert deployment["dagsterApiGrpcArgs"] == ["-m", "ledgerguard_pipeline.definitions"]
    assert "codeServerArgs" not in deployment
    compose = read(DEPLOY / "compose.yaml")
    unit = (DEPLOY / "celery" / "systemd" / "ledgerguard-code.service").read_text(encoding="utf-8")
    assert at(compose, "services.code.command")[:3] == ["dagster", "api", "grpc"]  # type: ignore[index]  # a list
    assert "/bin/dagster api grpc " in unit
