"""Every window a load covered is shown as materialized, one event each, by the run that did it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.defs.bronze.grid import Grid
from ledgerguard_pipeline.defs.partitions import (
    REALM,
    WINDOW,
    cell_partitions,
    current_cell,
    windows_of,
)
from ledgerguard_pipeline.ingestion.request import Window
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.defs.conftest import FIRST, plain_settings
from ledgerguard_pipeline_tests.defs.fleet.test_a_sweep_is_one_quiet_run import run_shard
from ledgerguard_pipeline_tests.defs.runs import key_of, run_cells
from ledgerguard_pipeline_tests.sharing import connect_all, small_companies

pytestmark = pytest.mark.usefixtures("bronze_alone")

TABLES = ("customer", "expense", "purchase")


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(small_companies(2)) as server:
        yield server


@pytest.fixture
def settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An installation that keeps few entity types, in this process and in its runs."""
    kept = ("Customer", "Purchase")
    monkeypatch.setenv("LEDGERGUARD_ENTITIES", ",".join(kept))
    return settings.model_copy(update={"ledgerguard_entities": kept})


@pytest.fixture
def two(installation: Installation, sandbox: SandboxServer) -> Installation:
    """Two connected companies of which nothing is loaded."""
    connect_all(installation.control, sandbox)
    return installation


@pytest.fixture
def grid(installed: dg.DagsterInstance, sandbox: SandboxServer) -> dg.DagsterInstance:
    installed.add_dynamic_partitions(REALM, sandbox.realms)
    return installed


def now(settings: Settings, realm: str) -> str:
    return str(current_cell(cell_partitions(settings), realm))


def column(settings: Settings, realm: str) -> set[str]:
    """Every cell of a company."""
    windows = windows_of(cell_partitions(settings)).get_partition_keys()
    return {f"{realm}|{window}" for window in windows}


def test_a_first_load_fills_the_companys_whole_column(
    two: Installation, sandbox: SandboxServer, settings: Settings, grid: dg.DagsterInstance
) -> None:
    first, second = sandbox.realms
    ran = run_cells(grid, settings, now(settings, first))
    assert ran.success, ran
    made = ran.materializations()
    assert made.keys() == {(table, cell) for table in TABLES for cell in column(settings, first)}
    # The figures stand on one cell, so that their sum over the grid is what was written.
    carrying = {cell for (table, cell), each in made.items() if "rows_written" in each}
    assert carrying == {now(settings, first)}
    for name in ("Customer", "Purchase", "Expense"):
        latest = grid.get_latest_materialization_event(key_of(name))
        assert latest is not None
        assert str(latest.asset_materialization.partition) == now(settings, first)  # type: ignore[union-attr]
        shown = grid.get_materialized_partitions(key_of(name))
        assert shown == column(settings, first), "the other company is as empty as before"
    assert second not in str(made.keys())


def test_reading_everything_again_adds_no_event_to_cells_that_are_green(
    two: Installation, sandbox: SandboxServer, settings: Settings, grid: dg.DagsterInstance
) -> None:
    first = sandbox.realms[0]
    run_cells(grid, settings, now(settings, first))
    again = run_cells(grid, settings, now(settings, first), config={"full": True})
    assert again.success, again
    assert {cell for _, cell in again.materializations()} == {now(settings, first)}


def test_a_first_load_by_a_sweep_fills_the_columns_of_all_its_companies(
    two: Installation, sandbox: SandboxServer, settings: Settings, grid: dg.DagsterInstance
) -> None:
    ran = run_shard(grid, settings, task="first")
    assert ran.success, ran
    expected = set().union(*(column(settings, realm) for realm in sandbox.realms))
    assert ran.materializations().keys() == {(table, cell) for table in TABLES for cell in expected}
    assert run_shard(grid, settings).materializations() == {}


@pytest.mark.parametrize(
    "covered,windows",
    [
        (None, []),
        (
            Window(None, datetime(2026, 3, 5, tzinfo=UTC)),
            ["2026-01-01", "2026-02-01", "2026-03-01"],
        ),
        (
            Window(datetime(2026, 2, 27, tzinfo=UTC), datetime(2026, 3, 5, tzinfo=UTC)),
            ["2026-02-01", "2026-03-01"],
        ),
        (
            Window(datetime(2026, 3, 1, 0, 1, tzinfo=UTC), datetime(2026, 3, 5, tzinfo=UTC)),
            ["2026-03-01"],
        ),
    ],
)
def test_a_sync_after_a_pause_covers_the_windows_of_the_pause(
    ephemeral: dg.DagsterInstance, covered: Window | None, windows: list[str]
) -> None:
    grid = Grid(ephemeral, cell_partitions(plain_settings()))
    lacking = grid.lacking(key_of("Customer"), FIRST, covered, ())
    assert [each.keys_by_dimension[WINDOW] for each in lacking] == windows


def test_an_idle_company_is_reported_once_in_every_window(ephemeral: dg.DagsterInstance) -> None:
    """Whose watermark lies in the current window is not asked about; a new window is noticed."""
    cells = cell_partitions(plain_settings())
    grid = Grid(ephemeral, cells)
    begin = windows_of(cells).get_last_partition_window()
    assert begin is not None
    inside = Window(begin.start + timedelta(minutes=10), None)
    before = Window(begin.start - timedelta(minutes=10), None)
    assert not grid.beyond_current(None)
    assert not grid.beyond_current(inside)
    assert grid.beyond_current(before)
    assert grid.beyond_current(Window(None, None))
