"""A lake restored from copies of its catalog and of its data: older as a whole, or one half of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import connect as connect_postgres

from ledgerguard_pipeline.cli.doctor.finding import CheckState
from ledgerguard_pipeline.cli.doctor.restored import restored_copies
from ledgerguard_pipeline.config.settings import Settings, load_settings
from ledgerguard_pipeline.entities import entity_types
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.conftest import connect
from ledgerguard_pipeline_tests.ingestion.company_books import differing, failures, sync
from ledgerguard_pipeline_tests.lakes import empty_lake, end_connections, lake_address

WANTED = entity_types(["Invoice", "Term"])


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(invoices=60) as server:
        server.set(limits=False)
        yield server


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[str]:
    with empty_lake(tmp_path / "lake") as url:
        yield url


@pytest.fixture
def in_a_lake(settings: Settings, lake: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("LEDGERGUARD_BRONZE_URL", lake)
    monkeypatch.setenv("LEDGERGUARD_SILVER", "off")
    return load_settings(ledgerguard_home=settings.ledgerguard_home)


class Catalog:
    """The catalog's database, copied and put back as ``pg_dump`` and ``pg_restore`` do."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._at = dict(lake_address(url).catalog)
        self._copy = f"{self._at['dbname']}_copy"

    def _run(self, *statements: str) -> None:
        with connect_postgres(host=self._at["host"], user="postgres", dbname="postgres") as server:
            server.autocommit = True
            for statement in statements:
                server.execute(statement)

    def save(self) -> None:
        end_connections(self._url)
        self._run(f"CREATE DATABASE {self._copy} TEMPLATE {self._at['dbname']}")

    def restore(self) -> None:
        name = self._at["dbname"]
        end_connections(self._url)
        self._run(
            f"DROP DATABASE {name} WITH (FORCE)", f"ALTER DATABASE {self._copy} RENAME TO {name}"
        )


def findings(settings: Settings) -> dict[CheckState, str]:
    return {each.state: each.text for each in restored_copies(settings)}


def test_an_older_lake_is_named_and_healed_and_one_without_its_files_is_named(
    in_a_lake: Settings, sandbox: SandboxServer, lake: str
) -> None:
    catalog, data = Catalog(lake), Path(lake_address(lake).data)
    with Installation.open(in_a_lake) as installation:
        connect(installation, sandbox)
        assert failures(sync(installation, WANTED)) == {}
        catalog.save()
        sandbox.set(clock_offset_seconds=5)
        sandbox.edit("create", "Invoice")
        sandbox.edit("delete", "Invoice")
        assert failures(sync(installation, WANTED)) == {}
        assert findings(in_a_lake).keys() == {CheckState.GOOD}

        catalog.restore()
        assert "Bronze is older than the control plane" in findings(in_a_lake)[CheckState.ADVICE]
        assert failures(sync(installation, WANTED)) == {}
        assert differing(installation, sandbox, WANTED) == {}
        assert findings(in_a_lake).keys() == {CheckState.GOOD}

        aside = data.with_name("aside")
        shutil.move(data, aside)
        data.mkdir()
        (said,) = findings(in_a_lake).values()
        assert findings(in_a_lake).keys() == {CheckState.BROKEN}
        assert "files that the catalog of the lake names are not in" in said
        data.rmdir()
        shutil.move(aside, data)
        assert findings(in_a_lake).keys() == {CheckState.GOOD}
        assert differing(installation, sandbox, WANTED) == {}
