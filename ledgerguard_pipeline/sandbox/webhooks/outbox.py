"""Events on their way into a delivery, and what the switches let happen to them there."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from dataclasses import dataclass
from random import Random

from ledgerguard_pipeline.sandbox.webhooks.events import Event
from ledgerguard_pipeline.sandbox.webhooks.switches import WebhookSwitches

_MAX_STEPS = 20
"""How many later events a reordered one may be overtaken by."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    rank: float
    due: float
    event: Event


class Outbox:
    """Waiting events in the order of sending. Not thread-safe.

    An event's fate depends on ``rng`` alone, so it is the same whenever and however it is sent.
    """

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, event: Event, switches: WebhookSwitches, rng: Random, now: float) -> Counter[str]:
        """Take an event in; returns whether it was lost, duplicated or reordered."""
        lost, doubled, moved = (
            rng.random() < chance
            for chance in (switches.loss, switches.duplicate, switches.reorder)
        )
        due = now + switches.time_scale * (
            switches.delay_seconds + switches.jitter_seconds * rng.random()
        )
        if lost:
            return Counter(lost=1)
        late = due + switches.time_scale * switches.reorder_seconds * rng.random()
        steps = rng.randint(1, _MAX_STEPS)
        if moved:
            self._insert(_Waiting(event.number + steps + 0.5, late, event))
        else:
            self._insert(_Waiting(event.number, due, event))
        if doubled:
            self._insert(_Waiting(event.number + rng.randint(1, _MAX_STEPS) + 0.25, late, event))
        return Counter(duplicated=int(doubled), reordered=int(moved))

    def ready_at(self, switches: WebhookSwitches) -> float | None:
        """When the next delivery leaves: some time after its first event, or at once if full."""
        if not self._waiting:
            return None
        dues = sorted(each.due for each in self._waiting)
        gathered = dues[0] + switches.gather_seconds * switches.time_scale
        full = dues[switches.most_events - 1] if len(dues) >= switches.most_events else gathered
        return min(gathered, full)

    def take(self, most: int, now: float | None) -> list[Event]:
        """The next delivery: what is due, or with ``now`` None whatever waits, in order."""
        chosen = [each for each in self._waiting if now is None or each.due <= now][:most]
        taken = set(map(id, chosen))
        self._waiting = [each for each in self._waiting if id(each) not in taken]
        return [each.event for each in chosen]

    def _insert(self, waiting: _Waiting) -> None:
        insort(self._waiting, waiting, key=lambda each: each.rank)
