"""The tables of ``bronze`` that hold no versions of objects, by name, as DuckDB defines them."""

from __future__ import annotations

from ledgerguard_pipeline.bronze import attachment_table, report_table

SIDE_TABLES: dict[str, str] = {
    report_table.NAME: report_table.DEFINITION,
    attachment_table.NAME: attachment_table.DEFINITION,
}
