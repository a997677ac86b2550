"""What happens in a soak and when: drawn from a seed, so that it can be repeated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from ledgerguard_pipeline_tests.soak.books import Role

ROUND_SECONDS = 120.0
"""A soak is as many rounds as fit; each has everything in it once at least."""


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """One action, in seconds since the start; ``number`` seeds whatever it draws itself."""

    at: float
    action: str
    role: Role
    number: int

    def __str__(self) -> str:
        return f"{self.at:7.1f} s  {self.action} ({self.role.value}, {self.number})"


@dataclass(frozen=True, slots=True)
class Share:
    """How often a round has an action, and between which of its seconds it begins."""

    times: int
    earliest: float = 1.0
    latest: float = 118.0
    role: Role | None = None


ROUND: dict[str, Share] = {
    "edit": Share(20),
    "fault": Share(12),
    "expire": Share(4),
    "read": Share(6),
    "sync": Share(2, 40, 95),
    "snapshot": Share(1, 40, 100),
    "rotate_keys": Share(1, 20, 100),
    "step_clock": Share(2, 10, 100),
    "fill_disk": Share(1, 55, 100),
    "kill_web": Share(2, 5, 115),
    "kill_daemon": Share(1, 50, 90),
    "kill_code": Share(1, 50, 95),
    "kill_run": Share(2, 10, 110),
    "kill_sync": Share(1, 40, 100),
    "crash": Share(1, 55, 75),
    "show_late": Share(2, 50, 100),
    "bury_alive": Share(1, 50, 100),
    "disconnect": Share(1, 45, 85, Role.RECONNECTED),
    "stall": Share(1, 0, 1, Role.THROTTLED),
}
ON_CELERY: dict[str, Share] = {
    **ROUND,
    "kill_worker": Share(2, 10, 110),
    "restart_database": Share(1, 40, 90),
    "restart_redis": Share(1, 40, 90),
}

LONG_SECONDS = 1_200.0
"""A soak as long as that lets every service live through one half of it, to see whether it grows."""
VERY_LONG_SECONDS = 3_600.0
"""One as long as that lets it live through three quarters, with half as many kills of services."""
_FIRST_PART = frozenset({"kill_daemon", "kill_code", "kill_worker"})
_LAST_PART = frozenset({"kill_web"})
_ONLY_FIRST_PART = "crash"
"""Each takes a minute and kills the code server: those of the rest are left out instead."""


def schedule(seed: int, seconds: float, shares: dict[str, Share] = ROUND) -> list[Step]:
    """The steps of a soak in order; the same for the same arguments.

    A soak that is shorter than a round has all of it as well, at a quicker pace. A long one kills
    each service twice as often in one part, and not in the others.
    """
    steps: list[Step] = []
    rounds = max(1, int(seconds // ROUND_SECONDS))
    pace = min(1.0, seconds / ROUND_SECONDS)
    for number in range(rounds):
        rng = Random(f"{seed}/{number}")
        began = number * ROUND_SECONDS
        for action, share in shares.items():
            for _ in range(share.times):
                at = round(began + pace * rng.uniform(share.earliest, share.latest), 1)
                role = share.role or rng.choice(list(Role))
                steps.append(Step(at, action, role, rng.randrange(1_000_000)))
    if seconds >= LONG_SECONDS:
        parts = 4 if seconds >= VERY_LONG_SECONDS else 2
        steps = [kept for step in steps for kept in _in_its_part(step, seconds, parts)]
    return sorted(step for step in steps if step.at < seconds)


def _in_its_part(step: Step, seconds: float, parts: int) -> list[Step]:
    """The step where services may be killed, twice as densely as it was drawn; or nothing."""
    part = seconds / parts
    if step.action in _FIRST_PART | _LAST_PART:
        if step.at >= 2 * part:
            return []
        began = seconds - part if step.action in _LAST_PART else 0.0
        return [replace(step, at=round(began + step.at / 2, 1))]
    late = step.action == _ONLY_FIRST_PART and step.at > part
    return [] if late else [step]
