"""Counting a table in parts finds what counting it whole finds."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.bronze.read import counts
from ledgerguard_pipeline.bronze.read.audit import audit
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.bronze.records import (
    OTHER_REALM,
    REALM,
    load,
    record,
    tombstone,
)

INVOICE = entity_type("Invoice")


def test_parts_add_up_to_the_whole(store: BronzeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.commit([load(*(record(str(number)) for number in range(40)))])
    store.commit([load(record("7", updated=5), tombstone("8", updated=6, read=200), id="load-2")])
    store.commit([load(record("1"), record("2"), realm=OTHER_REALM, id="load-3")])
    (whole,) = audit(store, RealmId(REALM), [INVOICE]).values()
    counted = store.counts(), store.counts(REALM)
    assert (whole.stored, whole.duplicates, counted) == (39, 0, ({"Invoice": 41}, {"Invoice": 39}))
    monkeypatch.setattr(counts, "SLICE_ROWS", 10)
    assert len(counts.slices(42)) == 5
    assert audit(store, RealmId(REALM), [INVOICE]) == {"Invoice": whole}
    assert (store.counts(), store.counts(REALM)) == counted


def test_a_surplus_row_is_found_in_parts_too(
    store: BronzeStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.commit([load(*(record(str(number)) for number in range(20)))])
    with duckdb.connect(str(path)) as connection:  # only by hand can it come to this
        connection.execute(
            "INSERT INTO bronze.bronze.invoice SELECT * FROM bronze.bronze.invoice WHERE id = '3'"
        )
    for rows in (1_000, 5):
        monkeypatch.setattr(counts, "SLICE_ROWS", rows)
        (found,) = audit(store, RealmId(REALM), [INVOICE]).values()
        assert (found.stored, found.duplicates) == (21, 1)
