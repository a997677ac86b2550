"""Laying out schema ``silver``, and which companies are behind."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

import duckdb

from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.entities import ENTITIES, EntityType
from ledgerguard_pipeline.silver import statements
from ledgerguard_pipeline.silver.layout import EntityTables, tables_of

Due = Mapping[str, datetime | None]
"""Per company the instant up to which Bronze was applied; None where it is to be built anew."""


def has_silver(session: OpenStore) -> bool:
    """False before anything was written to Silver; others may have tables in its schema."""
    row = session.connection.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE database_name = ? AND schema_name = 'silver' "
        "AND table_name = ?",
        [session.catalog, statements.APPLIED],
    ).fetchone()
    return row is not None and row[0] > 0


def lay_out(session: OpenStore) -> None:
    """Create the schema and its own tables, inside the caller's transaction."""
    session.connection.execute(statements.create_schema(session.catalog))
    for statement in statements.create_system_tables(session.catalog):
        session.connection.execute(statement)


def applied(
    connection: duckdb.DuckDBPyConnection, catalog: str, entities: Collection[str]
) -> dict[str, dict[str, tuple[datetime, str]]]:
    """By entity and company: up to when Bronze was applied, and by which version."""
    found: dict[str, dict[str, tuple[datetime, str]]] = {}
    rows = connection.execute(
        statements.read_applied(catalog), {"entities": list(entities)}
    ).fetchall()
    for realm, entity, instant, version in rows:
        known = found.setdefault(str(entity), {})
        if str(realm) not in known or known[str(realm)][0] < instant:
            known[str(realm)] = (instant, str(version))
    return found


def behind(
    session: OpenStore, present: Collection[str], realms: Collection[str] | None
) -> dict[str, set[str]]:
    """Companies by entity name whose Bronze was written after it was last applied.

    ``realms`` None asks for all; ``present`` are Bronze's tables.
    """
    connection, catalog = session.connection, session.catalog
    known = (
        applied(connection, catalog, [each.name for each in ENTITIES])
        if has_silver(session)
        else {}
    )
    values = {} if realms is None else {"realms": list(realms)}
    written = connection.execute(
        statements.newest_loads(catalog, realms=realms is not None), values
    ).fetchall()
    loaded = {each.name for each in ENTITIES if each.table in present}
    found: dict[str, set[str]] = {}
    for realm, entity, loaded_at in written:
        if entity not in loaded:
            continue
        instant, version = known.get(str(entity), {}).get(str(realm), (None, ""))
        if instant is None or instant < loaded_at or version != tables_of(entity).version:
            found.setdefault(str(entity), set()).add(str(realm))
    return found


def forget(session: OpenStore, realm: str) -> None:
    """Let everything of a company be built anew, inside the caller's transaction."""
    if has_silver(session):
        session.connection.execute(statements.forget_company(session.catalog), [realm])


def forget_entity(session: OpenStore, entity: EntityType) -> None:
    """Let an entity type be built anew in new tables, for every company."""
    session.connection.execute(
        statements.set_version(session.catalog), {"entity": entity.name, "version": ""}
    )


def copy_tables(session: OpenStore, target: str) -> None:
    """Copy every table into another catalog, inside the caller's transaction.

    The search path must be in that catalog, so that its views find its tables.
    """
    if not has_silver(session):
        return
    connection = session.connection
    connection.execute(statements.create_schema(target))
    for statement in statements.create_system_tables(target):
        connection.execute(statement)
    rows = connection.execute(statements.READ_TABLES, [session.catalog]).fetchall()
    present = {str(row[0]) for row in rows}
    names = list(statements.SYSTEM_TABLES)
    for entity in ENTITIES:
        tables = tables_of(entity)
        if present >= {table.name for table in tables.tables}:
            for statement in statements.create_entity(target, tables):
                connection.execute(statement)
            names += [table.name for table in tables.tables]
    for name in names:
        connection.execute(statements.copy_rows(name, session.catalog, target))


def prepare_entity(session: OpenStore, tables: EntityTables) -> Due:
    """Create an entity's tables, or exchange those of another version; what is applied already.

    Where the tables were exchanged every company that had rows is to be built anew.
    """
    connection, catalog = session.connection, session.catalog
    known = applied(connection, catalog, [tables.entity.name]).get(tables.entity.name, {})
    versions = {version for _, version in known.values()}
    if versions == {tables.version}:
        return {realm: instant for realm, (instant, _) in known.items()}
    there = connection.execute(
        f"{statements.READ_TABLES} AND table_name = ?", [catalog, tables.header.name]
    ).fetchone()
    if there is not None and not versions and _same_columns(connection, catalog, tables):
        return {}
    for statement in statements.drop_entity(catalog, tables):
        connection.execute(statement)
    for statement in statements.create_entity(catalog, tables):
        connection.execute(statement)
    return dict.fromkeys(known)


def _same_columns(
    connection: duckdb.DuckDBPyConnection, catalog: str, tables: EntityTables
) -> bool:
    """Whether the tables that are there look like the ones of this version."""
    found: dict[str, list[str]] = {}
    for table, column in connection.execute(statements.READ_COLUMNS, [catalog]).fetchall():
        found.setdefault(str(table), []).append(str(column))
    return all(
        found.get(table.name) == [column.name for column in table.columns]
        for table in tables.tables
    )
