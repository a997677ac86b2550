"""``silver.postings`` and ``silver.tax_account``.

No keys and no indexes, as beside: a lake has none.
"""

from __future__ import annotations

from ledgerguard_pipeline.tieout.tables import SCHEMA, at

POSTING_COLUMNS: dict[str, str] = {
    "realm_id": "VARCHAR",
    "entity": "VARCHAR",
    "txn_id": "VARCHAR",
    "txn_date": "DATE",
    "leg_no": "INTEGER",
    "line_no": "BIGINT",
    "role": "VARCHAR",
    "account_id": "VARCHAR",
    "party_type": "VARCHAR",
    "party_id": "VARCHAR",
    "class_id": "VARCHAR",
    "department_id": "VARCHAR",
    "item_id": "VARCHAR",
    "tax_rate_id": "VARCHAR",
    "amount": "DECIMAL(38, 18)",
    "foreign_amount": "DECIMAL(38, 18)",
    "currency": "VARCHAR",
    "rule": "VARCHAR",
    "confidence": "VARCHAR",
    "loaded_at": "TIMESTAMPTZ",
}
"""``role`` is header, deposit, line, discount, tax, shipping, cash_back or fx; ``amount`` is debit
less credit in home currency, ``foreign_amount`` the same in the document's ``currency``.
``account_id`` is NULL where the journal has not shown it yet. ``tax_rate_id`` is set where the
account is learned: the TaxRate, an empty text for tax without rates, or the word that stands for
shipping. ``confidence`` is sure, learned or guess; ``loaded_at`` joins the version in Bronze."""

TABLES: dict[str, str] = {
    "postings": ", ".join(f"{name} {type_}" for name, type_ in POSTING_COLUMNS.items()),
    "tax_account": (
        "realm_id VARCHAR, tax_rate_id VARCHAR, side VARCHAR, account_id VARCHAR, seen BIGINT, "
        "contradicted BIGINT, last_seen DATE"
    ),
}
"""``tax_account``: where the tax of a rate goes, on sales and on purchases, with how many documents
show it (``seen``), how many show another account, and the day of the newest that shows it."""


def create(catalog: str) -> list[str]:
    """Schema and tables, where they are missing."""
    return [
        f'CREATE SCHEMA IF NOT EXISTS "{catalog}".{SCHEMA}',
        *(
            f"CREATE TABLE IF NOT EXISTS {at(catalog, name)} ({columns})"
            for name, columns in TABLES.items()
        ),
    ]
