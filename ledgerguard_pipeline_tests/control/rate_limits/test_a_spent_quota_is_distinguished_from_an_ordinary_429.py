"""Both answer 429; only time tells them apart, and only one of them is worth waiting for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.errors import NeedsHuman, QuotaExhausted
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.stores import OpenPlane

REALM = RealmId("9341453474484455")
OTHER = RealmId("1234567890")


def refuse(plane: ControlPlane, clock: FakeClock, times: int, *, every: float = 240.0) -> None:
    for _ in range(times):
        plane.guard.cool_down(REALM, 60)
        clock.advance(every)


def exhaust(plane: ControlPlane, clock: FakeClock) -> None:
    refuse(plane, clock, 4)
    with pytest.raises(QuotaExhausted):
        plane.guard.cool_down(REALM, 60)


def succeed(plane: ControlPlane) -> None:
    with plane.guard.permit(REALM):
        plane.guard.record(REALM, entity="Bill", purpose="query", status=200)


def test_refusals_within_minutes_are_a_cool_down(plane: ControlPlane, clock: FakeClock) -> None:
    refuse(plane, clock, 8, every=90)
    plane.guard.cool_down(REALM, 60)
    assert plane.limiter.cooling_seconds(REALM) == 60
    assert plane.refusals.read()[REALM].resumes_at is None


def test_refusals_that_outlast_every_pause_are_a_spent_quota(
    plane: ControlPlane, clock: FakeClock
) -> None:
    exhaust(plane, clock)
    with pytest.raises(QuotaExhausted, match="quota of reads is used up") as caught:
        plane.guard.permit(REALM).__enter__()
    assert isinstance(caught.value, NeedsHuman)
    assert (caught.value.realm_id, caught.value.status) == (REALM, 429)
    assert plane.calls.usage() == {}


def test_a_success_in_between_begins_a_new_run(plane: ControlPlane, clock: FakeClock) -> None:
    refuse(plane, clock, 4)
    succeed(plane)
    assert plane.refusals.read() == {}
    refuse(plane, clock, 4)


def test_a_success_in_another_process_counts_as_well(
    open_plane: OpenPlane, clock: FakeClock
) -> None:
    one, other = open_plane(clock=clock), open_plane(clock=clock)
    refuse(one, clock, 2)
    succeed(other)
    assert one.refusals.read() == {}


def test_refusals_hours_apart_are_no_run(plane: ControlPlane, clock: FakeClock) -> None:
    refuse(plane, clock, 6, every=3 * 3_600)
    assert plane.refusals.read()[REALM].count == 1


def test_once_an_hour_one_call_of_all_processes_asks_again(
    open_plane: OpenPlane, clock: FakeClock
) -> None:
    planes = [open_plane(clock=clock), open_plane(clock=clock)]
    exhaust(planes[0], clock)
    clock.advance(3_599)
    for plane in planes:
        with pytest.raises(QuotaExhausted):
            plane.guard.permit(REALM).__enter__()
    clock.advance(20)
    with planes[0].guard.permit(REALM), pytest.raises(QuotaExhausted):
        planes[0].guard.cool_down(REALM, 60)  # still spent
    for plane in planes:
        with pytest.raises(QuotaExhausted):
            plane.guard.permit(REALM).__enter__()
    clock.advance(3_620)
    succeed(planes[1])
    clock.advance(20)
    succeed(planes[0])
    assert planes[0].refusals.read() == {}


def test_a_new_month_opens_it_again(open_plane: OpenPlane) -> None:
    clock = FakeClock(datetime(2026, 11, 30, 23, 20, tzinfo=UTC))
    plane = open_plane(clock=clock)
    exhaust(plane, clock)
    assert plane.refusals.read()[REALM].resumes_at == datetime(2026, 12, 1, tzinfo=UTC)
    clock.advance(timedelta(hours=1).total_seconds())
    succeed(plane)


def test_other_companies_are_not_kept_from_calling(plane: ControlPlane, clock: FakeClock) -> None:
    exhaust(plane, clock)
    with plane.guard.permit(OTHER):
        plane.guard.record(OTHER, entity="Bill", purpose="query", status=200)
    assert set(plane.refusals.read()) == {REALM}
