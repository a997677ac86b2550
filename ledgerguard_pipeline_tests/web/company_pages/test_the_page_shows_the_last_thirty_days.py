"""Pictures on the company page: health, rows, calls and event times of the last days, as plain SVG."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.company_state.daily_history import (
    ALL_COMPANIES,
    KEPT_DAYS,
    DayHealth,
)
from ledgerguard_pipeline.control.company_state.sync_state import Committed
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.health.company_status import MonthlyCalls
from ledgerguard_pipeline.health.history import note_health
from ledgerguard_pipeline.values import Mode
from ledgerguard_pipeline.web.app import create_app
from ledgerguard_pipeline.web.company_pages.history import event_times
from ledgerguard_pipeline.web.company_pages.month_calls import MonthCalls, month_calls
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import delivery, event
from ledgerguard_pipeline_tests.web.browser import Browser
from ledgerguard_pipeline_tests.web.companies import add, realm
from ledgerguard_pipeline_tests.web.conftest import Edge


def section(edge: Edge) -> str:
    answer = Browser(create_app(edge)).get(f"/companies/{realm(0)}")
    assert answer.status_code == 200, answer.text
    found = re.search(r'<section aria-labelledby="history">.*?</section>', answer.text, re.DOTALL)
    assert found
    return found.group(0)


def test_a_company_without_history_says_so(edge: Edge) -> None:
    add(edge.control, synced=False)
    shown = section(edge)
    assert "no day was seen yet" in shown
    assert shown.count("not-seen") == 31, "thirty days and the key"
    assert "No row was written" in shown
    assert "No event has become a row yet" in shown


def test_the_strip_has_the_worst_state_of_each_day_with_its_reason(edge: Edge) -> None:
    control = edge.control
    add(control)
    today = control.now().date()
    note = control.history.note_health
    note(today - timedelta(days=29), {realm(0): DayHealth("healthy")})
    note(today - timedelta(days=20), {realm(0): DayHealth("loading", "The first load is running.")})
    note(today - timedelta(days=2), {realm(0): DayHealth("unhealthy", "It <b>broke</b>.")})
    note(today - timedelta(days=1), {realm(0): DayHealth("degraded", "Late.")})
    note(today, {realm(0): DayHealth("healthy")})
    note(today, {realm(1): DayHealth("unhealthy", "Somebody else.")})
    shown = section(edge)
    assert "nothing wrong on 3 of 5 days seen" in shown
    assert "2 days on which something was wrong" in shown
    assert "It &lt;b&gt;broke&lt;/b&gt;." in shown
    assert "Somebody else" not in shown
    assert shown.count('class="day unhealthy"') == shown.count('class="day degraded"') == 1
    signs = re.findall(r'<text class="sign"[^>]*>(.)</text>', shown)
    assert len(signs) == 3, "whoever sees no colour sees a sign"


def test_health_is_noted_when_it_becomes_worse_and_old_days_go(edge: Edge) -> None:
    control = edge.control
    add(control)
    add(control, 1, status=ConnectionStatus.DISCONNECTED)
    today = control.now().date()
    long_ago = today - timedelta(days=KEPT_DAYS + 1)
    control.history.note_health(long_ago, {realm(0): DayHealth("healthy")})
    assert note_health(control, edge.settings) == 2
    assert control.history.health_on(long_ago) == {}
    assert note_health(control, edge.settings) == 0, "nothing became worse"
    add(control, failed={"Invoice": "It failed."})
    assert note_health(control, edge.settings) == 1
    add(control)
    assert note_health(control, edge.settings) == 0, "a day keeps its worst state"
    noted = control.history.health_on(today)
    assert noted[realm(0)].state in ("degraded", "unhealthy")
    assert "Invoice" in noted[realm(0)].reason
    assert noted[realm(1)].state == "disconnected"


def test_rows_are_counted_by_group_and_day(edge: Edge) -> None:
    control = edge.control
    add(control)
    for changed in (5, 7):
        parts = [
            Committed("Invoice", Mode.CDC, "l", 0, 0, changed=changed),
            Committed("Customer", Mode.CDC, "l", 0, 0, changed=1),
            Committed("Bill", Mode.CDC, "l", 0, 0, changed=0),
        ]
        control.sync_states.committed(realm(0), parts)
    today = control.now().date()
    rows = control.history.rows(realm(0), today)
    assert rows["sales"][today.isoformat()] >= 12
    assert "purchases" not in rows
    shown = section(edge)
    assert 'aria-label="Sales: ' in shown
    assert "Purchases" not in shown


def test_calls_are_kept_by_day_when_their_half_hours_go(edge: Edge) -> None:
    clock = FakeClock()
    day = clock.now().date()
    first, third = day.isoformat(), (day + timedelta(days=2)).isoformat()
    with ControlPlane.open(edge.settings, clock=clock) as control:

        def record(index: int, metered: int) -> None:
            control.calls.record(
                realm(index), entity="Invoice", purpose="sync", status=200, metered=metered
            )

        def by_day() -> list[dict[str, int]]:
            return [control.history.calls(each, day) for each in (realm(0), ALL_COMPANIES)]

        record(0, 30)
        record(1, 12)
        assert by_day() == [{first: 30}, {first: 42}]
        clock.advance(2 * 86_400)
        record(0, 1)
        assert by_day() == [{first: 30, third: 1}, {first: 42, third: 1}]


def chart(
    ours: Mapping[str, int], everybody: Mapping[str, int], calls: MonthlyCalls, day: int = 10
) -> MonthCalls:
    return month_calls(datetime(2026, 11, day, 12, tzinfo=UTC), ours, everybody, calls)


def test_the_chart_of_calls_grows_to_the_months_figure_and_shows_a_budget_within_reach() -> None:
    ours, everybody = {"2026-11-03": 20, "2026-11-09": 30}, {"2026-11-03": 50, "2026-11-09": 30}
    calls = MonthlyCalls(60, 200, 150, all_companies=100, all_forecast=300)
    found = chart(ours, everybody, calls)
    assert [each.day for each in found.days] == list(range(1, 11))
    assert "60 of this company, 100 of all" in found.days[-1].text
    assert "10 of this company, 20 of all" in found.days[0].text, "what no day was counted for"
    assert found.budget_y is not None
    assert found.share == "50.0 %"
    for each in found.days:
        for bar in (each.ours, each.others):
            assert 0 <= bar.y <= bar.y + bar.height <= found.height + 0.2
            assert 0 <= bar.x <= bar.x + bar.width <= found.width
    far = chart(
        ours, everybody, MonthlyCalls(60, 500_000, 150, all_companies=100, all_forecast=300)
    )
    assert far.budget_y is None
    assert max(each.ours.height + each.others.height for each in far.days) > 90


def test_a_first_day_without_any_call_is_a_chart_all_the_same() -> None:
    found = chart({}, {}, MonthlyCalls(0, None, 0), day=1)
    assert len(found.days) == 1
    assert found.budget_y is None


def test_event_times_are_in_buckets_and_in_words() -> None:
    assert event_times([]) is None
    found = event_times([0.4, 1.5, 1.8, 4.0, 45.0, 7_200.0])
    assert found is not None
    assert [(each.name, each.count) for each in found.buckets] == [
        ("1 s", 1), ("2 s", 2), ("5 s", 1), ("10 s", 0), ("30 s", 0), ("1 min", 1),
        ("5 min", 0), ("longer", 1),
    ]  # fmt: skip
    assert (found.count, found.middle) == (6, "2.9 s")
    one = event_times([0.2])
    assert one is not None
    assert (one.middle, one.most, len(one.buckets)) == ("0.2 s", "0.2 s", 3)


def test_the_times_of_a_companys_own_events_are_shown(edge: Edge) -> None:
    control = edge.control
    add(control)
    add(control, 1)
    events = [event(f"e{at}", realm=realm(at % 2)) for at in range(3)]
    control.deliveries.accept([delivery(events)])
    leased = control.inbox.lease("me", realms=[realm(0), realm(1)])
    assert control.inbox.done("me", [each.seq for each in leased]) == 3
    assert len(control.inbox.seconds_to_rows(realm(0))) == 2
    assert "the last 2 events" in section(edge)
