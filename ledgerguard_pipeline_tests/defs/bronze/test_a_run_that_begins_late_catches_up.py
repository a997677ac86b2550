"""A run that was asked for while its window was current brings everything, however late it begins."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.defs.partitions import REALM, cell_partitions, windows_of
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.defs.runs import cell, run_cells
from ledgerguard_pipeline_tests.sharing import connect_all, small_companies

pytestmark = pytest.mark.usefixtures("bronze_alone")

KEPT = ("Customer", "TaxCode", "Vendor")


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(small_companies(1)) as server:
        yield server


@pytest.fixture
def settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An installation that keeps few entity types, in this process and in its runs."""
    monkeypatch.setenv("LEDGERGUARD_ENTITIES", ",".join(KEPT))
    return settings.model_copy(update={"ledgerguard_entities": KEPT})


@pytest.fixture
def grid(
    persistent: dg.DagsterInstance, installation: Installation, sandbox: SandboxServer
) -> dg.DagsterInstance:
    """The instance; its company is connected, and nothing of it is loaded."""
    connect_all(installation.control, sandbox)
    persistent.add_dynamic_partitions(REALM, sandbox.realms)
    return persistent


def last_window(settings: Settings) -> tuple[str, datetime]:
    """The window before the current one, and when it ended."""
    windows = windows_of(cell_partitions(settings))
    name = windows.get_partition_keys()[-2]
    return name, windows.time_window_for_partition_key(name).end.astimezone(UTC)


def complete(installation: Installation, realm: str) -> set[str]:
    """The types that were read completely: a watermark says up to when."""
    known = installation.control.sync_states.read([RealmId(realm)]).get(RealmId(realm), {})
    return {name for name, state in known.items() if state.watermark is not None}


def test_a_first_load_that_waited_past_the_end_of_its_window_is_a_first_load(
    grid: dg.DagsterInstance, installation: Installation, sandbox: SandboxServer, settings: Settings
) -> None:
    name, end = last_window(settings)
    asked_at = end - timedelta(minutes=2)
    ran = run_cells(grid, settings, str(cell(sandbox.realm_id, name)), asked_at=asked_at)
    assert ran.success, ran
    assert complete(installation, sandbox.realm_id) == set(KEPT)


def test_a_retry_of_a_run_does_what_that_was_asked_for(
    grid: dg.DagsterInstance, installation: Installation, sandbox: SandboxServer, settings: Settings
) -> None:
    name, end = last_window(settings)
    old = str(cell(sandbox.realm_id, name))
    for endpoint in ("batch_item", "query"):
        sandbox.inject("company_expired", endpoint=endpoint, next=1000)
    first = run_cells(grid, settings, old, asked_at=end - timedelta(minutes=2))
    assert not first.success
    sandbox.clear_faults()
    again = run_cells(grid, settings, old, repeats=first)
    assert again.success, again
    assert complete(installation, sandbox.realm_id) == set(KEPT)


def test_an_old_window_that_is_asked_for_today_is_read_again_and_moves_nothing(
    grid: dg.DagsterInstance, installation: Installation, sandbox: SandboxServer, settings: Settings
) -> None:
    name, _ = last_window(settings)
    ran = run_cells(grid, settings, str(cell(sandbox.realm_id, name)))
    assert ran.success, ran
    assert complete(installation, sandbox.realm_id) == set()
