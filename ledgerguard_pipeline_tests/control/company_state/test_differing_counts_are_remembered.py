from __future__ import annotations

from ledgerguard_pipeline.control.company_state.count_gaps import CountGap
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.values import RealmId

FIRST, SECOND = RealmId("9341453474484455"), RealmId("9341453474484456")


def test_a_difference_stays_until_a_comparison_finds_none(plane: ControlPlane) -> None:
    gaps = plane.sync_states.gaps
    gaps.compared(FIRST, [CountGap("Invoice", 10, 9), CountGap("Customer", 5, 5)])
    gaps.compared(FIRST, [CountGap("Customer", 6, 6)])
    assert gaps.read() == {FIRST: (CountGap("Invoice", 10, 9),)}
    gaps.compared(FIRST, [CountGap("Invoice", 11, 9)])
    assert gaps.read([FIRST]) == {FIRST: (CountGap("Invoice", 11, 9),)}
    gaps.compared(FIRST, [CountGap("Invoice", 11, 11)])
    assert gaps.read() == {}


def test_companies_are_kept_apart(plane: ControlPlane) -> None:
    gaps = plane.sync_states.gaps
    gaps.compared(FIRST, [CountGap("Invoice", 10, 9), CountGap("Account", 1, 2)])
    gaps.compared(SECOND, [CountGap("Invoice", 3, 4)])
    assert gaps.read([SECOND]) == {SECOND: (CountGap("Invoice", 3, 4),)}
    assert [each.entity for each in gaps.read()[FIRST]] == ["Account", "Invoice"]
