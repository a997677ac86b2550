"""A load that brings only a watermark may stay out of ``_loads``, and is proven all the same."""

from __future__ import annotations

from dataclasses import replace

from ledgerguard_pipeline.bronze import BronzeStore, Load
from ledgerguard_pipeline.entities import ENTITIES
from ledgerguard_pipeline_tests.bronze.records import (
    NOON,
    OTHER_REALM,
    REALM,
    after,
    load,
    record,
    reject,
    step,
)


def _quiet(each: Load) -> Load:
    return replace(each, recorded=False)


def _records(store: BronzeStore) -> int:
    (row,) = store.sql("SELECT count(*) FROM _loads").rows
    return int(str(row[0]))


def test_many_companies_move_their_watermarks_in_one_commit_without_a_record(
    store: BronzeStore, backend: str
) -> None:
    realms = [str(9_341_453_474_484_455 + index) for index in range(30)]
    store.commit([load(record("1"), realm=realm, watermark=NOON) for realm in realms])
    sync_states = _records(store)
    loads = [
        _quiet(load(entity=entity.name, realm=realm, watermark=after(60)))
        for realm in realms
        for entity in ENTITIES
    ]
    outcomes = store.commit(loads)
    assert [(each.realm_id, each.entity) for each in outcomes] == [
        (each.realm_id, each.entity.name) for each in loads
    ]
    assert all(each.fetched == each.written == each.unchanged == 0 for each in outcomes)
    everything = {entity.name: after(60) for entity in ENTITIES}
    assert store.watermarks_of(realms) == dict.fromkeys(realms, everything)
    assert _records(store) == sync_states
    rows = store.sql("SELECT count(*), count(DISTINCT (realm_id, entity)) FROM _watermarks").rows
    # A lake keeps what was replaced until it is maintained.
    replaced = len(realms) if backend == "lake" else 0
    assert rows == [(30 * len(ENTITIES) + replaced, 30 * len(ENTITIES))]


def test_an_older_watermark_moves_nothing(store: BronzeStore) -> None:
    store.commit([load(record("1"), watermark=after(60))])
    store.commit([_quiet(load(watermark=NOON))])
    assert store.watermarks(REALM) == {"Invoice": after(60)}


def test_whatever_brings_more_than_a_watermark_is_recorded_all_the_same(store: BronzeStore) -> None:
    store.commit(
        [
            _quiet(load(record("1"), id="rows", watermark=after(1))),
            _quiet(load(id="rejects", entity="Bill", rejects=[reject("9")])),
            _quiet(load(id="walk", entity="Item", walk=step())),
            _quiet(load(id="nothing", realm=OTHER_REALM, watermark=after(2))),
        ]
    )
    recorded = {str(row[0]) for row in store.sql("SELECT load_id FROM _loads").rows}
    assert recorded == {"rows", "rejects", "walk"}
    assert store.watermarks_of([REALM, OTHER_REALM, "9130000000000001"]) == {
        REALM: {"Invoice": after(1)},
        OTHER_REALM: {"Invoice": after(2)},
        "9130000000000001": {},
    }


def test_a_store_without_a_file_knows_no_watermark_of_any_company(store: BronzeStore) -> None:
    assert store.watermarks_of([REALM]) == {REALM: {}}
    assert store.watermarks_of([]) == {}
