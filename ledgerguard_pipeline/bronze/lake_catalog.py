"""What is asked of a lake's catalog, past DuckDB: its own listings read the statistics of each table.

Tables and columns are those of the DuckLake specification 1.0. Decision 99 in docs/decisions.md.
"""

from __future__ import annotations

CATALOG = "ledgerguard"
"""As the lake is attached."""
_METADATA = f"__ducklake_metadata_{CATALOG}"
"""As DuckLake calls its catalog's database then."""
_RECENT = 10_000
_LIVE = "t.end_snapshot IS NULL AND s.end_snapshot IS NULL"


def _asking(query: str) -> str:
    doubled = query.replace("'", "''")
    return f"FROM postgres_query('{_METADATA}', '{doubled}')"


def read_tables(schema: str) -> str:
    """The tables of a schema, and how many rows were ever written to each, deleted ones included."""
    return _asking(
        "SELECT t.table_name, coalesce(n.next_row_id, 0) FROM ducklake_table t "
        "JOIN ducklake_schema s USING (schema_id) LEFT JOIN ducklake_table_stats n USING (table_id) "
        f"WHERE {_LIVE} AND s.schema_name = '{schema}'"
    )


def read_company_tables() -> str:
    """Schemas and names of the tables with a column ``realm_id``."""
    return _asking(
        "SELECT s.schema_name, t.table_name FROM ducklake_table t JOIN ducklake_schema s USING "
        "(schema_id) JOIN ducklake_column c USING (table_id) WHERE c.column_name = 'realm_id' "
        f"AND c.parent_column IS NULL AND c.end_snapshot IS NULL AND {_LIVE} ORDER BY 1, 2"
    )


def name_commit(author: str, message: str, name: str) -> str:
    """Give the snapshot that the transaction will make these texts; ``name`` is its extra info."""
    return f"CALL {CATALOG}.set_commit_message('{author}', '{message}', extra_info => '{name}')"


def find_commit(name: str) -> str:
    """A row if one of the latest snapshots bears that name."""
    return _asking(
        "SELECT snapshot_id FROM ducklake_snapshot_changes WHERE snapshot_id > "
        f"(SELECT max(snapshot_id) - {_RECENT} FROM ducklake_snapshot) "
        f"AND commit_extra_info = '{name}'"
    )


READ_DATA_PATH = _asking("SELECT value FROM ducklake_metadata WHERE key = 'data_path'")
"""Where the files of the lake are; it ends with a slash."""

READ_TIME = _asking("SELECT clock_timestamp()")
"""The time of the catalog's server, which is the same for all hosts."""
