"""A company of a million invoices fits: rows hold no bytes until they are edited."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from ledgerguard_pipeline.sandbox.edits.edits import edit
from ledgerguard_pipeline.sandbox.seed.build import build_company
from ledgerguard_pipeline_tests.sandbox.books.proof import NOW

MOST_BYTES_A_ROW = 600
"""A million invoices and 200,000 payments stay below 720 MB at this figure."""


def test_an_unedited_row_costs_less_than_its_body() -> None:
    small = _held(500)
    large = _held(5_500)
    rows = 5_000 + 1_000
    assert (large - small) / rows < MOST_BYTES_A_ROW


def test_only_edited_invoices_hold_bytes() -> None:
    company = build_company(invoices=2_000, now=NOW)
    table = company.tables["Invoice"]
    assert all(row.body is None for row in table.rows.values())
    done = edit(company, "update", "Invoice", None, NOW)
    assert [row.id for row in table.rows.values() if row.body is not None] == [done.id]


@pytest.mark.bench
def test_rows_are_rendered_faster_than_they_are_served() -> None:
    company = build_company(invoices=40_000, now=NOW)
    table = company.tables["Invoice"]
    start = time.process_time()
    for row in table.rows.values():
        table.body(row)
    rate = len(table.rows) / (time.process_time() - start)
    print(f"{rate:,.0f} invoices rendered per second of one core")
    assert rate > 40_000


def _held(invoices: int) -> int:
    tracemalloc.start()
    try:
        company = build_company(invoices=invoices, now=NOW)
        held, _ = tracemalloc.get_traced_memory()
        assert len(company.tables["Invoice"].rows) == invoices
        return held
    finally:
        tracemalloc.stop()
