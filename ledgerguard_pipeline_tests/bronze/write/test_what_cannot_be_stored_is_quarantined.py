from __future__ import annotations

from dataclasses import replace as replace_load

import pytest
from msgspec.structs import replace

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.values import Record
from ledgerguard_pipeline_tests.bronze.records import NOON, REALM, load, record, reject, step


def test_a_reject_is_kept_with_its_exact_bytes(store: BronzeStore) -> None:
    [outcome] = store.commit([load(record("1"), rejects=[reject("2", "bad time", b"\xff\x00{")])])
    assert (outcome.written, outcome.quarantined, outcome.fetched) == (1, 1, 2)
    rows = store.sql(
        "SELECT entity, id, reason, payload, request_id, load_id FROM _quarantine"
    ).rows
    assert rows == [("Invoice", "2", "bad time", b"\xff\x00{", "tid-1", "load-1")]
    assert store.quarantined(REALM) == {"Invoice": 1}


@pytest.mark.parametrize(
    "bad, reason",
    [
        (record("2", b'{"Note":"\xff"}'), "the payload is not UTF-8"),
        (replace(record("2"), payload=None), "a living record without a payload"),
        (
            replace(record("2"), last_updated_at=NOON.replace(tzinfo=None)),
            "a time without UTC offset",
        ),
        (replace(record("2"), created_at=NOON.replace(tzinfo=None)), "a time without UTC offset"),
        (replace(record("2"), id=""), "a record without an Id"),
    ],
)
def test_one_bad_record_never_fails_its_load(store: BronzeStore, bad: Record, reason: str) -> None:
    [outcome] = store.commit([load(record("1"), bad, record("3"))])
    assert (outcome.written, outcome.quarantined) == (2, 1)
    assert store.sql("SELECT reason, payload FROM _quarantine").rows == [(reason, bad.payload)]


def test_the_same_reject_is_noted_once(store: BronzeStore) -> None:
    for _ in range(3):
        [outcome] = store.commit([load(rejects=[reject("1"), reject("1"), reject(None, "torn")])])
        assert outcome.quarantined == 3
    assert store.quarantined(REALM) == {"Invoice": 2}
    [(times,)] = store.sql("SELECT count(*) FROM _quarantine WHERE last_seen_at > loaded_at").rows
    assert times == 2


def test_a_good_version_resolves_its_quarantine(store: BronzeStore) -> None:
    store.commit([load(rejects=[reject("1"), reject("2")])])
    store.commit([load(record("1"), record("2"), rejects=[reject("2", "again")])])
    rows = store.sql("SELECT id, reason FROM _quarantine WHERE resolved_at IS NULL ORDER BY ALL")
    assert rows.rows == [("2", "again"), ("2", "unreadable")]


def test_a_complete_walk_resolves_what_it_no_longer_meets(store: BronzeStore) -> None:
    store.commit([load(rejects=[reject(None, "torn page"), reject("5")])])
    store.commit([load(rejects=[reject("5")], walk=step())])
    assert store.quarantined(REALM) == {"Invoice": 2}
    store.commit([load(walk=step(done=True))])
    rows = store.sql("SELECT reason FROM _quarantine WHERE resolved_at IS NULL").rows
    assert rows == [("unreadable",)]


def test_so_does_a_load_that_needed_no_walk_to_meet_all_rows(store: BronzeStore) -> None:
    store.commit([load(rejects=[reject(None, "torn page"), reject(None, "another")])])
    store.commit([load(record("1"))])
    assert store.quarantined(REALM) == {"Invoice": 2}
    whole = replace_load(load(record("1"), rejects=[reject(None, "another")]), whole=True)
    store.commit([whole])
    rows = store.sql("SELECT reason FROM _quarantine WHERE resolved_at IS NULL").rows
    assert rows == [("another",)]
