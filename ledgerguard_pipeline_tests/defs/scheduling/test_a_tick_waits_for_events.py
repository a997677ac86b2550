"""A tick that finds nothing due stays until the next one is near, so events are seen at once."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.defs.scheduling.event_wait import (
    GATHER_SECONDS,
    LOOK_SECONDS,
    WAIT_SECONDS,
    await_due,
    due_now,
)
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import delivery, event
from ledgerguard_pipeline_tests.defs.conftest import FIRST, SECOND, company, plain_settings


class EventfulClock(FakeClock):
    """Something happens while somebody waits."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], None] = lambda: None

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.meanwhile()


@pytest.fixture
def clock() -> EventfulClock:
    return EventfulClock()


@pytest.fixture
def control(tmp_path: Path, clock: EventfulClock) -> Iterator[ControlPlane]:
    settings = plain_settings(ledgerguard_home=tmp_path / "home")
    with ControlPlane.open(settings, clock=clock) as plane:
        plane.companies.put(company(FIRST))
        plane.companies.put(company(SECOND))
        yield plane


def announce(control: ControlPlane, name: str, realm: str = FIRST) -> None:
    control.deliveries.accept([delivery([event(name, realm=realm)])])


def first() -> list[str]:
    return [FIRST]


def test_nothing_due_is_waited_for_until_the_next_tick_is_near(
    control: ControlPlane, clock: EventfulClock
) -> None:
    assert await_due(control.inbox, first, clock=clock) == []
    assert WAIT_SECONDS <= sum(clock.slept) < 5.0


def test_what_comes_while_a_tick_waits_is_seen_at_once(
    control: ControlPlane, clock: EventfulClock
) -> None:
    def after_a_second() -> None:
        if sum(clock.slept) == 1.0:
            announce(control, "a")

    clock.meanwhile = after_a_second
    assert await_due(control.inbox, first, clock=clock) == [FIRST]
    assert sum(clock.slept) <= 1.0 + 2 * LOOK_SECONDS


def test_an_event_that_nobody_may_take_ends_no_wait(
    control: ControlPlane, clock: EventfulClock
) -> None:
    """Its company has a run under way, say, or needs a new consent."""
    announce(control, "held up", SECOND)

    def after_a_second() -> None:
        if sum(clock.slept) == 1.0:
            announce(control, "a")

    assert await_due(control.inbox, first, clock=clock) == []
    assert sum(clock.slept) >= WAIT_SECONDS
    clock.slept.clear()
    clock.meanwhile = after_a_second
    assert await_due(control.inbox, first, clock=clock) == [FIRST]


def test_who_may_be_worked_on_is_asked_only_when_something_is_due(control: ControlPlane) -> None:
    asked: list[str] = []

    def workable() -> list[str]:
        asked.append("asked")
        return [FIRST]

    assert due_now(control.inbox, workable) == asked == []
    announce(control, "a")
    assert due_now(control.inbox, workable) == [FIRST]


def test_deliveries_in_a_row_are_let_come_to_an_end(
    control: ControlPlane, clock: EventfulClock
) -> None:
    announce(control, "first")

    def four_more() -> None:
        if len(clock.slept) <= 4:
            announce(control, f"more {len(clock.slept)}")

    clock.meanwhile = four_more
    assert await_due(control.inbox, first, clock=clock) == [FIRST]
    assert len(control.inbox.lease("batch", realms=[FIRST])) == 5


def test_a_stream_without_end_holds_nothing_up(control: ControlPlane, clock: EventfulClock) -> None:
    announce(control, "first")
    clock.meanwhile = lambda: announce(control, f"more {len(clock.slept)}")
    assert await_due(control.inbox, first, clock=clock) == [FIRST]
    assert sum(clock.slept) == pytest.approx(GATHER_SECONDS)
