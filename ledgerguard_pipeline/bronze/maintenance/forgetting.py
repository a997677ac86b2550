"""Deleting every row of a company, in Bronze and in what is made from it."""

from __future__ import annotations

from ledgerguard_pipeline.bronze import statements
from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.bronze.statements import quoted
from ledgerguard_pipeline.values import RealmId

_TABLES = (
    "SELECT c.table_schema, c.table_name FROM information_schema.columns AS c "
    "JOIN information_schema.tables AS t USING (table_catalog, table_schema, table_name) "
    "WHERE c.table_catalog = ? AND c.column_name = 'realm_id' AND t.table_type = 'BASE TABLE' "
    "ORDER BY ALL"
)
# Of a lake its catalog is asked: DuckDB's own listing reads the statistics of each table.
_LAKE_TABLES = (
    f"FROM postgres_query('{statements.LAKE_CATALOG}', "
    "'SELECT s.schema_name, t.table_name FROM ducklake_table t JOIN ducklake_schema s USING "
    "(schema_id) JOIN ducklake_column c USING (table_id) WHERE c.column_name = ''realm_id'' AND "
    "c.parent_column IS NULL AND c.end_snapshot IS NULL AND t.end_snapshot IS NULL AND "
    "s.end_snapshot IS NULL ORDER BY 1, 2')"
)


def delete_company(session: OpenStore, realm: RealmId) -> None:
    """One transaction: all rows of the company are gone, or none."""
    connection = session.connection
    listed = (
        connection.execute(_LAKE_TABLES)
        if session.lake
        else connection.execute(_TABLES, [session.catalog])
    )
    tables = listed.fetchall()
    connection.execute("BEGIN")
    try:
        for schema, table in tables:
            name = ".".join(map(quoted, (session.catalog, schema, table)))
            connection.execute(
                f"DELETE FROM {name} WHERE realm_id = ?", [realm]
            )  # names of the catalog
        with session.committing():
            connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
