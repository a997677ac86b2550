"""A run's cells become one span of time per company, whatever mixture was asked for."""

from datetime import UTC, datetime

import dagster as dg
import pytest
import time_machine

from ledgerguard_pipeline.defs.partitions import (
    REALM,
    WINDOW,
    by_realm,
    cell_partitions,
    current_cell,
    current_window,
)
from ledgerguard_pipeline.ingestion.request import Window
from ledgerguard_pipeline_tests.defs.conftest import FIRST, SECOND, plain_settings

NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def june() -> object:
    with time_machine.travel(NOW, tick=False) as travel:
        yield travel


def _cell(realm: str, window: str) -> dg.MultiPartitionKey:
    return dg.MultiPartitionKey({REALM: realm, WINDOW: window})


def test_the_current_window_asks_for_what_the_watermark_lacks(
    cells: dg.MultiPartitionsDefinition,
) -> None:
    [company] = by_realm(cells, [_cell(FIRST, "2026-06-01")])
    assert company.window is None


def test_a_span_that_reaches_the_current_window_is_read_up_to_now(
    cells: dg.MultiPartitionsDefinition,
) -> None:
    keys = [_cell(FIRST, f"2026-{month:02}-01") for month in range(1, 7)]
    [year] = by_realm(cells, keys)
    assert year.window == Window(start=None, end=None)
    assert year.keys == tuple(keys)
    [spring] = by_realm(cells, keys[2:])
    assert spring.window == Window(start=datetime(2026, 3, 1, tzinfo=UTC), end=None)


@pytest.mark.parametrize(
    "asked_at,window",
    [
        ("2026-05-31T23:59:59", None),
        ("2026-05-01T00:00:00", None),
        ("2026-06-01T00:00:30", None),  # by a tick that began in May
        (
            "2026-06-01T00:01:30",
            Window(datetime(2026, 5, 1, tzinfo=UTC), NOW.replace(day=1, hour=0)),
        ),
        (
            "2026-04-30T23:59:59",
            Window(datetime(2026, 5, 1, tzinfo=UTC), NOW.replace(day=1, hour=0)),
        ),
    ],
)
def test_a_window_that_was_current_when_it_was_asked_for_is_brought_up_to_date(
    cells: dg.MultiPartitionsDefinition, asked_at: str, window: Window | None
) -> None:
    """However late its run begins."""
    at = datetime.fromisoformat(asked_at).replace(tzinfo=UTC)
    [company] = by_realm(cells, [_cell(FIRST, "2026-05-01")], lambda: [NOW, at])
    assert company.window == window
    spring = [_cell(FIRST, "2026-04-01"), _cell(FIRST, "2026-05-01")]
    [company] = by_realm(cells, spring, lambda: [NOW, at])
    end = None if window is None else window.end
    assert company.window == Window(start=datetime(2026, 4, 1, tzinfo=UTC), end=end)


def test_nobody_is_asked_when_a_run_of_the_current_window_was_asked_for(
    cells: dg.MultiPartitionsDefinition,
) -> None:
    def asked_at() -> list[datetime]:
        raise AssertionError("each step would ask")

    [company] = by_realm(cells, [_cell(FIRST, "2026-06-01")], asked_at)
    assert company.window is None


def test_the_first_window_is_open_to_the_left(cells: dg.MultiPartitionsDefinition) -> None:
    [company] = by_realm(cells, [_cell(FIRST, "2026-01-01")])
    assert company.window == Window(start=None, end=datetime(2026, 2, 1, tzinfo=UTC))


def test_old_windows_become_one_span_from_the_oldest_to_the_newest(
    cells: dg.MultiPartitionsDefinition,
) -> None:
    [company] = by_realm(cells, [_cell(FIRST, "2026-04-01"), _cell(FIRST, "2026-02-01")])
    assert company.window == Window(
        start=datetime(2026, 2, 1, tzinfo=UTC), end=datetime(2026, 5, 1, tzinfo=UTC)
    )
    assert [key.keys_by_dimension[WINDOW] for key in company.keys] == ["2026-02-01", "2026-04-01"]


def test_a_range_typed_by_hand_over_two_companies_is_taken_apart(
    cells: dg.MultiPartitionsDefinition,
) -> None:
    keys = [_cell(SECOND, "2026-03-01"), _cell(FIRST, "2026-06-01"), _cell(FIRST, "2026-03-01")]
    companies = {each.realm_id: each for each in by_realm(cells, keys)}
    assert companies[FIRST].window == Window(start=datetime(2026, 3, 1, tzinfo=UTC), end=None)
    assert companies[SECOND].window == Window(
        start=datetime(2026, 3, 1, tzinfo=UTC), end=datetime(2026, 4, 1, tzinfo=UTC)
    )


def test_plain_text_keys_as_the_run_brings_them_are_understood(
    cells: dg.MultiPartitionsDefinition,
) -> None:
    [company] = by_realm(cells, [f"{FIRST}|2026-02-01"])
    assert company.realm_id == FIRST


@pytest.mark.parametrize(
    "cadence,start,first,current",
    [
        ("monthly", "2026-01-15", "2026-01-01", "2026-06-01"),
        ("weekly", "2026-01-01", "2025-12-29", "2026-06-08"),
        ("daily", "2026-06-09", "2026-06-09", "2026-06-10"),
        ("monthly", "2026-06-10", "2026-06-01", "2026-06-01"),
    ],
)
def test_windows_run_from_the_one_with_the_start_date_to_the_one_with_today(
    cadence: str, start: str, first: str, current: str
) -> None:
    cells = cell_partitions(
        plain_settings(ledgerguard_partition_cadence=cadence, ledgerguard_start_date=start)
    )
    windows = cells.get_partitions_def_for_dimension(WINDOW)
    keys = windows.get_partition_keys()
    assert keys[0] == first
    assert keys[-1] == current == current_window(cells)


def test_the_current_cell_is_a_key_of_the_grid(cells: dg.MultiPartitionsDefinition) -> None:
    key = current_cell(cells, FIRST)
    assert str(key) == f"{FIRST}|2026-06-01"
