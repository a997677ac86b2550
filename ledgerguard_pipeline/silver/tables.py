"""Laying out schema ``silver``, and which companies are behind."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from ledgerguard_pipeline.bronze.backends.base import OpenStore
from ledgerguard_pipeline.bronze.lake_catalog import tables_in, through_duckdb
from ledgerguard_pipeline.entities import ENTITIES, EntityType
from ledgerguard_pipeline.silver import statements
from ledgerguard_pipeline.silver.layout import SCHEMA, EntityTables, tables_of

Due = Mapping[str, datetime | None]
"""Per company the instant up to which Bronze was applied; None where it is to be built anew."""


Applications = Mapping[str, Mapping[str, tuple[datetime | None, str]]]
"""By entity and company: up to when Bronze was applied, and by which version of the layout."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What stands in an entity type's tables before it is brought up to date."""

    known: Due
    empty: bool
    """The tables were just created."""
    orderly: bool
    """Every company that has rows is known: of another nothing has to be thrown away."""


class Layout:
    """Creates an entity's tables, or exchanges those of another version.

    For several entity types of one transaction: what is there is looked up once, and of these
    companies only, however many others there are.
    """

    def __init__(
        self, session: OpenStore, entities: Sequence[EntityType], realms: Collection[str]
    ) -> None:
        self._session = session
        names = [entity.name for entity in entities]
        self._known = applied(session.connection, session.catalog, names, realms)
        self._versions: dict[str, set[str]] = {}
        for entity, version in session.connection.execute(
            statements.read_versions(session.catalog), {"entities": names}
        ).fetchall():
            self._versions.setdefault(str(entity), set()).add(str(version))
        self._columns: dict[str, list[str]] | None = None

    def prepare(self, tables: EntityTables) -> Prepared:
        """Make sure that an entity's tables are there, as this version wants them.

        Where they were exchanged every company that had rows is to be built anew.
        """
        name = tables.entity.name
        versions = self._versions.get(name, set())
        if versions == {tables.version}:
            since = {realm: instant for realm, (instant, _) in self._known.get(name, {}).items()}
            return Prepared(since, empty=False, orderly=True)
        there = self._there()
        if not versions and all(
            there.get(table.name) == [column.name for column in table.columns]
            for table in tables.tables
        ):
            return Prepared({}, empty=False, orderly=False)
        connection, catalog = self._session.connection, self._session.catalog
        wanted = statements.create_entity(catalog, tables)
        made = {*(table.name for table in tables.tables), *statements.views_of(tables)}
        if not made.isdisjoint(there):
            wanted = [*statements.drop_entity(catalog, tables), *wanted]
        known = applied(connection, catalog, [name]).get(name, {}) if versions else {}
        connection.execute(";".join(wanted))
        return Prepared(dict.fromkeys(known), empty=True, orderly=True)

    def _there(self) -> dict[str, list[str]]:
        """The columns of each table and view of Silver as it was when first asked."""
        if self._columns is None:
            self._columns = {}
            session = self._session
            for table, column in session.connection.execute(
                statements.READ_COLUMNS, [session.catalog]
            ).fetchall():
                self._columns.setdefault(str(table), []).append(str(column))
        return self._columns


def has_silver(session: OpenStore) -> bool:
    """False before anything was written to Silver; others may have tables in its schema."""
    return has_table(session.connection, statements.at(session.catalog, statements.APPLIED))


def has_table(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Whether a table or view of this qualified name is there; a transaction goes on if not."""
    try:
        connection.execute(f"SELECT 1 FROM {name} LIMIT 0")
    except duckdb.CatalogException:
        return False
    return True


def present_tables(connection: duckdb.DuckDBPyConnection, catalog: str) -> set[str]:
    """The tables of Silver; in a lake those that are committed."""
    row = connection.execute(statements.IS_LAKE, [catalog]).fetchone()
    rows = (
        connection.execute(through_duckdb(tables_in(SCHEMA))).fetchall()
        if row is not None and row[0]
        else connection.execute(statements.READ_TABLES, [catalog]).fetchall()
    )
    return {str(row[0]) for row in rows}


def empty_tables(connection: duckdb.DuckDBPyConnection, catalog: str) -> set[str]:
    """Tables of Silver that never had a row; of a lake that is not known."""
    row = connection.execute(statements.IS_LAKE, [catalog]).fetchone()
    if row is None or row[0]:
        return set()
    rows = connection.execute(f"{statements.READ_TABLES} AND estimated_size = 0", [catalog])
    return {str(name) for (name,) in rows.fetchall()}


def lay_out(session: OpenStore) -> None:
    """Create the schema and its own tables, inside the caller's transaction."""
    session.connection.execute(statements.create_schema(session.catalog))
    for statement in statements.create_system_tables(session.catalog):
        session.connection.execute(statement)


def applied(
    connection: duckdb.DuckDBPyConnection,
    catalog: str,
    entities: Collection[str],
    realms: Collection[str] | None = None,
) -> Applications:
    """By entity and company: up to when Bronze was applied, and by which version.

    The instant is None where the company's rows are to be thrown away first. With ``realms`` of
    these companies, and of all that have such rows.
    """
    found: dict[str, dict[str, tuple[datetime | None, str]]] = {}
    values = {"entities": list(entities)} | ({} if realms is None else {"realms": list(realms)})
    rows = connection.execute(
        statements.read_applied(catalog, realms=realms is not None), values
    ).fetchall()
    for realm, entity, instant, version in rows:
        known = found.setdefault(str(entity), {})
        before = known.get(str(realm), (None, ""))[0]
        if str(realm) not in known or (instant is not None and (before or instant) <= instant):
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
        applied(connection, catalog, [each.name for each in ENTITIES], realms)
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


def forget_rows(session: OpenStore, entity: EntityType, realms: Collection[str]) -> None:
    """Let the rows of an entity type be made anew for these companies, in the tables that are there."""
    session.connection.execute(
        statements.forget_rows(session.catalog),
        {"entity": entity.name, "realms": list(realms)},
    )


def incomplete(session: OpenStore) -> set[str]:
    """Names of the entity types that were applied and of which a table is missing all the same."""
    connection, catalog = session.connection, session.catalog
    present = present_tables(connection, catalog)
    known = applied(connection, catalog, [each.name for each in ENTITIES])
    return {
        name for name in known if not present.issuperset(one.name for one in tables_of(name).tables)
    }


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
    present = present_tables(connection, session.catalog)
    names = list(statements.SYSTEM_TABLES)
    for entity in ENTITIES:
        tables = tables_of(entity)
        if present >= {table.name for table in tables.tables}:
            for statement in statements.create_entity(target, tables):
                connection.execute(statement)
            names += [table.name for table in tables.tables]
    for name in names:
        connection.execute(statements.copy_rows(name, session.catalog, target))
    for name in _of_the_books(present):
        connection.execute(statements.copy_table(name, session.catalog, target))


def bring_books(session: OpenStore, source: str) -> None:
    """Copy the tables that are not made from Bronze out of another catalog, inside the caller's transaction."""
    names = _of_the_books(present_tables(session.connection, source))
    if names:
        session.connection.execute(statements.create_schema(session.catalog))
    for name in names:
        session.connection.execute(statements.copy_table(name, source, session.catalog))


def _of_the_books(present: Collection[str]) -> list[str]:
    """The journal and what is made from it; whoever writes these knows their columns."""
    made = {table.name for entity in ENTITIES for table in tables_of(entity).tables}
    return sorted(set(present) - made - statements.SYSTEM_TABLES.keys())
