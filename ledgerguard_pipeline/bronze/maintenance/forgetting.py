"""Deleting every row of a company, in Bronze and in what is made from it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ledgerguard_pipeline.bronze import lake_catalog
from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.bronze.statements import quoted
from ledgerguard_pipeline.bronze.write.transaction import Transaction
from ledgerguard_pipeline.values import RealmId

_TABLES = (
    "SELECT c.table_schema, c.table_name FROM information_schema.columns AS c "
    "JOIN information_schema.tables AS t USING (table_catalog, table_schema, table_name) "
    "WHERE c.table_catalog = ? AND c.column_name = 'realm_id' AND t.table_type = 'BASE TABLE' "
    "ORDER BY ALL"
)
_NAMELESS = "UPDATE {} SET realm_id = '' WHERE realm_id = ?"
_DELETE = "DELETE FROM {} WHERE realm_id = ?"
_FIELDS = '"_fields"'


def delete_company(session: OpenStore, realm: RealmId) -> Sequence[str]:
    """One transaction: all rows of the company are gone, or none; the tables that had some.

    Fields that it was the first to show stay known, without its id.

    DuckLake refuses a deletion beside an insertion into the same table, so other companies' commits
    wait for this one (decision 111); and what has no row of the company is left alone.
    """
    connection = session.connection
    with Transaction(session, reads_first=True) as transaction:
        tables = tables_of(session, realm)
        for name in tables:
            # Names of fields are Intuit's. Without them those of other companies would be new.
            what = _NAMELESS if name.endswith(_FIELDS) else _DELETE
            transaction.later(partial(connection.execute, what.format(name), [realm]))
        transaction.commit()
    return tables


def tables_of(session: OpenStore, realm: RealmId) -> list[str]:
    """The tables in which the company has rows, as SQL names them."""
    connection = session.connection
    listed = (
        connection.execute(lake_catalog.read_company_tables())
        if session.lake
        else connection.execute(_TABLES, [session.catalog])
    )
    names = [".".join(map(quoted, (session.catalog, *each))) for each in listed.fetchall()]
    asked = " UNION ALL ".join(
        f"SELECT {number} WHERE EXISTS (FROM {name} WHERE realm_id = $realm)"
        for number, name in enumerate(names)
    )
    if not asked:
        return []
    found = connection.execute(asked, {"realm": realm}).fetchall()
    return [names[number] for (number,) in sorted(found)]
