from __future__ import annotations

from pathlib import Path

import pytest

from ledgerguard_pipeline.bronze import BronzeStore, LoadOutcome
from ledgerguard_pipeline.values import Environment, Record, State
from ledgerguard_pipeline_tests.bronze.records import (
    OTHER_REALM,
    REALM,
    after,
    load,
    record,
    tombstone,
)
from ledgerguard_pipeline_tests.clocks import FakeClock


def commit(store: BronzeStore, *records: Record) -> LoadOutcome:
    [outcome] = store.commit([load(*records)])
    return outcome


def counts_of(outcome: LoadOutcome) -> tuple[int, int, int, int]:
    return outcome.written, outcome.deleted, outcome.unchanged, outcome.stale


def history(store: BronzeStore, id: str = "1") -> list[str]:
    rows = store.sql(
        f"SELECT coalesce(payload, state) FROM bronze.invoice WHERE id = '{id}' ORDER BY loaded_at"
    ).rows
    return [str(row[0]) for row in rows]


def current(store: BronzeStore) -> dict[str, object]:
    rows = store.sql("SELECT id, payload FROM bronze.invoice_current").rows
    return {str(id): payload for id, payload in rows}


@pytest.fixture
def stepped_back(tmp_path: Path) -> BronzeStore:
    """A store that wrote invoice 1 while the clock was ten minutes ahead."""
    clock = FakeClock(after(600))
    store = BronzeStore(tmp_path / "bronze.duckdb", Environment.SANDBOX, clock=clock)
    commit(store, record("1", '{"Balance":1}', read=600))
    clock.set_back(590)
    return store


def test_a_deletion_counts_although_the_row_was_read_by_a_clock_that_ran_ahead(
    stepped_back: BronzeStore,
) -> None:
    gone = commit(stepped_back, tombstone("1", updated=5, read=9))
    assert (gone.deleted, gone.stale) == (1, 0)
    assert current(stepped_back) == {}


def test_a_read_counts_although_the_row_was_read_by_a_clock_that_ran_ahead(
    stepped_back: BronzeStore,
) -> None:
    assert commit(stepped_back, record("1", '{"Balance":2}', read=9)).written == 1
    assert commit(stepped_back, record("1", '{"Balance":1}', read=8)).stale == 1
    assert current(stepped_back) == {"1": '{"Balance":2}'}


def test_the_first_sight_of_an_object_is_written(store: BronzeStore) -> None:
    assert counts_of(commit(store, record("1"), record("2"))) == (2, 0, 0, 0)
    assert set(current(store)) == {"1", "2"}


def test_equal_bytes_are_not_written_again_however_late_they_are_read(store: BronzeStore) -> None:
    commit(store, record("1", read=100))
    assert counts_of(commit(store, record("1", read=9_000))) == (0, 0, 1, 0)
    assert len(history(store)) == 1


def test_a_balance_that_moves_without_a_new_sync_token_is_written(store: BronzeStore) -> None:
    commit(store, record("1", '{"Balance":1}', updated=0, token="4"))
    assert counts_of(commit(store, record("1", '{"Balance":2}', updated=5, token="4"))) == (
        1,
        0,
        0,
        0,
    )
    assert current(store) == {"1": '{"Balance":2}'}


def test_an_older_last_updated_time_never_replaces_a_newer_one(store: BronzeStore) -> None:
    commit(store, record("1", '{"v":2}', updated=10, token="1", read=100))
    late_delivery = record("1", '{"v":1}', updated=5, token="9", read=200)
    assert counts_of(commit(store, late_delivery)) == (0, 0, 0, 1)
    assert history(store) == ['{"v":2}']


def test_within_one_second_the_sync_token_decides_as_a_number(store: BronzeStore) -> None:
    commit(store, record("1", '{"v":9}', token="9", read=300))
    assert counts_of(commit(store, record("1", '{"v":10}', token="10", read=200))) == (1, 0, 0, 0)
    assert counts_of(commit(store, record("1", '{"v":9}', token="9", read=400))) == (0, 0, 0, 1)
    assert current(store) == {"1": '{"v":10}'}


def test_equal_headers_but_other_bytes_are_written_if_read_later(store: BronzeStore) -> None:
    commit(store, record("1", '{"v":1}', read=100))
    assert counts_of(commit(store, record("1", '{"v":2}', read=200))) == (1, 0, 0, 0)
    assert counts_of(commit(store, record("1", '{"v":1}', read=100))) == (0, 0, 0, 1)
    assert current(store) == {"1": '{"v":2}'}


def test_objects_without_any_time_follow_the_order_they_were_read_in(store: BronzeStore) -> None:
    commit(store, record("1", '{"v":1}', updated=None, token=None, read=100))
    commit(store, record("1", '{"v":2}', updated=None, token=None, read=200))
    commit(store, record("1", '{"v":3}', updated=None, token=None, read=150))
    assert history(store) == ['{"v":1}', '{"v":2}']


def test_duplicates_inside_one_load_collapse_to_the_newest(store: BronzeStore) -> None:
    outcome = commit(
        store,
        record("1", '{"v":1}', updated=1),
        record("1", '{"v":3}', updated=3),
        record("1", '{"v":3}', updated=3, read=101),
        record("1", '{"v":2}', updated=2),
    )
    assert counts_of(outcome) == (1, 0, 1, 2)
    assert outcome.fetched == 4
    assert history(store) == ['{"v":3}']


def test_two_loads_of_one_entity_in_one_commit_build_on_each_other(store: BronzeStore) -> None:
    first, second = store.commit(
        [
            load(record("1", '{"v":1}', updated=1), record("2")),
            load(record("1", '{"v":2}', updated=2), record("2"), id="load-2"),
        ]
    )
    assert counts_of(first) == (2, 0, 0, 0)
    assert counts_of(second) == (1, 0, 1, 0)
    assert history(store) == ['{"v":1}', '{"v":2}']


def test_the_same_id_of_two_companies_is_two_objects(store: BronzeStore) -> None:
    store.commit(
        [
            load(record("1", '{"of":"a"}')),
            load(record("1", '{"of":"b"}'), realm=OTHER_REALM),
        ]
    )
    assert store.counts(REALM) == {"Invoice": 1}
    assert store.counts(OTHER_REALM) == {"Invoice": 1}
    assert store.counts() == {"Invoice": 2}


def test_a_tombstone_is_a_version_without_payload_and_leaves_the_current_view(
    store: BronzeStore,
) -> None:
    commit(store, record("1", updated=0, read=100), record("2"))
    assert counts_of(commit(store, tombstone("1", updated=50, read=200))) == (0, 1, 0, 0)
    assert set(current(store)) == {"2"}
    assert store.counts(REALM) == {"Invoice": 1}
    assert history(store)[-1] == "deleted"
    assert store.current(REALM, "Invoice", ["1"])["1"].state is State.DELETED


def test_a_deletion_in_the_second_of_the_last_edit_stands(store: BronzeStore) -> None:
    commit(store, record("1", updated=50, token="7", read=100))
    assert counts_of(commit(store, tombstone("1", updated=50, read=200))) == (0, 1, 0, 0)
    assert current(store) == {}


def test_a_deleted_object_stays_deleted_when_an_old_read_arrives_late(store: BronzeStore) -> None:
    commit(store, tombstone("1", updated=50, read=200))
    assert counts_of(commit(store, record("1", updated=50, read=190))) == (0, 0, 0, 1)
    assert counts_of(commit(store, record("1", updated=10, read=100))) == (0, 0, 0, 1)
    assert current(store) == {}


def test_a_deleted_object_lives_again_if_changed_after_its_deletion(store: BronzeStore) -> None:
    commit(store, tombstone("1", updated=50, read=200))
    assert counts_of(commit(store, record("1", updated=60, read=150))) == (1, 0, 0, 0)
    assert set(current(store)) == {"1"}


@pytest.mark.parametrize("deleted_at", [50, None], ids=["named by Intuit", "inferred"])
def test_a_deleted_object_lives_again_if_read_alive_later(
    store: BronzeStore, deleted_at: float | None
) -> None:
    commit(store, record("1", updated=10, read=100))
    commit(store, tombstone("1", updated=deleted_at, read=200))
    assert counts_of(commit(store, record("1", updated=10, read=300))) == (1, 0, 0, 0)
    assert set(current(store)) == {"1"}


def test_a_tombstone_read_before_the_object_was_seen_alive_is_stale(store: BronzeStore) -> None:
    commit(store, record("1", updated=10, read=300))
    assert counts_of(commit(store, tombstone("1", updated=50, read=200))) == (0, 0, 0, 1)
    assert counts_of(commit(store, tombstone("1", updated=None, read=200))) == (0, 0, 0, 1)
    assert set(current(store)) == {"1"}


@pytest.mark.parametrize("updated", [10, None], ids=["dated", "undated"])
def test_a_deletion_read_in_the_instant_of_the_object_stands(
    store: BronzeStore, updated: int | None
) -> None:
    alive, gone = record("1", updated=10, read=300), tombstone("1", updated=updated, read=300)
    assert counts_of(commit(store, alive)) == (1, 0, 0, 0)
    assert counts_of(commit(store, gone)) == (0, 1, 0, 0)
    assert counts_of(commit(store, alive)) == (0, 0, 0, 1)
    assert current(store) == {}


def test_an_inferred_tombstone_is_newer_though_its_clock_is_behind(store: BronzeStore) -> None:
    commit(store, record("1", updated=400, read=100))
    assert counts_of(commit(store, tombstone("1", updated=200, read=200))) == (0, 1, 0, 0)
    assert counts_of(commit(store, record("1", updated=400, read=150))) == (0, 0, 0, 1)
    assert counts_of(commit(store, record("1", updated=400, read=250))) == (1, 0, 0, 0)


def test_a_tombstone_older_than_the_known_state_is_stale(store: BronzeStore) -> None:
    commit(store, record("1", updated=60, read=100))
    assert counts_of(commit(store, tombstone("1", updated=50, read=200))) == (0, 0, 0, 1)


def test_coming_back_to_life_never_brings_back_an_older_state(store: BronzeStore) -> None:
    commit(store, record("1", '{"v":2}', updated=40, read=100))
    commit(store, tombstone("1", updated=50, read=200))
    lagging_replica = record("1", '{"v":1}', updated=30, read=300)
    assert counts_of(commit(store, lagging_replica)) == (0, 0, 0, 1)
    assert current(store) == {}


def test_a_repeated_tombstone_adds_nothing(store: BronzeStore) -> None:
    commit(store, tombstone("1", updated=50, read=200))
    assert counts_of(commit(store, tombstone("1", updated=50, read=900))) == (0, 0, 1, 0)
    assert counts_of(commit(store, tombstone("1", updated=None, read=990))) == (0, 0, 1, 0)
    assert history(store) == ["deleted"]


def test_a_merge_adds_its_survivor_once_and_keeps_it(store: BronzeStore) -> None:
    merged = tombstone("1", updated=50, read=210, state=State.MERGED, merged_into="2")
    commit(store, tombstone("1", updated=50, read=200))
    assert counts_of(commit(store, merged)) == (0, 1, 0, 0)
    assert counts_of(commit(store, tombstone("1", updated=50, read=300))) == (0, 0, 1, 0)
    nameless = tombstone("1", updated=50, read=400, state=State.MERGED)
    assert counts_of(commit(store, nameless)) == (0, 0, 1, 0)
    stored = store.current(REALM, "Invoice", ["1"])["1"]
    assert (stored.state, stored.merged_into) == (State.MERGED, "2")


def test_inactive_and_voided_objects_stay_in_the_current_view(store: BronzeStore) -> None:
    commit(store, record("1", state=State.VOIDED), record("2", state=State.INACTIVE))
    rows = store.sql("SELECT id, state FROM invoice_current ORDER BY id").rows
    assert rows == [("1", "voided"), ("2", "inactive")]


def test_running_a_load_again_changes_nothing(store: BronzeStore) -> None:
    batch = [
        record("1", '{"v":1}', updated=1),
        record("1", '{"v":2}', updated=2),
        record("2", '{"a":1}', read=10),
        record("2", '{"a":2}', read=20),
        tombstone("3", updated=5, read=100),
        record("3", updated=5, read=90),
    ]
    commit(store, *batch)
    before = store.sql("SELECT * FROM invoice ORDER BY ALL").rows
    outcome = commit(store, *batch)
    assert (outcome.written, outcome.deleted) == (0, 0)
    assert store.sql("SELECT * FROM invoice ORDER BY ALL").rows == before


def test_every_record_of_a_load_is_accounted_for(store: BronzeStore) -> None:
    commit(store, record("1"), record("2", updated=5))
    outcome = commit(
        store,
        record("1"),
        record("2", updated=1),
        record("3"),
        record(""),
        tombstone("4", updated=1, read=1),
    )
    assert counts_of(outcome) == (1, 1, 1, 1)
    assert outcome.quarantined == 1
    assert outcome.fetched == 5


def test_a_second_deletion_is_known_before_the_life_between_the_two_is_read(
    store: BronzeStore,
) -> None:
    commit(store, tombstone("1", updated=50, read=200))
    assert counts_of(commit(store, tombstone("1", updated=80, read=300))) == (0, 1, 0, 0)
    assert counts_of(commit(store, record("1", '{"Id":"1"}', updated=50, read=250))) == (0, 0, 0, 1)
    assert current(store) == {}


def test_a_deletion_reported_again_or_inferred_again_adds_nothing(store: BronzeStore) -> None:
    commit(store, tombstone("1", updated=50, read=200))
    assert counts_of(commit(store, tombstone("1", updated=50, read=300))) == (0, 0, 1, 0)
    assert counts_of(commit(store, tombstone("1", updated=400, read=400))) == (0, 0, 1, 0)
