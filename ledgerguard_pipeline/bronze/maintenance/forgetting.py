"""Deleting every row of a company, in Bronze and in what is made from it."""

from __future__ import annotations

from ledgerguard_pipeline.bronze import lake_catalog
from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.bronze.statements import quoted
from ledgerguard_pipeline.values import RealmId

_TABLES = (
    "SELECT c.table_schema, c.table_name FROM information_schema.columns AS c "
    "JOIN information_schema.tables AS t USING (table_catalog, table_schema, table_name) "
    "WHERE c.table_catalog = ? AND c.column_name = 'realm_id' AND t.table_type = 'BASE TABLE' "
    "ORDER BY ALL"
)
_NAMELESS = "UPDATE {} SET realm_id = ''"


def delete_company(session: OpenStore, realm: RealmId) -> None:
    """One transaction: all rows of the company are gone, or none.

    Fields that it was the first to show stay known, without its id.
    """
    connection = session.connection
    listed = (
        connection.execute(lake_catalog.read_company_tables())
        if session.lake
        else connection.execute(_TABLES, [session.catalog])
    )
    tables = listed.fetchall()
    connection.execute("BEGIN")
    try:
        for schema, table in tables:
            name = ".".join(map(quoted, (session.catalog, schema, table)))
            # Names of fields are Intuit's. Without them those of other companies would be new.
            what = _NAMELESS if table == "_fields" else "DELETE FROM {}"
            connection.execute(f"{what.format(name)} WHERE realm_id = ?", [realm])
        with session.committing():
            connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
