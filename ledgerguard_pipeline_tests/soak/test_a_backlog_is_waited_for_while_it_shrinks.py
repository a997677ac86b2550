"""A busy machine is given time to settle; one that stands still is not."""

from __future__ import annotations

from collections.abc import Callable

from ledgerguard_pipeline_tests.soak.patience import LONGEST_SECONDS, STILL_SECONDS, outlast


class _Time:
    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def _outlast(backlog: Callable[[float], float]) -> tuple[bool, float]:
    time = _Time()
    ended = outlast(lambda: int(backlog(time.now)), lambda: time.now, time.sleep)
    return ended, time.now


def test_one_that_shrinks_slowly_is_outlasted() -> None:
    ended, seconds = _outlast(lambda now: 1_000 - now)
    assert ended
    assert STILL_SECONDS < seconds <= 1_000


def test_one_that_stands_still_is_given_up() -> None:
    assert _outlast(lambda now: max(20, 20 - now)) == (False, STILL_SECONDS)
    assert _outlast(lambda now: max(20, 100.5 - now)) == (False, 80 + STILL_SECONDS)


def test_one_that_never_ends_is_given_up() -> None:
    assert _outlast(lambda now: 10_000 - now) == (False, LONGEST_SECONDS)


def test_what_comes_again_is_no_progress() -> None:
    assert _outlast(lambda now: 5 + now % 2) == (False, STILL_SECONDS)
