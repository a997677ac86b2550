"""Running the checks of an entity type for one company."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from ledgerguard_pipeline.bronze.backends.base import first_line
from ledgerguard_pipeline.bronze.statements import GONE, quoted
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.entities import ENTITIES, EntityType
from ledgerguard_pipeline.errors import BronzeError
from ledgerguard_pipeline.silver.checks.check import (
    ADDS_UP,
    KNOWN,
    LEVEL,
    NARROW,
    OPEN,
    OPEN_AMOUNTS,
    READABLE,
    RESOLVED,
    SHOWN,
    UNIQUE,
    Finding,
    SilverCheck,
    checks_of,
)
from ledgerguard_pipeline.silver.checks.fields import strange_paths
from ledgerguard_pipeline.silver.checks.references import dangling
from ledgerguard_pipeline.silver.checks.sums import Scope, shown, wrong_sums
from ledgerguard_pipeline.silver.layout import EntityTables, Table, tables_of
from ledgerguard_pipeline.silver.statements import APPLIED, MISFITS
from ledgerguard_pipeline.values import RealmId, parse_realm

Ask = Callable[[str], Sequence[Sequence[object]]]
"""Runs one reading statement and gives its rows."""


@dataclass(frozen=True, slots=True)
class _There:
    """What a store has: its tables by schema, and for the company what was read and by which rules."""

    bronze: frozenset[str]
    silver: frozenset[str]
    loaded: frozenset[str]
    """Tables of the entity types that were read, be there any objects or none."""
    versions: Mapping[str, str]
    """By entity name the version of the rules that its rows were made by."""


def check_company(
    store: BronzeStore,
    entities: Collection[EntityType],
    realm: RealmId | str,
    since: Mapping[str, datetime] | None = None,
) -> dict[str, list[Finding]]:
    """The findings by entity name, of one company, in one consistent view.

    ``since`` has, by entity name, the instant from which on rows are looked at: the rest is as it
    was when it was looked at last. A type that it leaves out is looked at as a whole. Where a
    table is missing or was made by another release, that is what is found, and the other checks
    say nothing.

    Raises:
        BronzeBusy, BronzeUnavailable, BronzeError: the store cannot be read.
    """
    company = str(parse_realm(str(realm)))
    with store.workspace.read() as view:
        if view is None:
            return {one.name: [Finding(each) for each in checks_of(one)] for one in entities}
        connection = view.connection

        def ask(statement: str) -> Sequence[Sequence[object]]:
            return connection.execute(statement).fetchall()

        try:
            there = _look(ask, company)
            return {
                one.name: _find(ask, there, one, _scope(company, one, since or {}))
                for one in entities
            }
        except duckdb.Error as error:
            raise BronzeError(
                f"Silver could not be checked: {first_line(error)}. "
                "`ledgerguard silver rebuild` builds its tables anew.",
                realm_id=company,
            ) from error


def _scope(realm: str, entity: EntityType, since: Mapping[str, datetime]) -> Scope:
    instant = since.get(entity.name)
    return Scope(realm, None if instant is None else instant.isoformat())


def _look(ask: Ask, realm: str) -> _There:
    present = {
        (str(schema), str(name))
        for schema, name in ask(
            "SELECT schema_name, table_name FROM duckdb_tables() "
            "WHERE schema_name IN ('bronze', 'silver')"
        )
    }
    table_of = {entity.name: entity.table for entity in ENTITIES}
    read = ask(f"SELECT DISTINCT entity FROM bronze._watermarks WHERE realm_id = '{realm}'")
    silver = frozenset(name for schema, name in present if schema == "silver")
    versions = (
        ask(f"SELECT entity, silver_version FROM silver.{APPLIED} WHERE realm_id = '{realm}'")
        if APPLIED in silver
        else ()
    )
    return _There(
        frozenset(name for schema, name in present if schema == "bronze"),
        silver,
        frozenset(table_of[str(row[0])] for row in read if str(row[0]) in table_of),
        {str(entity): str(version) for entity, version in versions},
    )


def _find(ask: Ask, there: _There, entity: EntityType, scope: Scope) -> list[Finding]:
    """``realm`` and ``since`` of a scope and the names of tables cannot carry SQL."""
    tables = tables_of(entity)
    # Silver has empty tables, too, of types that Bronze never held: its views need them.
    if entity.table not in there.bronze:
        return [Finding(check) for check in checks_of(entity)]
    unusable = _unusable(ask, tables, there, scope.realm)
    if unusable is not None:
        return unusable
    statements = {
        LEVEL: _level(tables, scope),
        UNIQUE: " UNION ALL ".join(_twice(table, scope) for table in tables.tables),
        READABLE: (
            f"SELECT m.id || ' ' || m.path || ': ' || m.text FROM silver.{MISFITS} AS m "
            f"WHERE {scope.of('m')} AND m.entity = '{entity.name}'"
        ),
        RESOLVED: dangling(tables, scope, there.bronze, there.loaded),
        NARROW: " UNION ALL ".join(filter(None, (_narrowed(one, scope) for one in tables.tables))),
        OPEN: _open(tables, scope),
    }
    found = []
    for check in checks_of(entity):
        if check is KNOWN:
            paths = strange_paths(ask, tables.block)
            found.append(Finding(KNOWN, len(paths), tuple(paths[:SHOWN])))
            continue
        statement = wrong_sums(entity, scope) if check is ADDS_UP else statements[check]
        found.append(_finding(ask, check, statement) if statement else Finding(check))
    return found


def _finding(ask: Ask, check: SilverCheck, cases: str) -> Finding:
    rows = ask(
        f"SELECT found, count(*) OVER () FROM ({cases}) AS t(found) ORDER BY found LIMIT {SHOWN}"
    )
    return Finding(
        check, int(str(rows[0][1])) if rows else 0, tuple(str(row[0])[:200] for row in rows)
    )


def _unusable(ask: Ask, tables: EntityTables, there: _There, realm: str) -> list[Finding] | None:
    """What is said of tables that cannot be asked; None of those that can."""
    entity = tables.entity
    missing = [one.name for one in tables.tables if one.name not in there.silver]
    others = there.versions.get(entity.name, tables.version) != tables.version
    if not missing and not others:
        return None
    living = ask(f"SELECT count(*) FROM ({_living(tables, Scope(realm))})")[0][0]
    if not int(str(living)):  # a company without living objects lacks nothing
        return [Finding(check) for check in checks_of(entity)]
    advice = f"run `ledgerguard silver rebuild --entity {entity.name}`"
    cases = [f"silver.{name} is missing; {advice}" for name in missing]
    if not cases:
        cases = [f"silver.{entity.table} was made by another release; the next sync renews it"]
    return [Finding(LEVEL, len(cases), tuple(cases[:SHOWN]))]


def _living(tables: EntityTables, scope: Scope) -> str:
    return (
        f"SELECT b.id, max(b.loaded_at) AS loaded_at FROM bronze.{quoted(tables.entity.table)} AS b "
        f"WHERE {scope.of('b')} GROUP BY b.id HAVING arg_max(b.state, b.loaded_at) NOT IN {GONE}"
    )


def _level(tables: EntityTables, scope: Scope) -> str:
    """Objects of Bronze without their row, and rows without their object."""
    header = f"silver.{quoted(tables.header.name)}"
    touched = (
        ""
        if scope.since is None
        else f"AND s.id IN (SELECT b.id FROM bronze.{quoted(tables.entity.table)} AS b "
        f"WHERE {scope.of('b')})"
    )
    return (
        "SELECT coalesce(b.id || ' is missing or old', s.id || ' is no more') "
        f"FROM ({_living(tables, scope)}) AS b FULL JOIN "
        f"(SELECT s.id, s.loaded_at FROM {header} AS s WHERE s.realm_id = '{scope.realm}' {touched})"
        " AS s ON b.id = s.id AND b.loaded_at = s.loaded_at "
        "WHERE b.id IS NULL OR s.id IS NULL"
    )


def _twice(table: Table, scope: Scope) -> str:
    key = ", ".join(f"t.{quoted(name)}" for name in table.key)
    return (
        f"SELECT '{table.name} ' || t.id FROM silver.{quoted(table.name)} AS t "
        f"WHERE {scope.of('t')} GROUP BY {key} HAVING count(*) > 1"
    )


def _narrowed(table: Table, scope: Scope) -> str | None:
    lost = [
        f"t.{quoted(column.name)} IS DISTINCT FROM "
        f"TRY_CAST(t.{quoted(column.name)} AS {column.kind.narrow})"
        for column in table.columns
        if column.kind.exact
    ]
    return (
        f"SELECT '{table.name} ' || t.id FROM silver.{quoted(table.name)} AS t "
        f"WHERE {scope.of('t')} AND ({' OR '.join(lost)})"
        if lost
        else None
    )


def _open(tables: EntityTables, scope: Scope) -> str:
    names = {column.name for column in tables.header.columns}
    return " UNION ALL ".join(
        f"SELECT t.id || ': {name} ' || {shown(f't.{name}')} || ' of ' || {shown('t.total_amt')} "
        f"FROM silver.{quoted(tables.header.name)} AS t WHERE {scope.of('t')} "
        f"AND abs(t.{name}) > abs(t.total_amt)"
        for name in OPEN_AMOUNTS
        if name in names
    )
