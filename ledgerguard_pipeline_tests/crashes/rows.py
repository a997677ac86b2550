"""Killed while rows, reports, repairs and whole stores are written."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from ledgerguard_pipeline.bronze import BronzeStore
from ledgerguard_pipeline.bronze.maintenance.healing import Healed
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.silver.checks.find import check_company
from ledgerguard_pipeline_tests.bronze.maintenance.older_layout import leave_as_0_1_0_did
from ledgerguard_pipeline_tests.bronze.records import REALM, after, load, record, step, walk_of
from ledgerguard_pipeline_tests.bronze.write.crashing_writer import second_commit
from ledgerguard_pipeline_tests.cli.bronze_file import make_bronze
from ledgerguard_pipeline_tests.crashes.deeds import REPORT, report, store_at
from ledgerguard_pipeline_tests.crashes.stage import Stage
from ledgerguard_pipeline_tests.silver.books import Books


def committing(stage: Stage, point: str) -> None:
    """The store is compared with one in which nobody was killed."""
    undisturbed = store_at(str(stage.home / "undisturbed.duckdb"))
    store = store_at(stage.bronze)
    for each in (undisturbed, store):
        _first_commit(each)
    before = _held(store)
    stage.dies(point, "commit", stage.bronze)
    second_commit(undisturbed)
    assert _held(store) == (before if point == "before_bronze_commit" else _held(undisturbed))
    second_commit(store)
    assert _held(store) == _held(undisturbed)


def keeping_a_report(stage: Stage, point: str) -> None:
    store = store_at(stage.bronze)
    store.reports.save(REALM, [report()])
    stage.dies(point, "keep_report", stage.bronze)
    kept = store.reports.list(REALM)
    assert len(kept) == (1 if point == "before_workspace_commit" else 2)
    assert {store.reports.payload(REALM, each.report_id) for each in kept} == {REPORT}
    (again,) = store.reports.save(REALM, [report()])
    assert store.reports.payload(REALM, again) == REPORT


def following(stage: Stage, point: str) -> None:
    """Bronze has the rows; Silver is made up for by whoever commits next."""
    Books(store_at(stage.bronze, silver=True)).write(
        "Invoice", {"1": {"TotalAmt": 1}, "9": {"TotalAmt": 9}}
    )
    stage.dies(point, "write_silver", stage.bronze)
    books = Books(store_at(stage.bronze, silver=True))
    assert books.rows("invoice", "id", "total_amt") == [("1", Decimal(1)), ("9", Decimal(9))]
    assert not _level(books)
    books.commit("Invoice", [])
    assert books.rows("invoice", "id", "total_amt") == [
        ("1", Decimal(2)),
        ("2", Decimal(3)),
        ("9", Decimal(9)),
    ]
    assert _level(books)


def healing(stage: Stage, point: str) -> None:
    """Only files can be that old."""
    file = stage.home / "older" / "bronze.duckdb"
    store = store_at(str(file))
    leave_as_0_1_0_did(store)
    everything = "SELECT realm_id, payload, source FROM invoice ORDER BY ALL"
    before = store.sql(everything).rows
    stage.dies(point, "heal", str(file))
    store = store_at(str(file))
    assert store.sql(everything).rows == before
    assert store.healing(REALM).stored() == [
        Healed("Invoice", doubled=2),
        Healed("Attachable", 2, 2),
    ]
    assert store.healing(REALM).stored() == []


def moving(stage: Stage, point: str) -> None:
    file, lake = stage.home / "moved" / "quickbooks.duckdb", stage.make_lake()
    file.parent.mkdir()
    original = make_bronze(file)
    stage.dies(point, "move_bronze", str(file), lake)
    assert store_at(lake).counts() == {}, "a part of a move is no store"
    store_at(lake).import_file(Path(file))
    everything = "SELECT * FROM customer"
    assert store_at(lake).sql(everything).rows == original.sql(everything).rows


def _first_commit(store: BronzeStore) -> None:
    store.commit(
        [
            load(record("1", '{"v":1}'), watermark=after(1), walk=step(cursor="c1")),
            load(record("1"), entity="Bill", watermark=after(1)),
        ]
    )


def _held(store: BronzeStore) -> Sequence[object]:
    """Rows but for when and by which load they came, watermarks, quarantine and the walk."""
    walk = walk_of(store)
    tables = ("invoice", "bill")
    rows = [
        store.sql(f"SELECT id, sync_token, state, payload, payload_sha256 FROM {name} ORDER BY ALL")
        for name in tables
    ]
    return [
        *(each.rows for each in rows),
        store.watermarks(REALM),
        store.quarantined(REALM),
        None if walk is None else walk.cursor,
    ]


def _level(books: Books) -> bool:
    (found,) = check_company(books.store, [entity_type("Invoice")], REALM).values()
    return all(each.passed for each in found if each.check.severe)
