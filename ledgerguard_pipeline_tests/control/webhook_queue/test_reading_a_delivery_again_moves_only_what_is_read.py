"""Unreadable parts keep their numbers, and what somebody decided about them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from ledgerguard_pipeline.change_events import ChangeEvent, Unreadable
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.webhook_queue.deliveries import Parsed
from ledgerguard_pipeline.control.webhook_queue.queue import EventStatus
from ledgerguard_pipeline.control.webhook_queue.rereading import Reread
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import connect, delivery, event

PARKED, IGNORED, PENDING = EventStatus.PARKED, EventStatus.IGNORED, EventStatus.PENDING


@dataclass
class Found:
    events: list[ChangeEvent] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)


def part(text: str, reason: str = "it is no JSON") -> Unreadable:
    return Unreadable(hashlib.sha256(text.encode()).hexdigest(), reason, text)


def reading(*texts: str, events: tuple[str, ...] = ()) -> Callable[[bytes], Parsed]:
    found = Found([event(name) for name in events], [part(text) for text in texts])
    return lambda _: found


def numbers(plane: ControlPlane) -> dict[str, int]:
    return {each.reason or each.event.event_id: each.seq for each in plane.inbox.list()}


def statuses(plane: ControlPlane) -> dict[int, EventStatus]:
    return {each.seq: each.status for each in plane.inbox.list()}


def accept(plane: ControlPlane, *texts: str, events: tuple[str, ...] = ()) -> list[int]:
    """Numbers of the unreadable parts of a new delivery, in their order."""
    connect(plane)
    plane.deliveries.accept(
        [delivery([event(name) for name in events], [part(text) for text in texts])]
    )
    return [numbers(plane)[f"it is no JSON: {text}"] for text in texts]


def test_what_cannot_be_read_still_is_left_as_it_is(plane: ControlPlane, clock: FakeClock) -> None:
    accept(plane, "first", "second", "third")
    before = plane.inbox.list()
    accept(plane, events=("later",))
    clock.advance(3600)
    asked = [before[0].seq]
    assert plane.deliveries.reread(reading("first", "second", "third"), None, asked) == Reread(0, 0)
    assert plane.inbox.list(status=PARKED) == before
    assert plane.inbox.unreadable(seqs=asked) == 1
    assert plane.inbox.dismiss(asked, "junk") == 1, "it is still found under its number"


def test_only_the_part_that_can_be_read_now_is_replaced(plane: ControlPlane) -> None:
    first, second, third = accept(plane, "first", "second", "third")
    reread = plane.deliveries.reread(reading("second", "third", events=("a",)), None, [first])
    assert reread == Reread(queued=1, parts=1)
    after = statuses(plane)
    assert first not in after
    assert (after[second], after[third]) == (PARKED, PARKED)
    assert [each.event.event_id for each in plane.inbox.list(status=PENDING)] == ["a"]


def test_what_was_dismissed_does_not_come_back(plane: ControlPlane) -> None:
    first, second = accept(plane, "first", "second")
    plane.inbox.dismiss([first], "junk")
    for parse in (reading("first", "second"), reading("first", events=("a",))):
        plane.deliveries.reread(parse, None, [second])
        assert statuses(plane)[first] is IGNORED
        assert "first" not in " ".join(numbers(plane)), "nor under another number"
    assert second not in statuses(plane)


def test_what_was_dismissed_is_not_forgotten_before_its_delivery(
    plane: ControlPlane, clock: FakeClock
) -> None:
    first, second = accept(plane, "first", "second", events=("done",))
    plane.inbox.dismiss([first], "junk")
    taken = plane.inbox.lease("run", realms=[each.event.realm_id for each in plane.inbox.list()])
    plane.inbox.done("run", [each.seq for each in taken])
    clock.advance(timedelta(days=40).total_seconds())
    plane.deliveries.purge(clock.now())
    reread = plane.deliveries.reread(reading("first", "second", events=("done",)), None, None)
    assert reread == Reread(0, 0), "what was done is not done again either"
    assert statuses(plane)[second] is PARKED
    plane.inbox.dismiss([second], "junk")
    clock.advance(1)
    assert plane.deliveries.purge(clock.now()) == 1
    assert plane.inbox.list() == []


def test_what_stays_unreadable_within_a_part_is_parked_instead_of_it(plane: ControlPlane) -> None:
    (whole,) = accept(plane, "whole")
    reread = plane.deliveries.reread(reading("inner", events=("a",)), None, [whole])
    assert reread == Reread(queued=1, parts=1)
    assert whole not in statuses(plane)
    assert [each.reason for each in plane.inbox.list(status=PARKED)] == ["it is no JSON: inner"]


def test_a_row_of_0_1_0_is_known_by_its_text(plane: ControlPlane) -> None:
    """Its keys number the unreadable parts, and its reasons may be worded otherwise."""
    connect(plane)
    older = [
        replace(part(text, "what 0.1.0 says"), key=str(number) * 64)
        for number, text in enumerate(("first", "second", "third", "fourth"))
    ]
    plane.deliveries.accept([delivery([], older)])
    by_reason = numbers(plane)
    first, second, third, fourth = (by_reason[f"what 0.1.0 says: {e.excerpt}"] for e in older)
    plane.inbox.dismiss([second], "junk")
    same = reading("first", "second", "third", events=("a",))
    assert plane.deliveries.reread(same, None, [third, fourth]) == Reread(queued=1, parts=1)
    after = statuses(plane)
    assert {number: after.get(number) for number in (first, second, third, fourth)} == {
        first: PARKED, second: IGNORED, third: PARKED, fourth: None,
    }  # fmt: skip
    assert plane.inbox.backlog().parked == 2
