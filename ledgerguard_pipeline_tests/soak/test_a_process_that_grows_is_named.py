"""A process is said to grow only if its memory certainly does; a short life says nothing."""

from __future__ import annotations

from random import Random

import pytest

from ledgerguard_pipeline_tests.soak.memory import (
    JUDGED_SECONDS,
    WARM_UP_SECONDS,
    processes_seen,
    slopes,
)
from ledgerguard_pipeline_tests.soak.outcome import growth, leaking
from ledgerguard_pipeline_tests.soak.watch import SAMPLE_SECONDS, Sample

LONG = WARM_UP_SECONDS + JUDGED_SECONDS + 60


def life(mb_per_hour: float, seconds: float = LONG, peak: float = 0.0) -> list[Sample]:
    """Samples of one process that grows so fast once it is warm, with a peak now and then."""
    found = []
    for number in range(int(seconds / SAMPLE_SECONDS) + 1):
        at = number * SAMPLE_SECONDS
        warm = max(0.0, at - WARM_UP_SECONDS)
        size = 150 + min(at, WARM_UP_SECONDS) / 10 + mb_per_hour * warm / 3600
        size += peak if number % 7 == 0 else 0.0
        found.append(Sample(at, {("web", 7): size}, 0, 0, 0))
    return found


@pytest.mark.parametrize("mb_per_hour", [1.5, 4.0, 60.0])
def test_what_grows_is_named_with_its_slope(mb_per_hour: float) -> None:
    [found] = leaking(life(mb_per_hour, peak=20))
    assert found.startswith(f"web: {mb_per_hour:+.1f} MB an hour")


@pytest.mark.parametrize("mb_per_hour", [-3.0, 0.0, 0.5])
def test_what_is_flat_is_not_accused_whatever_its_peaks(mb_per_hour: float) -> None:
    samples = life(mb_per_hour, peak=20)
    assert leaking(samples) == []
    [slope] = slopes(samples)
    assert slope.flat


def test_a_process_that_was_killed_early_is_not_judged_and_the_figures_say_so() -> None:
    samples = life(60.0, LONG - 120)
    assert slopes(samples) == []
    assert processes_seen(samples) == 1
    assert growth(samples)["processes whose memory was judged"] == "0 of 1"


def test_a_third_of_a_long_soak_is_warming_up() -> None:
    hours = life(0, seconds=3 * 3_600.0)
    for each in hours:
        each.memory["code", 8] = 150 + min(each.at, 3_600.0) / 100
    assert leaking(hours) == []
    assert {slope.seconds // 60 for slope in slopes(hours)} == {2 * 60}
    assert len(leaking(hours[: len(hours) // 2])) == 1


def test_where_it_goes_up_and_down_by_more_than_that_nothing_is_claimed() -> None:
    rng = Random(1)
    minutes: dict[int, float] = {}
    samples = []
    for each in life(0):
        size = 150 + minutes.setdefault(int(each.at // 60), rng.uniform(0, 2))
        samples.append(Sample(each.at, {("web", 7): size}, 0, 0, 0))
    [slope] = slopes(samples)
    assert not slope.grows
    assert not slope.flat
    assert "too short a life to tell" in str(slope)
