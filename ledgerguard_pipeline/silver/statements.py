"""Every statement of schema ``silver``, made from the layout.

Names are qualified with the catalog, because one connection also reads Bronze. As in Bronze
there are no keys, indexes or sequences: a lake has none.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledgerguard_pipeline.bronze.statements import GONE, quoted
from ledgerguard_pipeline.bronze.statements import SCHEMA as BRONZE
from ledgerguard_pipeline.entities import DERIVED
from ledgerguard_pipeline.silver.layout import SCHEMA, EntityTables, Table

APPLIED = "_applied"
MISFITS = "_misfits"
SYSTEM_TABLES = {
    APPLIED: (
        "realm_id VARCHAR, entity VARCHAR, applied_to TIMESTAMPTZ, silver_version VARCHAR, "
        "silver_at TIMESTAMPTZ"
    ),
    MISFITS: (
        "realm_id VARCHAR, entity VARCHAR, id VARCHAR, path VARCHAR, text VARCHAR, "
        "loaded_at TIMESTAMPTZ"
    ),
}
CHANGED = "silver_changed"
"""Name under which the keys of changed objects are registered."""
INCOMING = "silver_incoming"
"""Name under which decoded rows are registered."""
READ_TABLES = (
    "SELECT table_name FROM duckdb_tables() WHERE database_name = ? AND schema_name = 'silver'"
)
READ_SIZES = (
    "SELECT table_name, estimated_size FROM duckdb_tables() "
    "WHERE database_name = ? AND schema_name = 'bronze'"
)
"""How many rows Bronze's tables have, in a file."""
_NARROW = "v_"
IS_LAKE = "SELECT type = 'ducklake' FROM duckdb_databases() WHERE database_name = ?"

READ_COLUMNS = (
    "SELECT table_name, column_name FROM duckdb_columns() "
    "WHERE database_name = ? AND schema_name = 'silver' ORDER BY table_name, column_index"
)


def create_schema(catalog: str) -> str:
    return f"CREATE SCHEMA IF NOT EXISTS {quoted(catalog)}.{SCHEMA}"


def create_system_tables(catalog: str) -> list[str]:
    return [
        f"CREATE TABLE IF NOT EXISTS {at(catalog, name)} ({columns})"
        for name, columns in SYSTEM_TABLES.items()
    ]


def at(catalog: str, name: str, schema: str = SCHEMA) -> str:
    """A qualified name."""
    return f"{quoted(catalog)}.{schema}.{quoted(name)}"


def create_entity(catalog: str, tables: EntityTables) -> list[str]:
    """The tables of an entity type, the narrow view of each, and the views derived from it."""
    made = [statement for table in tables.tables for statement in _create(catalog, table)]
    for derived in DERIVED:
        if derived.base == tables.entity.name:
            made += _derive(catalog, derived.table, tables)
    return made


def drop_entity(catalog: str, tables: EntityTables) -> list[str]:
    """Undo ``create_entity``, whatever columns the tables had."""
    return [
        *(f"DROP VIEW IF EXISTS {at(catalog, name)}" for name in reversed(views_of(tables))),
        *(f"DROP TABLE IF EXISTS {at(catalog, table.name)}" for table in tables.tables),
    ]


def views_of(tables: EntityTables) -> list[str]:
    """The names of the views that ``create_entity`` makes, each after those it reads."""
    names = [table.name for table in tables.tables]
    views = [narrow(name) for name in names]
    for derived in DERIVED:
        if derived.base == tables.entity.name:
            views += [
                name.replace(tables.entity.table, derived.table, 1) for name in (*names, *views)
            ]
    return views


def narrow(name: str) -> str:
    """The view of a table or view with amounts as every tool can read them."""
    return f"{_NARROW}{name}"


def is_narrow(name: str) -> bool:
    """Whether it is such a view."""
    return name.startswith(_NARROW)


def _create(catalog: str, table: Table) -> list[str]:
    columns = ", ".join(f"{quoted(each.name)} {each.kind.sql}" for each in table.columns)
    shown = ", ".join(
        f"TRY_CAST({quoted(each.name)} AS {each.kind.narrow}) AS {quoted(each.name)}"
        if each.kind.exact
        else quoted(each.name)
        for each in table.columns
    )
    # A view names its table without the catalog: that is called otherwise wherever it is attached.
    view = f"SELECT {shown} FROM {SCHEMA}.{quoted(table.name)}"
    return [
        f"CREATE TABLE {at(catalog, table.name)} ({columns})",
        f"CREATE VIEW {at(catalog, narrow(table.name))} AS {view}",
    ]


def _derive(catalog: str, name: str, tables: EntityTables) -> list[str]:
    """``expense`` over ``purchase``: cash and card purchases without card credits."""
    base = tables.entity.table
    cash = f"payment_type IN ('Cash', 'CreditCard') AND NOT coalesce({quoted('credit')}, false)"
    made = []
    for table in tables.tables:
        view = table.name.replace(base, name, 1)
        for named in (str, narrow):
            rows = f"SELECT * FROM {SCHEMA}.{quoted(named(table.name))}"
            rows += (
                f" WHERE {cash}"
                if table.child is None
                else f" SEMI JOIN (SELECT realm_id, id FROM {SCHEMA}.{quoted(base)} WHERE {cash}) "
                "USING (realm_id, id)"
            )
            made.append(f"CREATE VIEW {at(catalog, named(view))} AS {rows}")
    return made


def changed_keys(catalog: str, entity_tables: Sequence[str]) -> str:
    """The newest version of every object that changed since ``since`` of its company.

    ``silver_due`` holds types (by position), companies and instants; ``after_0`` is the earliest of
    the first type, and so on. Versions rise with ``loaded_at``, so the newest of a changed object is
    among the new ones, and only those are read.
    """
    rows = " UNION ALL ".join(
        f"SELECT {kind} AS kind, realm_id, id, loaded_at FROM {at(catalog, table, BRONZE)} "
        f"WHERE loaded_at > $after_{kind}"
        for kind, table in enumerate(entity_tables)
    )
    return (
        "SELECT each.kind, each.realm_id, each.id, max(each.loaded_at) AS loaded_at "
        f"FROM ({rows}) AS each JOIN silver_due AS due ON each.kind = due.kind "
        "AND each.realm_id = due.realm_id AND each.loaded_at > due.since "
        "GROUP BY each.kind, each.realm_id, each.id"
    )


def newest_rows(catalog: str, entity_tables: Sequence[str]) -> str:
    """The living ones of the changed objects, with their payloads; from ``from_0`` on they were loaded."""
    columns = "realm_id, id, sync_token, state, created_at, last_updated_at, payload, loaded_at"
    rows = " UNION ALL ".join(
        f"SELECT {kind} AS kind, {columns} FROM {at(catalog, table, BRONZE)} "
        f"WHERE loaded_at >= $from_{kind} AND state NOT IN {GONE}"
        for kind, table in enumerate(entity_tables)
    )
    return (
        f"SELECT kind, {columns} FROM ({rows}) "
        f"SEMI JOIN {CHANGED} USING (kind, realm_id, id, loaded_at)"
    )


def delete_changed(catalog: str, name: str) -> str:
    return (
        f"DELETE FROM {at(catalog, name)} WHERE (realm_id, id) IN "
        f"(SELECT realm_id, id FROM {CHANGED})"
    )


def delete_misfits(catalog: str) -> str:
    return (
        f"DELETE FROM {at(catalog, MISFITS)} WHERE entity = $entity AND (realm_id, id) IN "
        f"(SELECT realm_id, id FROM {CHANGED})"
    )


def delete_companies(catalog: str, name: str) -> str:
    return f"DELETE FROM {at(catalog, name)} WHERE realm_id IN (SELECT unnest($realms))"


def insert(catalog: str, name: str) -> str:
    return f"INSERT INTO {at(catalog, name)} BY NAME SELECT * FROM {INCOMING}"


def copy_rows(name: str, source: str, target: str) -> str:
    return f"INSERT INTO {at(target, name)} BY NAME SELECT * FROM {at(source, name)}"


def copy_table(name: str, source: str, target: str) -> str:
    return f"CREATE TABLE {at(target, name)} AS SELECT * FROM {at(source, name)}"


def forget_applied(catalog: str) -> str:
    """Make room for what is about to be noted, which is registered already."""
    return (
        f"DELETE FROM {at(catalog, APPLIED)} WHERE (entity, realm_id) IN "
        f"(SELECT entity, realm_id FROM {INCOMING})"
    )


def forget_rows(catalog: str) -> str:
    """As ``forget_company``, of one entity type."""
    return (
        f"UPDATE {at(catalog, APPLIED)} SET applied_to = NULL WHERE entity = $entity "
        "AND realm_id IN (SELECT unnest($realms))"
    )


def set_version(catalog: str) -> str:
    return f"UPDATE {at(catalog, APPLIED)} SET silver_version = $version WHERE entity = $entity"


def forget_company(catalog: str) -> str:
    """Its rows stay until it is built anew: without an instant they are thrown away first."""
    return f"UPDATE {at(catalog, APPLIED)} SET applied_to = NULL WHERE realm_id = ?"


def forget_misfits(catalog: str) -> str:
    return (
        f"DELETE FROM {at(catalog, MISFITS)} WHERE entity = $entity "
        "AND realm_id IN (SELECT unnest($realms))"
    )


def read_applied(catalog: str, *, realms: bool) -> str:
    mine = " AND (realm_id IN (SELECT unnest($realms)) OR applied_to IS NULL)" if realms else ""
    return (
        "SELECT realm_id, entity, applied_to, silver_version "
        f"FROM {at(catalog, APPLIED)} WHERE entity IN (SELECT unnest($entities)){mine}"
    )


def read_versions(catalog: str) -> str:
    return (
        f"SELECT DISTINCT entity, silver_version FROM {at(catalog, APPLIED)} "
        "WHERE entity IN (SELECT unnest($entities))"
    )


def newest_loads(catalog: str, *, realms: bool) -> str:
    """When each company's entity types were written last, by Bronze's own records."""
    where = " AND realm_id IN (SELECT unnest($realms))" if realms else ""
    return (
        "SELECT realm_id, entity, max(loaded_at) "
        f"FROM {at(catalog, '_loads', BRONZE)} WHERE written + deleted > 0{where} "
        "GROUP BY realm_id, entity"
    )
