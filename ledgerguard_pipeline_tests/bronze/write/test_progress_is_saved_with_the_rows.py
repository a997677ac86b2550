from __future__ import annotations

import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.entities import ENTITIES
from ledgerguard_pipeline.errors import BronzeError
from ledgerguard_pipeline.values import Environment, Mode
from ledgerguard_pipeline_tests.bronze.records import (
    NOON,
    OTHER_REALM,
    REALM,
    after,
    load,
    record,
    reject,
    step,
    tombstone,
    walk_of,
)
from ledgerguard_pipeline_tests.clocks import FakeClock


def test_a_store_without_a_file_is_empty_and_reading_makes_none(store: BronzeStore) -> None:
    assert store.watermarks(REALM) == {}
    assert store.counts() == {}
    assert store.count("Invoice") == 0
    assert store.current(REALM, "Invoice", ["1"]) == {}
    assert walk_of(store) is None
    assert store.last_loads(REALM) == {}
    assert store.quarantined(REALM) == {}
    assert store.commit([]) == []
    assert not store.exists()


def test_watermarks_are_kept_per_company_and_entity(store: BronzeStore) -> None:
    store.commit(
        [
            load(watermark=after(1)),
            load(entity="Bill", watermark=after(2)),
            load(realm=OTHER_REALM, watermark=after(3)),
            load(entity="Term"),
        ]
    )
    assert store.watermarks(REALM) == {"Invoice": after(1), "Bill": after(2)}
    assert store.watermarks(OTHER_REALM) == {"Invoice": after(3)}


def test_a_watermark_never_moves_back(store: BronzeStore) -> None:
    store.commit([load(watermark=after(5))])
    store.commit([load(watermark=after(3)), load(watermark=after(4))])
    store.commit([load(watermark=None)])
    assert store.watermarks(REALM) == {"Invoice": after(5)}
    store.commit([load(watermark=after(8)), load(watermark=after(7))])
    assert store.watermarks(REALM) == {"Invoice": after(8)}


def test_every_load_leaves_a_record_with_its_counts(store: BronzeStore) -> None:
    store.commit([load(record("1"), record("2"), id="a", final=False)])
    store.commit(
        [
            load(
                record("2"),
                tombstone("3", updated=1, read=1),
                id="a",
                rejects=[reject("9")],
                watermark=after(1),
            )
        ]
    )
    store.commit([load(entity="Bill", id="b")])
    sync_states = store.last_loads(REALM)
    invoice = sync_states["Invoice"]
    assert set(sync_states) == {"Invoice", "Bill"}
    assert (invoice.load_id, invoice.mode, invoice.run_id) == ("a", Mode.FULL, "run-1")
    assert (invoice.fetched, invoice.written, invoice.deleted) == (5, 2, 1)
    assert (invoice.unchanged, invoice.stale, invoice.quarantined) == (1, 0, 1)
    assert (invoice.api_calls, invoice.fetched_bytes) == (2, 20)
    assert (invoice.watermark, invoice.started_at, invoice.final) == (after(1), NOON, True)
    assert store.sql("SELECT count(*) FROM _loads").rows == [(3,)]


def test_the_last_load_of_an_entity_is_the_one_committed_last(store: BronzeStore) -> None:
    for id in ("b", "a"):
        store.commit([load(record("1"), id=id)])
    assert store.last_loads(REALM)["Invoice"].load_id == "a"


def test_versions_stay_in_order_when_the_wall_clock_steps_back(store: BronzeStore) -> None:
    clock = FakeClock(NOON)
    stepping = BronzeStore(store.address, Environment.SANDBOX, clock=clock)
    for at in range(4):
        stepping.commit([load(record("1", f'{{"v":{at}}}', updated=at))])
        clock.set_back(3_600)
    rows = store.sql("SELECT payload FROM invoice ORDER BY loaded_at").rows
    assert rows == [(f'{{"v":{at}}}',) for at in range(4)]
    assert store.sql("SELECT payload FROM invoice_current").rows == [('{"v":3}',)]


def test_a_walk_can_be_resumed_from_its_last_commit(store: BronzeStore) -> None:
    store.commit([load(record("1"), walk=step(cursor="a", rows=1))])
    store.commit([load(record("2"), walk=step(cursor="b", rows=2))])
    walk = walk_of(store)
    assert walk is not None
    assert (walk.walk_id, walk.cursor, walk.rows, walk.done) == ("walk-1", "b", 2, False)
    assert walk.started_at == NOON
    assert walk.began_at < walk.saved_at
    assert walk_of(store, OTHER_REALM) is None
    assert walk_of(store, entity="Bill") is None


def test_unseen_names_what_the_walk_did_not_meet(store: BronzeStore) -> None:
    store.commit(
        [
            load(*(record(str(at)) for at in range(1, 7)), tombstone("7", updated=1, read=1)),
            load(record("1"), record("8"), realm=OTHER_REALM),
            load(record("1"), entity="Bill"),
        ]
    )
    store.commit(
        [
            load(
                record("1"),
                record("2", '{"Id":"2","SyncToken":"0","v":2}', updated=5),
                walk=step(rows=2),
            )
        ]
    )
    store.commit([load(record("9"), rejects=[reject("3")], walk=step(rows=4, done=True))])
    assert store.unseen(REALM, "Invoice", "walk-1") == ["4", "5", "6"]


def test_unseen_leaves_out_what_something_else_brought_meanwhile(store: BronzeStore) -> None:
    store.commit([load(record("1"), record("2"), record("3"))])
    store.commit([load(record("1"), walk=step())])
    store.commit([load(record("2", '{"Id":"2","SyncToken":"0","v":2}', updated=5), record("4"))])
    assert store.unseen(REALM, "Invoice", "walk-1") == ["3"]


def test_a_new_walk_forgets_what_the_one_before_saw(store: BronzeStore) -> None:
    store.commit([load(record("1"), record("2"), walk=step("old", done=True))])
    store.commit([load(record("1"), walk=step("new"))])
    assert store.unseen(REALM, "Invoice", "new") == ["2"]
    assert store.sql("SELECT walk_id, id FROM _walk_seen").rows == [("new", "1")]
    with pytest.raises(BronzeError, match="does not know what walk old saw"):
        store.unseen(REALM, "Invoice", "old")


def test_unseen_refuses_a_walk_that_did_not_track(store: BronzeStore) -> None:
    store.commit([load(record("1"), walk=step(track_seen=False))])
    with pytest.raises(BronzeError, match="start a new full walk"):
        store.unseen(REALM, "Invoice", "walk-1")


def test_an_idle_sync_of_everything_is_one_commit_that_creates_no_table_twice(
    store: BronzeStore,
) -> None:
    for at in range(3):
        outcomes = store.commit(
            [load(entity=entity.name, id=f"{at}", watermark=after(at)) for entity in ENTITIES]
        )
        assert [outcome.fetched for outcome in outcomes] == [0] * len(ENTITIES)
    assert set(store.watermarks(REALM).values()) == {after(2)}
    assert set(store.counts(REALM).values()) == {0}
    assert store.sql("SELECT count(*) FROM _loads").rows == [(3 * len(ENTITIES),)]
    for entity in ENTITIES:
        assert store.sql(f'SELECT * FROM bronze."{entity.table}_current"').rows == []
