"""What is asked of a lake's catalog, past DuckDB: its own listings read the statistics of each table.

Tables and columns are those of the DuckLake specification 1.0. Who writes has a connection of its own to
the catalog and asks there (``OpenStore.ask``), because a question through DuckDB is a transaction of DuckLake
and ten of PostgreSQL's statements. Decisions 99 and 111 in docs/decisions.md.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

CATALOG = "ledgerguard"
"""As the lake is attached."""
_METADATA = f"__ducklake_metadata_{CATALOG}"
"""As DuckLake calls its catalog's database then."""
_AUTHOR = "ledgerguard"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CONCURRENT = 200
_IS_RECENT = "snapshot_id > (SELECT max(snapshot_id) - 10000 FROM ducklake_snapshot)"
_LIVE = "t.end_snapshot IS NULL AND s.end_snapshot IS NULL"


def through_duckdb(query: str) -> str:
    """A question to the catalog as DuckDB hands it on."""
    doubled = query.replace("'", "''")
    return f"FROM postgres_query('{_METADATA}', '{doubled}')"


def tables_in(schema: str) -> str:
    """The tables of a schema, and how many rows were ever written to each, deleted ones included."""
    return (
        "SELECT t.table_name, coalesce(n.next_row_id, 0) FROM ducklake_table t "
        "JOIN ducklake_schema s USING (schema_id) LEFT JOIN ducklake_table_stats n USING (table_id) "
        f"WHERE {_LIVE} AND s.schema_name = '{schema}'"
    )


def read_company_tables() -> str:
    """Schemas and names of the tables with a column ``realm_id``."""
    return through_duckdb(
        "SELECT s.schema_name, t.table_name FROM ducklake_table t JOIN ducklake_schema s USING "
        "(schema_id) JOIN ducklake_column c USING (table_id) WHERE c.column_name = 'realm_id' "
        f"AND c.parent_column IS NULL AND c.end_snapshot IS NULL AND {_LIVE} ORDER BY 1, 2"
    )


FILES_WITH_DELETIONS = (
    "SELECT s.schema_name, t.table_name, regexp_replace(f.path, '^.*/', ''), f.file_size_bytes, "
    "f.record_count, d.delete_count FROM ducklake_delete_file d JOIN ducklake_data_file f USING "
    "(data_file_id) JOIN ducklake_table t ON t.table_id = f.table_id JOIN ducklake_schema s USING "
    f"(schema_id) WHERE d.end_snapshot IS NULL AND f.end_snapshot IS NULL AND {_LIVE} ORDER BY 1, 2, f.data_file_id"
)
"""Schema and table of each file of which rows are deleted, its name, bytes, rows and how many are deleted."""
END_DEAD_FILES = (
    "WITH latest AS (SELECT max(snapshot_id) AS id FROM ducklake_snapshot), "
    "deletions AS (UPDATE ducklake_delete_file d SET end_snapshot = latest.id "
    "FROM latest, ducklake_data_file f WHERE f.data_file_id = d.data_file_id AND d.end_snapshot IS NULL "
    "AND f.end_snapshot IS NULL AND d.delete_count = f.record_count RETURNING d.data_file_id) "
    "UPDATE ducklake_data_file f SET end_snapshot = latest.id FROM latest, deletions "
    "WHERE f.data_file_id = deletions.data_file_id RETURNING f.data_file_id"
)
"""End files of which every row is deleted with the latest snapshot, which shows none of them any more.

DuckLake does so where a deletion is written to a file, and forgets to where it moves one out of the catalog.
"""


def name_commit(message: str, name: str, latest: datetime) -> str:
    """Give the snapshot that the transaction will make a text, a name and its latest ``loaded_at``."""
    info = f"{name} {(latest - _EPOCH) // timedelta(microseconds=1)}"
    return f"CALL {CATALOG}.set_commit_message('{_AUTHOR}', '{message}', extra_info => '{info}')"


def find_commit(name: str) -> str:
    """A row if one of the latest snapshots bears that name."""
    return (
        f"SELECT snapshot_id FROM ducklake_snapshot_changes WHERE {_IS_RECENT} "
        f"AND split_part(commit_extra_info, ' ', 1) = '{name}'"
    )


LATEST_COMMIT = (
    "SELECT to_timestamp(max(nullif(split_part(info, ' ', 2), '')::bigint) / 1000000.0) FROM ("
    "SELECT commit_extra_info AS info FROM ducklake_snapshot_changes "
    f"WHERE {_IS_RECENT} AND author = '{_AUTHOR}' ORDER BY snapshot_id DESC LIMIT {_CONCURRENT}"
    ") AS latest"
)
"""The latest ``loaded_at`` of named commits, or NULL. Each commit is later than all that it saw, so the last
ones tell, as many as may have been made side by side."""
READ_DATA_PATH = through_duckdb("SELECT value FROM ducklake_metadata WHERE key = 'data_path'")
"""Where the files of the lake are; it ends with a slash."""

READ_TIME = through_duckdb("SELECT clock_timestamp()")
"""The time of the catalog's server, which is the same for all hosts."""
