"""A page walk delivers every row that lives through it, whatever happens between its pages."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledgerguard_pipeline.errors import IngestionError, PoisonPage
from ledgerguard_pipeline.qbo.intuit_limits import MAX_ROWS
from ledgerguard_pipeline.qbo.paging.order_ladder import CREATED
from ledgerguard_pipeline.qbo.paging.page_walk import PageWalk
from ledgerguard_pipeline_tests.ingestion.readers.live_table import (
    EPOCH,
    Inline,
    LiveTable,
    salvaged,
)

SIZES = (0, 1, 999, 1000, 1001, 1980, 1981, 12_000)


def walked(table: LiveTable, *, ahead: int = 1, expected: int | None = None) -> list[str]:
    walk = PageWalk(table.fetch, Inline(), CREATED.key, ahead=ahead, expected=expected)
    return [record.id for stretch in walk for record in stretch.records]


def test_the_lists_below_name_the_borders_of_a_page() -> None:
    assert {MAX_ROWS - 1, MAX_ROWS, MAX_ROWS + 1} < set(SIZES)


@pytest.mark.parametrize("rows", SIZES)
@pytest.mark.parametrize("ahead", [1, 8])
def test_a_quiet_table_is_delivered_once_each_in_order(rows: int, ahead: int) -> None:
    table = LiveTable.of(rows)
    assert walked(table, ahead=ahead, expected=rows) == [str(number) for number in range(rows)]


@pytest.mark.parametrize("rows", SIZES)
@pytest.mark.parametrize("ahead", [1, 8])
@pytest.mark.parametrize("deletions", [1, 7, 60])
@pytest.mark.parametrize("per_second", [1, 3, 5000])
def test_deletions_and_inserts_after_every_page_hide_no_row(
    rows: int, ahead: int, deletions: int, per_second: int
) -> None:
    rng = random.Random(rows * 31 + deletions)

    def disturb(live: LiveTable) -> None:
        if live.pages < 40:
            live.delete(rng, deletions)
            live.insert()

    table = LiveTable.of(rows, per_second=per_second)
    table.disturb = disturb
    before = {str(number) for number in table.created}
    found = set(walked(table, ahead=ahead, expected=rows))
    survivors = before & {str(number) for number in table.created}
    assert survivors <= found


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(0, 4200),
    per_second=st.sampled_from([1, 2, 50, 1500]),
    ahead=st.integers(1, 9),
    expected=st.one_of(st.none(), st.integers(0, 5000)),
    plan=st.lists(st.tuples(st.integers(0, 45), st.integers(0, 30)), max_size=25),
    seed=st.integers(0, 1000),
)
def test_any_plan_of_disturbances_hides_no_row(
    rows: int,
    per_second: int,
    ahead: int,
    expected: int | None,
    plan: list[tuple[int, int]],
    seed: int,
) -> None:
    rng = random.Random(seed)
    remaining = list(plan)

    def disturb(live: LiveTable) -> None:
        if remaining:
            deletions, inserts = remaining.pop()
            live.delete(rng, deletions)
            for _ in range(inserts):
                live.insert()

    table = LiveTable.of(rows, per_second=per_second)
    table.disturb = disturb
    before = {str(number) for number in table.created}
    found = set(walked(table, ahead=ahead, expected=expected))
    assert before & {str(number) for number in table.created} <= found


def test_pages_fetched_by_many_threads_join_as_well() -> None:
    rng = random.Random(5)
    table = LiveTable.of(12_000)
    table.disturb = lambda live: live.delete(rng, 3)
    before = {str(number) for number in table.created}
    with ThreadPoolExecutor(8) as pool:
        walk = PageWalk(table.fetch, pool, CREATED.key, ahead=8, expected=12_000)
        found = {record.id for stretch in walk for record in stretch.records}
    assert before & {str(number) for number in table.created} <= found


def test_more_deletions_than_the_overlap_are_repaired_from_the_last_value() -> None:
    table = LiveTable.of(5000)

    def disturb(live: LiveTable) -> None:
        for number in sorted(live.created)[:100]:
            del live.created[number]

    table.disturb = disturb
    before = set(table.created)
    walk = PageWalk(table.fetch, Inline(), CREATED.key, ahead=1)
    found = {int(record.id) for stretch in walk for record in stretch.records}
    assert walk.repairs > 0
    assert before & set(table.created) <= found


def test_a_walk_goes_on_from_the_value_where_an_earlier_one_was_killed() -> None:
    table = LiveTable.of(6000)
    first = PageWalk(table.fetch, Inline(), CREATED.key, expected=6000)
    seen: set[str] = set()
    covered = None
    for number, stretch in enumerate(first):
        seen |= {record.id for record in stretch.records}
        covered = stretch.covered_to
        if number == 2:
            break
    pages_before = table.pages
    rest = PageWalk(table.fetch, Inline(), CREATED.key, anchor=covered)
    seen |= {record.id for stretch in rest for record in stretch.records}
    assert len(seen) == 6000
    assert table.pages - pages_before == 4


def test_only_pages_that_surely_hold_rows_are_fetched_ahead() -> None:
    table = LiveTable.of(20_000)
    walked(table, ahead=12, expected=20_000)
    assert table.pages == 21


def test_rows_that_never_stand_still_end_in_a_clear_error() -> None:
    table = LiveTable(dict.fromkeys(range(3000), 0))

    def disturb(live: LiveTable) -> None:
        # All rows share one second, so no value leads past them.
        for number in sorted(live.created)[:50]:
            del live.created[number]
        top = max(live.created)
        live.created.update({top + step: 0 for step in range(1, 51)})

    table.disturb = disturb
    with pytest.raises(IngestionError, match="keep shifting"):
        walked(table)


@pytest.mark.parametrize("poison", [{0}, {500}, {999}, {1000}, {3, 4, 990}, {1500, 2400}])
def test_records_intuit_cannot_serve_are_set_aside_and_all_others_read(poison: set[int]) -> None:
    table = LiveTable.of(2500)
    table.poison = poison
    walk = PageWalk(salvaged(table.fetch), Inline(), CREATED.key)
    stretches = list(walk)
    found = {int(record.id) for stretch in stretches for record in stretch.records}
    assert found == set(range(2500)) - poison
    assert sum(len(stretch.rejects) for stretch in stretches) >= len(poison)


def test_a_lonely_poison_record_leaves_an_empty_page_with_one_reject() -> None:
    table = LiveTable.of(1)
    table.poison = {0}
    page = salvaged(table.fetch)(None, 1, 1000)
    assert (page.rows, page.records, len(page.rejects)) == (1, [], 1)


@settings(max_examples=40, deadline=None)
@given(
    poison=st.sets(st.integers(0, 1999), min_size=1, max_size=4),
    deletions=st.lists(st.integers(0, 1), max_size=12),
    seed=st.integers(0, 99),
)
def test_deletions_during_a_salvage_hide_no_row(
    poison: set[int], deletions: list[int], seed: int
) -> None:
    rng = random.Random(seed)
    remaining = list(deletions)
    table = LiveTable.of(2000)
    table.poison = poison

    def disturb(live: LiveTable) -> None:
        if remaining and remaining.pop():
            healthy = [number for number in live.created if number not in poison]
            del live.created[rng.choice(healthy)]

    table.disturb = disturb
    try:
        walk = PageWalk(salvaged(table.fetch), Inline(), CREATED.key)
        found = {int(record.id) for stretch in walk for record in stretch.records}
    except IngestionError:
        return  # refusing to guess is no loss: the next sync tries again
    assert set(table.created) - poison <= found


def test_a_page_of_nothing_but_refusals_is_reported_as_a_whole() -> None:
    table = LiveTable.of(200)
    table.poison = set(range(200))
    with pytest.raises(PoisonPage):
        salvaged(table.fetch)(None, 1, 1000)


def test_a_type_that_is_refused_without_any_rows_costs_two_calls() -> None:
    table = LiveTable.of(1000)
    table.refused = True
    with pytest.raises(PoisonPage, match="every query of this type"):
        salvaged(table.fetch)(None, 1, 1000)
    assert table.pages == 2


def test_the_covered_value_never_passes_an_undelivered_row() -> None:
    table = LiveTable.of(4000, per_second=700)
    delivered: set[int] = set()
    for stretch in PageWalk(table.fetch, Inline(), CREATED.key, expected=4000):
        delivered |= {int(record.id) for record in stretch.records}
        assert stretch.covered_to is not None
        least = int((stretch.covered_to - EPOCH).total_seconds())
        assert {number for number, at in table.created.items() if at < least} <= delivered
