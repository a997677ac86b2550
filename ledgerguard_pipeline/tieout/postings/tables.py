"""``silver.postings`` and ``silver.tax_account``.

No keys and no indexes, as beside: a lake has none.
"""

from __future__ import annotations

from ledgerguard_pipeline.silver.books_tables import POSTINGS, TAX_ACCOUNT
from ledgerguard_pipeline.tieout.tables import SCHEMA, at

TABLES: dict[str, str] = {each.name: each.definition for each in (POSTINGS, TAX_ACCOUNT)}


def create(catalog: str) -> list[str]:
    """Schema and tables, where they are missing."""
    return [
        f'CREATE SCHEMA IF NOT EXISTS "{catalog}".{SCHEMA}',
        *(
            f"CREATE TABLE IF NOT EXISTS {at(catalog, name)} ({columns})"
            for name, columns in TABLES.items()
        ),
    ]
