"""Counting a table in parts finds what counting it whole finds."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.bronze.read import counts
from ledgerguard_pipeline.bronze.read.audit import audit
from ledgerguard_pipeline.bronze.read.audit_many import audit_many
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
    (whole,) = audit(store.workspace, RealmId(REALM), [INVOICE]).values()
    counted = store.counts(), store.counts(REALM)
    together = audit_many(store.workspace, {RealmId(REALM): [INVOICE]})[RealmId(REALM)]
    held = store.company_counts.of(REALM).live
    assert (held, together["Invoice"].stored) == ({"Invoice": 39}, 39)
    assert (whole.stored, whole.duplicates, counted) == (39, 0, ({"Invoice": 41}, {"Invoice": 39}))
    monkeypatch.setattr(counts, "SLICE_ROWS", 10)
    assert len(counts.slices(42)) == 5
    assert audit(store.workspace, RealmId(REALM), [INVOICE]) == {"Invoice": whole}
    assert (store.counts(), store.counts(REALM)) == counted
    assert store.company_counts.of(REALM).live == held
    assert audit_many(store.workspace, {RealmId(REALM): [INVOICE]}) == {RealmId(REALM): together}


def test_parts_of_a_large_table_are_read_one_after_the_other() -> None:
    class Noting:
        """A connection that notes how many selects a statement has."""

        def __init__(self) -> None:
            self.selects: list[int] = []

        def execute(self, statement: str) -> duckdb.DuckDBPyConnection:
            self.selects.append(statement.count("SELECT"))
            return duckdb.execute(statement)

    noting = Noting()
    parts = [(part, "SELECT 1") for part in counts.slices(5 * counts.SLICE_ROWS)]
    whole = [(counts.WHOLE, "SELECT 2")] * 9
    found = list(counts.in_few_statements(noting, [*parts, *whole]))  # type: ignore[arg-type]  # as one
    assert found == [(1,)] * len(parts) + [(2,)] * 9
    assert noting.selects == [1] * len(parts) + [8, 1]


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
        (found,) = audit(store.workspace, RealmId(REALM), [INVOICE]).values()
        assert (found.stored, found.duplicates) == (21, 1)
