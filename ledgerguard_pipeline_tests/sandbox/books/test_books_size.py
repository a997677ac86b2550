"""A company of a million invoices fits: rows hold no bytes until they are edited."""

from __future__ import annotations

import tracemalloc

from ledgerguard_pipeline.sandbox.edits.edits import edit
from ledgerguard_pipeline.sandbox.seed.build import build_company
from ledgerguard_pipeline_tests.effort import python_calls
from ledgerguard_pipeline_tests.sandbox.books.proof import NOW

MOST_BYTES_A_ROW = 600
"""A million invoices and 200,000 payments stay below 720 MB at this figure."""

MOST_CALLS_A_ROW = 30
"""Of Python functions; what serves a million rows must not grow with their fields."""


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


def test_rendering_a_row_takes_few_calls_however_long_it_is() -> None:
    company = build_company(invoices=500, now=NOW)
    table = company.tables["Invoice"]
    rows = list(table.rows.values())
    calls = python_calls(lambda: [table.body(row) for row in rows])
    assert calls < MOST_CALLS_A_ROW * len(rows)


def _held(invoices: int) -> int:
    tracemalloc.start()
    try:
        company = build_company(invoices=invoices, now=NOW)
        held, _ = tracemalloc.get_traced_memory()
        assert len(company.tables["Invoice"].rows) == invoices
        return held
    finally:
        tracemalloc.stop()
