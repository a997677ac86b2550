from __future__ import annotations

import random

import pytest

from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.protocols import Limiter
from ledgerguard_pipeline.control.rate_limits import redis_limiter as in_redis
from ledgerguard_pipeline.control.rate_limits import sql_limiter as in_database
from ledgerguard_pipeline.control.rate_limits.permits import (
    COOL_DOWN_LIMIT_SECONDS,
    PERMIT_SECONDS,
    Budgets,
)
from ledgerguard_pipeline.errors import Throttled
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.control.leases.dead_process import dead_process
from ledgerguard_pipeline_tests.control.rate_limits.raw_limits import (
    give_permits_to,
    in_flight,
    limiter_of,
    starts,
)
from ledgerguard_pipeline_tests.stores import on_all_stores

pytestmark = on_all_stores

REALM = RealmId("9341453474484455")
OTHER = RealmId("1234567890")


def limiter(plane: ControlPlane, **budgets: int) -> Limiter:
    names = ("per_minute", "per_second", "batches_per_minute", "concurrent")
    return limiter_of(plane, Budgets(**{name: budgets.get(name, 1000) for name in names}))


def start(limiter: Limiter, clock: FakeClock, *, batch: bool = False) -> float:
    """Start one call and end it at once; the time at which it started."""
    with limiter.permit(REALM, batch=batch):
        return clock.now().timestamp()


def most_in_any(window: float, starts: list[float]) -> int:
    return max(sum(1 for other in starts if began <= other < began + window) for began in starts)


@pytest.mark.parametrize("per_minute,per_second", [(5, 1000), (12, 3), (1000, 4), (1, 1)])
def test_no_window_ever_holds_more_than_the_budget(
    plane: ControlPlane, clock: FakeClock, per_minute: int, per_second: int
) -> None:
    gate = limiter(plane, per_minute=per_minute, per_second=per_second)
    pauses = random.Random(7)
    starts = []
    for _ in range(40):
        starts.append(start(gate, clock))
        if pauses.random() < 0.3:
            clock.advance(pauses.random() * 20)

    assert most_in_any(60, starts) <= per_minute
    assert most_in_any(1, starts) <= per_second


def test_the_budget_can_be_used_to_the_full(plane: ControlPlane, clock: FakeClock) -> None:
    gate = limiter(plane, per_minute=5)
    starts = [start(gate, clock) for _ in range(15)]

    assert most_in_any(60, starts) == 5
    assert starts[-1] - starts[0] == pytest.approx(120, abs=0.1)


def test_batches_have_a_budget_of_their_own_and_count_as_calls(
    plane: ControlPlane, clock: FakeClock
) -> None:
    gate = limiter(plane, batches_per_minute=2, per_minute=6)
    starts = [start(gate, clock, batch=True) for _ in range(4)]
    assert most_in_any(60, starts) == 2

    calls = [start(gate, clock) for _ in range(6)]
    assert most_in_any(60, starts + calls) == 6


def test_companies_do_not_share_a_budget(plane: ControlPlane, clock: FakeClock) -> None:
    gate = limiter(plane, per_minute=1)
    start(gate, clock)
    with gate.permit(OTHER) as permit:
        assert permit.waited_seconds == 0


def test_a_wait_names_its_reason(plane: ControlPlane, clock: FakeClock) -> None:
    gate = limiter(plane, per_minute=1)
    start(gate, clock)
    with gate.permit(REALM) as permit:
        assert permit.waited_seconds == pytest.approx(60, abs=0.1)
        assert permit.reason is not None
        assert "calls-per-minute" in permit.reason


def test_a_wait_beyond_the_deadline_is_refused_at_once_and_counts_nothing(
    plane: ControlPlane, clock: FakeClock
) -> None:
    gate = limiter(plane, per_minute=2)
    start(gate, clock)
    start(gate, clock)
    clock.advance(20)
    with (
        pytest.raises(Throttled) as caught,
        gate.permit(REALM, deadline=clock.monotonic() + 30),
    ):
        pass
    assert caught.value.retry_after == pytest.approx(40, abs=0.1)
    assert clock.slept == []

    clock.advance(40)
    start(gate, clock)
    start(gate, clock)
    assert clock.slept == []


def test_calls_in_flight_are_limited(plane: ControlPlane, clock: FakeClock) -> None:
    gate = limiter(plane, concurrent=2)
    with gate.permit(REALM), gate.permit(REALM):
        with (
            pytest.raises(Throttled, match="in flight"),
            gate.permit(REALM, deadline=clock.monotonic() + 1),
        ):
            pass
        with gate.permit(OTHER):
            pass
    start(gate, clock)


def test_a_failed_call_gives_its_permit_back(plane: ControlPlane, clock: FakeClock) -> None:
    gate = limiter(plane, concurrent=1)
    with pytest.raises(ZeroDivisionError), gate.permit(REALM):
        raise ZeroDivisionError
    start(gate, clock)
    assert clock.slept == []


def test_a_permit_nobody_gives_back_expires(plane: ControlPlane, clock: FakeClock) -> None:
    gate = limiter(plane, concurrent=1)
    lost = gate.permit(REALM)
    lost.__enter__()
    clock.advance(PERMIT_SECONDS - 1)
    began = clock.now()
    start(gate, clock)

    assert (clock.now() - began).total_seconds() == pytest.approx(1, abs=0.1)


def test_permits_of_a_killed_process_are_free_at_once(
    plane: ControlPlane, clock: FakeClock
) -> None:
    gate = limiter(plane, concurrent=1)
    lost = gate.permit(REALM)
    lost.__enter__()
    give_permits_to(plane, REALM, dead_process())

    start(gate, clock)
    assert clock.slept == []


def test_a_cool_down_stops_the_whole_company_and_only_it(
    plane: ControlPlane, clock: FakeClock
) -> None:
    gate = limiter(plane)
    gate.cool_down(REALM, 60)
    with gate.permit(OTHER) as other:
        assert other.waited_seconds == 0
    assert gate.cooling_seconds(REALM) == pytest.approx(60)
    with gate.permit(REALM) as permit:
        assert permit.waited_seconds == pytest.approx(60)
        assert permit.reason is not None
        assert "slow down" in permit.reason
    assert gate.cooling_seconds(REALM) == 0


def test_a_cool_down_is_never_shortened_and_never_endless(
    plane: ControlPlane, clock: FakeClock
) -> None:
    gate = limiter(plane)
    gate.cool_down(REALM, 60)
    gate.cool_down(REALM, 1)
    assert gate.cooling_seconds(REALM) == pytest.approx(60)
    gate.cool_down(REALM, 1e9)
    assert gate.cooling_seconds(REALM) == pytest.approx(COOL_DOWN_LIMIT_SECONDS)


def test_a_clock_that_is_set_back_neither_blocks_nor_opens_a_window(
    plane: ControlPlane, clock: FakeClock
) -> None:
    gate = limiter(plane, per_minute=3)
    for _ in range(3):
        start(gate, clock)
    gate.cool_down(REALM, 30)
    clock.set_back(3600)
    began = clock.monotonic()
    start(gate, clock)

    assert clock.monotonic() - began == pytest.approx(60, abs=0.1)


def test_companies_that_cool_down_are_reported_at_once(plane: ControlPlane) -> None:
    gate = limiter(plane)
    gate.cool_down(REALM, 60)
    assert gate.cooling([REALM, OTHER]) == {REALM: pytest.approx(60)}
    assert gate.cooling([]) == {}


def test_a_permit_is_out_only_during_its_call(plane: ControlPlane) -> None:
    gate = limiter(plane)
    with gate.permit(REALM), gate.permit(REALM):
        assert in_flight(plane, REALM) == 2
    assert in_flight(plane, REALM) == 0


def test_what_no_budget_looks_at_any_more_is_forgotten(
    plane: ControlPlane, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_database, "_KEPT_STAMPS", 20)
    monkeypatch.setattr(in_redis, "_KEPT_STARTS", 20)
    wide, narrow = (
        limiter(plane, per_minute=most, per_second=most, batches_per_minute=most)
        for most in (100, 10)
    )
    for _ in range(45):
        start(wide, clock)
    assert len(starts(plane, REALM)) == 45
    clock.advance(60)
    for _ in range(6):
        start(narrow, clock)
    assert len(starts(plane, REALM)) == 20
