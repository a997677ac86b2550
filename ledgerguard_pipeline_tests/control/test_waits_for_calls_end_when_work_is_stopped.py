"""What is stopped waits for no call any more; what has to come to its end is left alone."""

from __future__ import annotations

import pytest

from ledgerguard_pipeline.clock import Backoff, Stop, go_on, wait_for_call
from ledgerguard_pipeline.errors import OutOfTime
from ledgerguard_pipeline.qbo.transport.retry import Plan, RetryPolicy
from ledgerguard_pipeline_tests.clocks import FakeClock


class StoppingClock(FakeClock):
    """Somebody stops the work once it waited for so long."""

    def __init__(self, stop: Stop, after: float) -> None:
        super().__init__()
        self._stop = stop
        self._after = after

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if sum(self.slept) >= self._after:
            self._stop.set()


def test_a_wait_takes_as_long_under_a_stop_as_without() -> None:
    clock = FakeClock()
    wait_for_call(clock, 30.0)
    assert clock.slept == [30.0]
    clock.slept.clear()
    with Stop().under():
        wait_for_call(clock, 30.0)
    assert sum(clock.slept) == pytest.approx(30.0)


def test_a_wait_ends_soon_after_its_work_was_stopped() -> None:
    stop = Stop()
    clock = StoppingClock(stop, after=5.0)
    with stop.under(), pytest.raises(OutOfTime, match="next sync resumes"):
        wait_for_call(clock, 300.0)
    assert sum(clock.slept) < 6.0


def test_a_part_is_stopped_with_the_whole_and_not_the_other_way_round() -> None:
    whole = Stop()
    with whole.under():
        part, other = Stop(), Stop()
    part.set()
    with part.under(), pytest.raises(OutOfTime):
        go_on()
    for each in (whole, other):
        with each.under():
            go_on()
    whole.set()
    with other.under(), pytest.raises(OutOfTime):
        go_on()
    go_on()


def test_what_is_out_of_time_is_not_tried_again() -> None:
    clock, tries = FakeClock(), [0]

    def ended() -> None:
        tries[0] += 1
        raise OutOfTime("The company's share of this sweep is used up.")

    with pytest.raises(OutOfTime, match="share"):
        Plan(RetryPolicy(), clock).run(ended)
    assert (tries, clock.slept) == ([1], [])


def test_a_lease_or_a_server_is_waited_for_all_the_same() -> None:
    stop = Stop()
    stop.set()
    clock = FakeClock()
    with stop.under():
        assert Backoff(1.0, 1.0).within(10.0, clock).wait()
    assert clock.slept
