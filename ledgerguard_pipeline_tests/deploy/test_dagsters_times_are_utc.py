"""Whatever the time zone of the PostgreSQL server is, Dagster finds its runs by their times."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

import dagster as dg
import psycopg
import pytest

from ledgerguard_pipeline.defs.keys import REALM_TAG
from ledgerguard_pipeline.defs.monitoring import overlooked_failures
from ledgerguard_pipeline.defs.monitoring.overlooked_failures import report_overlooked_failures
from ledgerguard_pipeline_tests.defs.conftest import FIRST
from ledgerguard_pipeline_tests.deploy.test_the_deployment_files_are_sound import (
    DEPLOY,
    INSTANCES,
    at,
    read,
)
from ledgerguard_pipeline_tests.postgres import postgres_database

PARAMETERS = {
    **{
        str(path.relative_to(DEPLOY)): (path, "storage.postgres.postgres_db.params")
        for path in INSTANCES
    },
    "kubernetes": (DEPLOY / "kubernetes" / "values.yaml", "postgresql.postgresqlParams"),
}


@pytest.fixture(params=["America/Los_Angeles", "Asia/Tokyo"])
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """A database in which sessions have another time zone, unless they ask for one."""
    with postgres_database() as url:
        name = urlsplit(url).path[1:]
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} SET timezone TO '{request.param}'")
        yield url


@pytest.mark.parametrize("name", PARAMETERS)
def test_runs_are_found_by_their_times(
    database: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlooked_failures, "PATIENCE_SECONDS", 0.0)
    path, where = PARAMETERS[name]
    said = at(read(path), where)
    assert isinstance(said, dict)
    address = database.replace("postgresql:", "postgresql+psycopg2:", 1)
    url = f"{address}&{urlencode(said, quote_via=quote)}"
    folder = tmp_path / "dagster"
    folder.mkdir()
    storage = {"postgres": {"postgres_url": url}}
    before = datetime.now(UTC)
    with dg.DagsterInstance.local_temp(str(folder), {"storage": storage}) as instance:
        run = instance.create_run_for_job(
            dg.GraphDefinition("some_job").to_job(),
            status=dg.DagsterRunStatus.STARTED,
            tags={REALM_TAG: FIRST, "dagster/will_retry": "true"},
        )
        instance.report_run_failed(run, "Its process was killed.")
        (record,) = instance.get_run_records()
        assert abs(record.create_timestamp - before) < timedelta(minutes=5)
        for since, found in ((before - timedelta(minutes=5), 1), (before + timedelta(hours=1), 0)):
            filters = dg.RunsFilter(created_after=since)
            assert len(instance.get_run_records(filters)) == found
        assert report_overlooked_failures(instance) == [run.run_id]
