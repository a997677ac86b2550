"""Every entity goes the cheapest way that leaves no gap."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.ingestion.plan import CDC_REACH, OVERLAP, EntityPlan, plan_entities
from ledgerguard_pipeline.ingestion.request import SyncRequest, Window
from ledgerguard_pipeline.values import Mode, parse_realm

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
REALM = parse_realm("9341453474484455")


def plan(name: str, *, age: timedelta | None = None, **options: object) -> EntityPlan:
    request = SyncRequest(REALM, (entity_type(name),), **options)  # type: ignore[arg-type]  # as given
    watermarks = {} if age is None else {name: NOW - age}
    (only,) = plan_entities(request, watermarks, NOW)
    return only


def test_what_was_never_loaded_is_walked() -> None:
    assert plan("Invoice") == EntityPlan(entity_type("Invoice"), Mode.FULL)


@pytest.mark.parametrize(
    "name, age, mode, counted",
    [
        ("Invoice", timedelta(minutes=1), Mode.CDC, False),
        ("Invoice", CDC_REACH - OVERLAP, Mode.CDC, False),
        ("Invoice", CDC_REACH, Mode.QUERY, True),
        ("Invoice", timedelta(days=400), Mode.QUERY, True),
        ("TimeActivity", timedelta(minutes=1), Mode.QUERY, True),
        ("CompanyInfo", timedelta(minutes=1), Mode.CDC, False),
        ("CompanyInfo", timedelta(days=60), Mode.FULL, False),
    ],
)
def test_the_age_of_the_watermark_decides(
    name: str, age: timedelta, mode: Mode, counted: bool
) -> None:
    found = plan(name, age=age)
    assert (found.mode, found.count_after, found.advances) == (mode, counted, True)


def test_changes_are_asked_from_before_the_watermark() -> None:
    found = plan("Invoice", age=timedelta(hours=1))
    assert found.since == NOW - timedelta(hours=1) - OVERLAP


def test_full_wins_over_everything() -> None:
    assert plan("Invoice", age=timedelta(minutes=1), full=True).mode is Mode.FULL


@pytest.mark.parametrize(
    "since, advances", [(timedelta(hours=3), True), (timedelta(hours=1), False)]
)
def test_only_a_since_before_the_watermark_may_move_it(since: timedelta, advances: bool) -> None:
    found = plan("Invoice", age=timedelta(hours=2), since=NOW - since)
    assert (found.mode, found.since, found.advances) == (Mode.CDC, NOW - since, advances)


def test_a_since_without_a_watermark_leaves_the_first_load_to_do() -> None:
    assert plan("Invoice", since=NOW - timedelta(days=90)).advances is False


def test_a_long_look_back_counts_what_a_query_does_not_show() -> None:
    ago = NOW - timedelta(days=90)
    found = plan("Invoice", age=timedelta(hours=2), since=ago)
    assert (found.mode, found.advances, found.count_after) == (Mode.QUERY, True, True)


def test_a_window_that_is_open_to_the_right_reads_again_up_to_now() -> None:
    ago = NOW - timedelta(days=90)
    assert plan("Invoice", window=Window(ago, None)).mode is Mode.FULL
    loaded = timedelta(minutes=1)
    assert plan("Invoice", age=loaded, window=Window(None, None)).mode is Mode.FULL
    found = plan("Invoice", age=loaded, window=Window(ago, None))
    assert found == plan("Invoice", age=loaded, since=ago)


def test_a_window_heals_by_query_and_moves_nothing() -> None:
    window = Window(NOW - timedelta(days=60), NOW - timedelta(days=30))
    found = plan("Invoice", age=timedelta(minutes=1), window=window)
    assert (found.mode, found.since, found.until) == (Mode.QUERY, window.start, window.end)
    assert found.advances is False
