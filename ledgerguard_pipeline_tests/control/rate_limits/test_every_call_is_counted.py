from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from sqlalchemy import func, select

from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.rate_limits.call_ledger import (
    CallCount,
    CallUsage,
    forecast,
    next_month,
)
from ledgerguard_pipeline.control.storage.schema import call_slots
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


def test_what_all_companies_used_is_known_at_once(open_plane: OpenPlane) -> None:
    clock = FakeClock(datetime(2026, 11, 20, 12, tzinfo=UTC))
    plane = open_plane(clock=clock)
    for status in (200, 200, 429, 503, 401, 0):
        metered = 2 if status == 200 else 0
        plane.calls.record(REALM, entity="Bill", purpose="full", status=status, metered=metered)
    plane.calls.record(OTHER, entity="Bill", purpose="full", status=400, metered=0)

    assert plane.calls.usage() == {
        REALM: CallUsage(month_to_date=4, last_day=4, recent=6, failed=3),
        OTHER: CallUsage(recent=1),
    }
    clock.advance(3_600)
    assert plane.calls.usage()[REALM] == CallUsage(month_to_date=4, last_day=4)
    clock.advance(86_400)
    assert plane.calls.usage()[REALM] == CallUsage(month_to_date=4)


def test_failures_before_a_recovery_are_history(plane: ControlPlane) -> None:
    for realm in (REALM, OTHER):
        for status in (200, 429, 503, 401, 403, 0):
            plane.calls.record(realm, entity="Bill", purpose="full", status=status)
    plane.companies.heartbeat(REALM, 41.5)
    assert plane.calls.usage()[REALM].failed == 4, "a success alone is no recovery"
    before = plane.calls.by_purpose(REALM)

    plane.companies.heartbeat(REALM, 41.5, recovered=True)

    usage = plane.calls.usage()
    assert (usage[REALM].recent, usage[REALM].failed) == (2, 0)
    assert usage[OTHER].failed == 4, "another company's failures are its own"
    assert plane.calls.by_purpose(REALM) == before, "the month keeps them"


def test_half_hours_nobody_asks_for_are_dropped(open_plane: OpenPlane) -> None:
    clock = FakeClock()
    plane = open_plane(clock=clock)
    for _ in range(60):
        plane.calls.record(REALM, entity="Bill", purpose="full", status=200)
        clock.advance(1_800)
    with plane.database.read() as connection:
        kept = connection.execute(select(func.count()).select_from(call_slots)).scalar_one()
    assert kept <= 50
    assert plane.calls.month_to_date(REALM) == 60


def test_a_forecast_goes_on_at_the_rate_of_the_last_day() -> None:
    noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert forecast(1_000, 100, noon) == 1_000 + 1_050
    assert forecast(1_000, 0, noon) == 1_000
    assert next_month(datetime(2026, 12, 31, 23, 59, tzinfo=UTC)) == datetime(
        2027, 1, 1, tzinfo=UTC
    )
