"""A soak's schedule comes from its seed alone, and holds all that a soak promises to do."""

from __future__ import annotations

import pytest

from ledgerguard_pipeline_tests.soak.schedule import (
    ON_CELERY,
    ROUND,
    ROUND_SECONDS,
    schedule,
)

HALF_HOUR = 1_800.0


def test_the_same_seed_gives_the_same_schedule() -> None:
    assert schedule(7, HALF_HOUR) == schedule(7, HALF_HOUR)
    assert schedule(7, HALF_HOUR) != schedule(8, HALF_HOUR)


def test_the_shortest_soak_has_every_action() -> None:
    for shares in (ROUND, ON_CELERY):
        for seconds in (45, 120):
            steps = schedule(1, seconds, shares)
            assert {step.action for step in steps} == set(shares)
            assert steps == sorted(steps)
            assert all(step.at < seconds for step in steps)


@pytest.mark.parametrize("seconds, part", [(HALF_HOUR, 900.0), (4_800.0, 1_200.0)])
def test_every_service_lives_through_all_but_one_part(seconds: float, part: float) -> None:
    steps = schedule(3, seconds, ON_CELERY)
    begins = {"kill_web": seconds - part}
    for name in ("kill_web", "kill_daemon", "kill_code", "kill_worker", "crash"):
        begin = begins.get(name, 0.0)
        times = [step.at for step in steps if step.action == name]
        assert len(times) >= part / ROUND_SECONDS - 1
        assert all(begin <= at <= begin + part for at in times)


def test_half_an_hour_has_more_than_a_hundred_kills() -> None:
    steps = schedule(3, HALF_HOUR)
    assert sum(step.action.startswith("kill_") for step in steps) >= 100
