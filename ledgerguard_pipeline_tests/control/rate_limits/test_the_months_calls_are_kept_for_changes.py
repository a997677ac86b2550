"""Near the end of the monthly budget calls slow down, then optional work stops; changes go on."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.rate_limits.monthly_budget import LONGEST_SPACING_SECONDS
from ledgerguard_pipeline.errors import CallBudgetSpent, NeedsHuman, Throttled
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.stores import OpenPlane

REALM = RealmId("9341453474484455")
OTHER = RealmId("1234567890")
LIMIT = 1_000


def opened(
    open_plane: OpenPlane, used: int, at: datetime = datetime(2026, 11, 10, tzinfo=UTC)
) -> tuple[ControlPlane, FakeClock]:
    clock = FakeClock(at)
    plane = open_plane(clock=clock, ledgerguard_monthly_call_budget=LIMIT)
    half = used // 2
    plane.calls.record(REALM, entity="Bill", purpose="full", status=200, metered=half)
    plane.calls.record(OTHER, entity="Bill", purpose="full", status=200, metered=used - half)
    return plane, clock


def starts(plane: ControlPlane, clock: FakeClock, calls: int) -> list[float]:
    began, found = clock.monotonic(), []
    for _ in range(calls):
        with plane.guard.permit(REALM):
            found.append(clock.monotonic() - began)
    return found


def test_below_four_fifths_nothing_is_slowed(open_plane: OpenPlane) -> None:
    plane, clock = opened(open_plane, 799)
    assert starts(plane, clock, 3) == [0, 0, 0]
    plane.budget.require("Anything")


def test_from_four_fifths_on_calls_start_apart_so_that_the_rest_lasts(
    open_plane: OpenPlane,
) -> None:
    plane, clock = opened(open_plane, 800, datetime(2026, 11, 30, 23, 50, tzinfo=UTC))
    assert starts(plane, clock, 3) == [0, 3, 6]  # ten minutes, two hundred calls
    plane.budget.require("Anything")


def test_calls_are_never_spaced_so_far_that_changes_fall_behind(open_plane: OpenPlane) -> None:
    plane, clock = opened(open_plane, 999)
    assert starts(plane, clock, 2) == [0, LONGEST_SPACING_SECONDS]


def test_a_call_that_cannot_start_in_time_is_not_waited_for(open_plane: OpenPlane) -> None:
    plane, clock = opened(open_plane, 999)
    starts(plane, clock, 1)
    with pytest.raises(Throttled, match="spaced out"):
        plane.guard.permit(REALM, deadline=clock.monotonic() + 5).__enter__()


def test_near_the_end_optional_work_is_refused_and_calls_go_on(open_plane: OpenPlane) -> None:
    plane, clock = opened(open_plane, 950)
    with pytest.raises(CallBudgetSpent, match="Reconciling is skipped: 950 of") as caught:
        plane.budget.require("Reconciling")
    assert isinstance(caught.value, NeedsHuman)
    assert len(starts(plane, clock, 2)) == 2


def test_a_new_month_begins_with_the_whole_budget(open_plane: OpenPlane) -> None:
    plane, clock = opened(open_plane, 1_000, datetime(2026, 11, 30, 23, 59, tzinfo=UTC))
    assert plane.budget.use().spent
    clock.advance(61)
    assert plane.budget.use().used == 0
    plane.budget.require("Anything")


def test_what_is_used_is_not_asked_for_every_call(open_plane: OpenPlane) -> None:
    plane, clock = opened(open_plane, 100)
    assert plane.budget.use().used == 100
    plane.calls.record(REALM, entity="Bill", purpose="full", status=200, metered=900)
    assert plane.budget.use().used == 100
    clock.advance(30)
    assert plane.budget.use().spent
