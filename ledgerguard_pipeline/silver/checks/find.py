"""Running the checks of an entity type for one company."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from ledgerguard_pipeline.bronze.backends.base import first_line
from ledgerguard_pipeline.bronze.statements import GONE, quoted
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.bronze.workspace import View
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
    SilverCheck,
    SilverFinding,
    checks_of,
)
from ledgerguard_pipeline.silver.checks.fields import strange_paths
from ledgerguard_pipeline.silver.checks.references import dangling
from ledgerguard_pipeline.silver.checks.sums import Scope, shown, wrong_sums
from ledgerguard_pipeline.silver.layout import EntityTables, Table, tables_of
from ledgerguard_pipeline.silver.statements import APPLIED, MISFITS
from ledgerguard_pipeline.silver.tables import present_tables
from ledgerguard_pipeline.values import RealmId, parse_realm

Ask = Callable[[str], Sequence[Sequence[object]]]
"""Runs one reading statement and gives its rows."""


Wanted = Mapping[RealmId, Collection[EntityType]]
"""By company the entity types that are looked at."""
Found = dict[RealmId, dict[str, list[SilverFinding]]]
"""Findings by company and by entity name."""


@dataclass(frozen=True, slots=True)
class _There:
    """What a store has: its tables by schema, and by company what was read and by which rules."""

    bronze: frozenset[str]
    silver: frozenset[str]
    loaded: Mapping[str, frozenset[str]]
    """Tables of the entity types that were read, be there any objects or none."""
    versions: Mapping[tuple[str, str], str]
    """By company and entity name the version of the rules that its rows were made by."""


def check_company(
    store: BronzeStore,
    entities: Collection[EntityType],
    realm: RealmId | str,
    since: Mapping[str, datetime] | None = None,
) -> dict[str, list[SilverFinding]]:
    """The findings by entity name, of one company, in one consistent view.

    ``since`` has, by entity name, the instant from which on rows are looked at: the rest is as it
    was when it was looked at last. A type that it leaves out is looked at as a whole. Where a
    table is missing or was made by another release, that is what is found, and the other checks
    say nothing.

    Raises:
        BronzeBusy, BronzeUnavailable, BronzeError: the store cannot be read.
    """
    company = parse_realm(str(realm))
    return check_companies(store, {company: entities}, since)[company]


def check_companies(
    store: BronzeStore, wanted: Wanted, since: Mapping[str, datetime] | None = None
) -> Found:
    """As ``check_company`` for several companies, each check of an entity type by one statement.

    Raises:
        BronzeBusy, BronzeUnavailable, BronzeError: the store cannot be read.
    """
    companies = {parse_realm(realm): entities for realm, entities in wanted.items()}
    found: Found = {realm: {} for realm in companies}
    with store.workspace.read() as view:
        if view is None:
            for realm, entities in companies.items():
                found[realm] = {one.name: _nothing(one) for one in entities}
            return found
        connection = view.connection

        def ask(statement: str) -> Sequence[Sequence[object]]:
            return connection.execute(statement).fetchall()

        try:
            there = _look(ask, view, companies)
            for entity in dict.fromkeys(one for every in companies.values() for one in every):
                mine = [realm for realm, every in companies.items() if entity in every]
                instant = (since or {}).get(entity.name)
                text = None if instant is None else instant.isoformat()
                for realm, findings in _find(ask, there, entity, mine, text):
                    found[realm][entity.name] = findings
        except duckdb.Error as error:
            raise BronzeError(
                f"Silver could not be checked: {first_line(error)}. "
                "`ledgerguard silver rebuild` builds its tables anew.",
                realm_id=next(iter(companies), None),
            ) from error
    return found


def _nothing(entity: EntityType) -> list[SilverFinding]:
    return [SilverFinding(check) for check in checks_of(entity)]


def _look(ask: Ask, view: View, realms: Collection[RealmId]) -> _There:
    silver = frozenset(present_tables(view.connection, view.catalog))
    table_of = {entity.name: entity.table for entity in ENTITIES}
    mine = f"realm_id IN ({', '.join(map(repr, realms))})"
    loaded: dict[str, set[str]] = {}
    for realm, entity in ask(
        f"SELECT DISTINCT realm_id, entity FROM bronze._watermarks WHERE {mine}"
    ):
        if str(entity) in table_of:
            loaded.setdefault(str(realm), set()).add(table_of[str(entity)])
    versions = (
        ask(f"SELECT realm_id, entity, silver_version FROM silver.{APPLIED} WHERE {mine}")
        if APPLIED in silver
        else ()
    )
    return _There(
        frozenset(view.present),
        silver,
        {realm: frozenset(tables) for realm, tables in loaded.items()},
        {(str(realm), str(entity)): str(version) for realm, entity, version in versions},
    )


def _find(
    ask: Ask, there: _There, entity: EntityType, realms: Sequence[RealmId], since: str | None
) -> Iterator[tuple[RealmId, list[SilverFinding]]]:
    """By company; the names of companies and tables, and instants, cannot carry SQL."""
    tables = tables_of(entity)
    # Silver has empty tables, too, of types that Bronze never held: its views need them.
    if entity.table not in there.bronze:
        yield from ((realm, _nothing(entity)) for realm in realms)
        return
    alike: dict[frozenset[str], list[RealmId]] = {}
    for realm in realms:
        unusable = _unusable(ask, tables, there, realm)
        if unusable is None:
            # What a reference may lead to depends on what was read of a company.
            read = there.loaded.get(realm, frozenset()) - there.bronze
            alike.setdefault(read, []).append(realm)
        else:
            yield realm, unusable
    for read, group in alike.items():
        scope = Scope(group[0], since, tuple(group) if len(group) > 1 else ())
        found = _judge(ask, there, tables, scope, read)
        yield from ((realm, found[realm]) for realm in group)


def _judge(
    ask: Ask, there: _There, tables: EntityTables, scope: Scope, read: frozenset[str]
) -> dict[str, list[SilverFinding]]:
    entity = tables.entity
    statements = {
        LEVEL: _level(tables, scope),
        UNIQUE: " UNION ALL ".join(_twice(table, scope) for table in tables.tables),
        READABLE: (
            f"SELECT m.id || ' ' || m.path || ': ' || m.text FROM {scope.silver(MISFITS)} AS m "
            f"WHERE {scope.of('m')} AND m.entity = '{entity.name}'"
        ),
        RESOLVED: dangling(tables, scope, there.bronze, read),
        NARROW: " UNION ALL ".join(filter(None, (_narrowed(one, scope) for one in tables.tables))),
        OPEN: _open(tables, scope),
    }
    found: dict[str, list[SilverFinding]] = {realm: [] for realm in scope.realms or [scope.realm]}
    for check in checks_of(entity):
        cases: Mapping[str, SilverFinding] = {}
        nothing = SilverFinding(check)
        if check is KNOWN:  # at any company
            paths = strange_paths(ask, tables.block)
            nothing = SilverFinding(KNOWN, len(paths), tuple(paths[:SHOWN]))
        else:
            statement = wrong_sums(entity, scope) if check is ADDS_UP else statements[check]
            cases = _findings(ask, check, statement, scope) if statement else {}
        for realm, findings in found.items():
            findings.append(cases.get(realm, nothing))
    return found


def _findings(ask: Ask, check: SilverCheck, cases: str, scope: Scope) -> dict[str, SilverFinding]:
    rows = ask(
        "SELECT realm, found, count(*) OVER (PARTITION BY realm) "
        f"FROM ({scope.by_company(cases)}) QUALIFY "
        f"row_number() OVER (PARTITION BY realm ORDER BY found) <= {SHOWN} ORDER BY realm, found"
    )
    texts: dict[str, list[str]] = {}
    for realm, text, _ in rows:
        texts.setdefault(str(realm), []).append(str(text)[:200])
    counts = {str(realm): int(str(count)) for realm, _, count in rows}
    return {
        realm: SilverFinding(check, counts[realm], tuple(first)) for realm, first in texts.items()
    }


def _unusable(
    ask: Ask, tables: EntityTables, there: _There, realm: str
) -> list[SilverFinding] | None:
    """What is said of tables that cannot be asked; None of those that can."""
    entity = tables.entity
    missing = [one.name for one in tables.tables if one.name not in there.silver]
    others = there.versions.get((realm, entity.name), tables.version) != tables.version
    if not missing and not others:
        return None
    living = ask(f"SELECT count(*) FROM ({_living(tables, Scope(realm))})")[0][0]
    if not int(str(living)):  # a company without living objects lacks nothing
        return _nothing(entity)
    advice = f"run `ledgerguard silver rebuild --entity {entity.name}`"
    cases = [f"silver.{name} is missing; {advice}" for name in missing]
    if not cases:
        cases = [f"silver.{entity.table} was made by another release; the next sync renews it"]
    return [SilverFinding(LEVEL, len(cases), tuple(cases[:SHOWN]))]


def _living(tables: EntityTables, scope: Scope) -> str:
    return (
        f"SELECT b.id, max(b.loaded_at) AS loaded_at FROM {scope.bronze(tables.entity.table)} AS b "
        f"WHERE {scope.of('b')} GROUP BY b.id HAVING arg_max(b.state, b.loaded_at) NOT IN {GONE}"
    )


def _level(tables: EntityTables, scope: Scope) -> str:
    """Objects of Bronze without their row, and rows without their object."""
    header = scope.silver(tables.header.name)
    touched = (
        ""
        if scope.since is None
        else f"AND s.id IN (SELECT b.id FROM {scope.bronze(tables.entity.table)} AS b "
        f"WHERE {scope.of('b')})"
    )
    return (
        "SELECT coalesce(b.id || ' is missing or old', s.id || ' is no more') "
        f"FROM ({_living(tables, scope)}) AS b FULL JOIN "
        f"(SELECT s.id, s.loaded_at FROM {header} AS s WHERE {scope.mine('s')} {touched})"
        " AS s ON b.id = s.id AND b.loaded_at = s.loaded_at "
        "WHERE b.id IS NULL OR s.id IS NULL"
    )


def _twice(table: Table, scope: Scope) -> str:
    key = ", ".join(f"t.{quoted(name)}" for name in table.key)
    return (
        f"SELECT '{table.name} ' || t.id FROM {scope.silver(table.name)} AS t "
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
        f"SELECT '{table.name} ' || t.id FROM {scope.silver(table.name)} AS t "
        f"WHERE {scope.of('t')} AND ({' OR '.join(lost)})"
        if lost
        else None
    )


def _open(tables: EntityTables, scope: Scope) -> str:
    names = {column.name for column in tables.header.columns}
    return " UNION ALL ".join(
        f"SELECT t.id || ': {name} ' || {shown(f't.{name}')} || ' of ' || {shown('t.total_amt')} "
        f"FROM {scope.silver(tables.header.name)} AS t WHERE {scope.of('t')} "
        f"AND abs(t.{name}) > abs(t.total_amt)"
        for name in OPEN_AMOUNTS
        if name in names
    )
