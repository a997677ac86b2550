"""`pytest -m soak` runs both short soaks and one without each guarantee; unasked none runs."""

from __future__ import annotations

import pytest

from ledgerguard_pipeline_tests.soak import (
    test_a_guarantee_can_be_switched_off,
    test_a_soak_ends_in_the_truth,
)
from ledgerguard_pipeline_tests.soak.guarantees import Guarantee

MODULES = (test_a_guarantee_can_be_switched_off, test_a_soak_ends_in_the_truth)


def soaks() -> dict[str, dict[str, tuple[object, ...]]]:
    """What pytest knows of every test of these modules that is called a soak: names, arguments."""
    found = {}
    for module in MODULES:
        whole = [each.mark for each in getattr(module, "pytestmark", [])]
        for name, test in vars(module).items():
            known = {each.name: each.args for each in whole + getattr(test, "pytestmark", [])}
            if name.startswith("test_") and "soak" in known:
                found[name] = known
    return found


def test_their_name_selects_both_soaks_and_one_without_each_guarantee() -> None:
    found = soaks()
    without = "test_a_soak_without_a_guarantee_says_which_promise_broke"
    assert sorted(found) == [
        without,
        "test_two_minutes_with_a_fixed_seed",
        "test_two_minutes_with_a_new_seed",
    ]
    assert found[without]["parametrize"] == ("guarantee", list(Guarantee))


def test_no_soak_is_selected_unasked(request: pytest.FixtureRequest) -> None:
    (wanted,) = [
        after
        for option, after in zip(
            request.config.getini("addopts"), request.config.getini("addopts")[1:], strict=False
        )
        if option == "-m"
    ]
    assert "not soak" in wanted.split(" and ")
