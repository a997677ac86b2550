"""The tables of the journal and of what differs, in schema ``silver``.

Names are qualified, because the search path of a store is Bronze's. No keys and no indexes: a
lake has none.
"""

from __future__ import annotations

from collections.abc import Mapping

from ledgerguard_pipeline.silver.books_tables import JOURNAL, POSTINGS, TAX_ACCOUNT, TIE_OUT

SCHEMA = "silver"
TABLES: dict[str, str] = {
    "journal": JOURNAL.definition,
    "_journal_windows": (
        "realm_id VARCHAR, window_start DATE, window_end DATE, report_ids VARCHAR, "
        "transactions BIGINT, legs BIGINT, bronze_at TIMESTAMPTZ, loaded_at TIMESTAMPTZ"
    ),
    "_listed_months": (
        "realm_id VARCHAR, month DATE, bronze_at TIMESTAMPTZ, listed_at TIMESTAMPTZ"
    ),
    "tie_out": TIE_OUT.definition,
}
"""``_journal_windows`` has a row for each span of days that was loaded as a whole,
``_listed_months`` one for each month that was compared with a TransactionList."""
POSTING_TABLES = {each.name: each.definition for each in (POSTINGS, TAX_ACCOUNT)}


def at(catalog: str, name: str) -> str:
    """A qualified name."""
    return f'"{catalog}".{SCHEMA}.{name}'


def create(catalog: str, tables: Mapping[str, str] = TABLES) -> list[str]:
    """Schema and tables, where they are missing."""
    return [
        f'CREATE SCHEMA IF NOT EXISTS "{catalog}".{SCHEMA}',
        *(
            f"CREATE TABLE IF NOT EXISTS {at(catalog, name)} ({columns})"
            for name, columns in tables.items()
        ),
    ]


def forget_window(catalog: str) -> str:
    """The legs of a span of days of a company."""
    return f"DELETE FROM {at(catalog, 'journal')} WHERE realm_id = ? AND posted_on BETWEEN ? AND ?"


def insert_journal(catalog: str) -> str:
    names = ", ".join(JOURNAL.types)
    return f"INSERT INTO {at(catalog, 'journal')} ({names}) SELECT {names} FROM incoming"


READ_WINDOWS = (
    f"SELECT window_start, window_end, bronze_at, loaded_at FROM {SCHEMA}._journal_windows "
    "WHERE realm_id = ? ORDER BY window_start"
)
SUMS = (
    f"SELECT account_id, any_value(account_name), sum(amount) FROM {SCHEMA}.journal "
    "WHERE realm_id = $realm AND posted_on <= $end "
    "AND ($start IS NULL OR posted_on >= $start) GROUP BY account_id"
)
TRANSACTIONS = (
    "SELECT txn_type, txn_id, any_value(doc_num), account_id, any_value(account_name), sum(amount) "
    f"FROM {SCHEMA}.journal WHERE realm_id = ? AND posted_on BETWEEN ? AND ? "
    "GROUP BY txn_type, txn_id, account_id"
)
UNBALANCED = (
    "SELECT txn_type, txn_id, any_value(doc_num), sum(debit), sum(credit), min(posted_on), "
    f"any_value(report_id) FROM {SCHEMA}.journal WHERE realm_id = ? "
    "GROUP BY txn_type, txn_id HAVING sum(amount) <> 0 ORDER BY txn_type, txn_id"
)
COUNT = (
    f"SELECT count(*), count(DISTINCT (txn_type, txn_id)) FROM {SCHEMA}.journal WHERE realm_id = ?"
)
MONTHS = (
    "SELECT CAST(date_trunc('month', posted_on) AS DATE), account_id, sum(amount) "
    f"FROM {SCHEMA}.journal WHERE realm_id = ? AND posted_on BETWEEN ? AND ? GROUP BY ALL"
)
AFTER = (
    f"SELECT account_id, posted_on, sum(amount) FROM {SCHEMA}.journal WHERE realm_id = ? "
    "AND posted_on > ? AND list_contains(?, account_id) GROUP BY ALL"
)
_LEGS = (
    "SELECT min(posted_on) AS posted_on, txn_type, txn_id, any_value(doc_num) AS number, "
    "any_value(memo) AS memo, any_value(entity) AS entity, sum(amount) AS amount "
    f"FROM {SCHEMA}.journal WHERE realm_id = $realm AND account_id = $account "
    "AND posted_on BETWEEN $start AND $end GROUP BY txn_type, txn_id"
)
ACCOUNT = (
    f"SELECT posted_on, txn_type, txn_id, number, memo, amount, NULL FROM ({_LEGS}) "
    "ORDER BY posted_on, txn_type, txn_id"
)
"""The transactions of an account in a span of days."""
ACCOUNT_WITH_POSTINGS = (
    "SELECT coalesce(legs.posted_on, derived.txn_date), coalesce(legs.txn_type, derived.entity), "
    "coalesce(legs.txn_id, derived.txn_id), coalesce(legs.number, ''), coalesce(legs.memo, ''), "
    f"legs.amount, derived.amount FROM ({_LEGS}) AS legs FULL JOIN (SELECT entity, txn_id, "
    f"min(txn_date) AS txn_date, sum(amount) AS amount FROM {SCHEMA}.postings "
    "WHERE realm_id = $realm AND account_id = $account AND txn_date BETWEEN $start AND $end "
    "GROUP BY entity, txn_id) AS derived "
    "ON derived.entity = legs.entity AND derived.txn_id = legs.txn_id ORDER BY 1, 2, 3"
)
"""The same beside what documents post."""
LABELS = (
    f"SELECT DISTINCT txn_type FROM {SCHEMA}.journal WHERE realm_id = ? AND entity IS NULL "
    "ORDER BY txn_type"
)
READ_TIE_OUT = (
    "SELECT realm_id, level, period_end, key, name, ours, theirs, class, explanation, first_seen "
    f"FROM {SCHEMA}.tie_out WHERE ($realm IS NULL OR realm_id = $realm) "
    "ORDER BY realm_id, period_end, level, key"
)
