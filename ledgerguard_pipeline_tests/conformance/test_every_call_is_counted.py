from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from ledgerguard_pipeline.control.calls import CallCount
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.values import Environment, RealmId
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.stores import OpenPlane

REALM = RealmId("9341453474484455")
OTHER = RealmId("1234567890")


def test_calls_are_counted_by_entity_purpose_and_status(plane: ControlPlane) -> None:
    for _ in range(3):
        plane.calls.record(REALM, entity="Invoice", purpose="full", status=200)
    plane.calls.record(REALM, entity="Invoice", purpose="full", status=429, metered=0)
    plane.calls.record(REALM, entity="25 types", purpose="count", status=200, metered=25)
    plane.calls.record(OTHER, entity="Bill", purpose="full", status=200)

    assert plane.calls.by_purpose(REALM) == [
        CallCount("25 types", "count", 200, 1, 25),
        CallCount("Invoice", "full", 200, 3, 3),
        CallCount("Invoice", "full", 429, 1, 0),
    ]
    assert plane.calls.month_to_date(REALM) == 28
    assert plane.calls.total_month_to_date() == 29


def test_a_new_month_starts_at_zero(open_plane: OpenPlane) -> None:
    clock = FakeClock(datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC))
    plane = open_plane(clock=clock)
    plane.calls.record(REALM, entity="Invoice", purpose="full", status=200)
    clock.advance(1)

    assert plane.calls.month_to_date(REALM) == 0
    assert plane.calls.total_month_to_date() == 0


def test_environments_are_counted_apart(plane: ControlPlane, open_plane: OpenPlane) -> None:
    plane.calls.record(REALM, entity="Invoice", purpose="full", status=200)
    production = open_plane(clock=plane.clock, intuit_env=Environment.PRODUCTION)

    assert production.calls.month_to_date(REALM) == 0


def test_no_count_is_lost_between_threads_and_planes(open_plane: OpenPlane) -> None:
    planes = [open_plane(), open_plane()]

    def record(each: int) -> None:
        planes[each % 2].calls.record(REALM, entity="Invoice", purpose="full", status=200)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(record, range(200)))
    assert planes[0].calls.month_to_date(REALM) == 200
