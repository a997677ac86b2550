"""The one back-off: every wait for a lease, a server or a file is made of these."""

from __future__ import annotations

import ast
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgerguard_pipeline.clock import Backoff, Waits
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.hygiene.project import PACKAGE, python_files

FRACTIONS = st.floats(0, 1, exclude_max=True)
BOUNDS = st.builds(
    lambda first, times: Backoff(first, first * times), st.floats(0.1, 10), st.floats(1, 100)
)


@given(BOUNDS, st.integers(0, 10_000), FRACTIONS)
def test_a_pause_lies_in_the_upper_half_of_its_bound(
    backoff: Backoff, waits: int, fraction: float
) -> None:
    bound = backoff.bound(waits)
    assert bound / 2 <= backoff.pause(waits, fraction=lambda: fraction) <= bound


@given(BOUNDS, st.integers(0, 10_000))
def test_bounds_double_until_the_longest(backoff: Backoff, waits: int) -> None:
    assert backoff.bound(0) == backoff.first
    assert backoff.bound(waits + 1) == pytest.approx(min(2 * backoff.bound(waits), backoff.longest))


@given(BOUNDS, st.floats(0, 20), st.lists(FRACTIONS, min_size=1))
def test_waits_never_shrink_below_the_first_nor_pass_the_deadline(
    backoff: Backoff, seconds: float, fractions: list[float]
) -> None:
    clock = FakeClock()
    began = clock.monotonic()
    drawn = cycle(fractions)
    waits = Waits(backoff, began + seconds, clock, fraction=lambda: next(drawn))
    while waits.wait():
        assert clock.monotonic() <= began + seconds
    assert waits.over
    assert waits.begun == bool(clock.slept)
    assert sum(clock.slept) == pytest.approx(seconds), "the last try is made at the deadline"
    assert min(clock.slept[:-1], default=backoff.first) >= backoff.first / 2
    assert max(clock.slept, default=0) <= backoff.longest
    assert not waits.wait(), "and there is none after it"


def test_those_who_begin_together_do_not_come_back_together() -> None:
    backoff = Backoff(first=0.05, longest=1.0)
    assert len({backoff.pause() for _ in range(50)}) > 1


def test_no_other_part_of_the_product_draws_its_own_waits() -> None:
    drawing = {
        path.relative_to(PACKAGE).as_posix()
        for path in python_files(PACKAGE)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if (isinstance(node, ast.Import) and any(each.name == "random" for each in node.names))
        or (isinstance(node, ast.ImportFrom) and node.module == "random")
    }
    assert {path for path in drawing if not path.startswith("sandbox/")} == {"clock.py"}
