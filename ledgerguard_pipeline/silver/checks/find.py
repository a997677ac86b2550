"""Running the checks of an entity type for one company."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from ledgerguard_pipeline.bronze.backends.base import first_line
from ledgerguard_pipeline.bronze.backends.kept_instance import reading_in_little_memory
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.bronze.workspace import View
from ledgerguard_pipeline.entities import ENTITIES, EntityType, entity_type
from ledgerguard_pipeline.errors import BronzeError
from ledgerguard_pipeline.silver.checks import cases
from ledgerguard_pipeline.silver.checks.check import (
    ADDS_UP,
    KNOWN,
    LEVEL,
    NARROW,
    OPEN,
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
from ledgerguard_pipeline.silver.checks.scope import Scope
from ledgerguard_pipeline.silver.checks.sums import wrong_sums
from ledgerguard_pipeline.silver.layout import tables_of
from ledgerguard_pipeline.silver.statements import APPLIED
from ledgerguard_pipeline.silver.tables import empty_tables, present_tables
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
    empty: frozenset[str]
    """Tables of Silver that certainly have no row."""
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
    store: BronzeStore,
    wanted: Wanted,
    since: Mapping[str, datetime] | None = None,
    small: Collection[str] = (),
) -> Found:
    """As ``check_company`` for several companies, each check of an entity type by one statement.

    Those named in ``small`` have few rows: each check of all of them is one statement.

    Raises:
        BronzeBusy, BronzeUnavailable, BronzeError: the store cannot be read.
    """
    companies = {parse_realm(realm): entities for realm, entities in wanted.items()}
    with store.workspace.read() as view:
        if view is None:
            return {
                realm: {one.name: _nothing(one) for one in entities}
                for realm, entities in companies.items()
            }
        connection = view.connection

        def ask(statement: str) -> Sequence[Sequence[object]]:
            return connection.execute(statement).fetchall()

        try:
            with reading_in_little_memory(connection):
                there = _look(ask, view, companies)
                return _Judge(ask, there, since or {}, small).found(companies)
        except duckdb.Error as error:
            raise BronzeError(
                f"Silver could not be checked: {first_line(error)}. "
                "`ledgerguard silver rebuild` builds its tables anew.",
                realm_id=next(iter(companies), None),
            ) from error


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
        frozenset(empty_tables(view.connection, view.catalog)),
        {realm: frozenset(tables) for realm, tables in loaded.items()},
        {(str(realm), str(entity)): str(version) for realm, entity, version in versions},
    )


class _Judge:
    """Judges companies in one view of a store."""

    def __init__(
        self, ask: Ask, there: _There, since: Mapping[str, datetime], small: Collection[str]
    ) -> None:
        self._ask = ask
        self._there = there
        self._since = since
        self._small = small

    def found(self, companies: Wanted) -> Found:
        """The findings of each company's entity types."""
        order = list(dict.fromkeys(one for every in companies.values() for one in every))
        found: dict[RealmId, dict[str, list[SilverFinding]]] = {realm: {} for realm in companies}
        alike: dict[frozenset[str], dict[str, list[RealmId]]] = {}
        for entity in order:
            for realm in (realm for realm, every in companies.items() if entity in every):
                said = self._said(entity, realm)
                if said is None:
                    # What a reference may lead to depends on what was read of a company.
                    read = self._there.loaded.get(realm, frozenset()) - self._there.bronze
                    alike.setdefault(read, {}).setdefault(entity.name, []).append(realm)
                else:
                    found[realm][entity.name] = said
        for read, due in alike.items():
            for names in self._together(due):
                realms = tuple(dict.fromkeys(realm for name in names for realm in due[name]))
                judged = self._judged(names, realms, read)
                for name in names:
                    for realm in due[name]:
                        found[realm][name] = [
                            judged[check].get((name, realm), SilverFinding(check))
                            for check in checks_of(entity_type(name))
                        ]
        return {
            realm: {one.name: mine[one.name] for one in order if one.name in mine}
            for realm, mine in found.items()
        }

    def _together(self, names: Iterable[str]) -> list[tuple[str, ...]]:
        small = tuple(name for name in names if name in self._small and name not in self._since)
        return [*((name,) for name in names if name not in small), *([small] if small else [])]

    def _said(self, entity: EntityType, realm: RealmId) -> list[SilverFinding] | None:
        """What can be said without looking at rows; None where they are to be looked at."""
        # Silver has empty tables, too, of types that Bronze never held: its views need them.
        if entity.table not in self._there.bronze:
            return _nothing(entity)
        tables = tables_of(entity)
        missing = [one.name for one in tables.tables if one.name not in self._there.silver]
        version = self._there.versions.get((realm, entity.name), tables.version)
        if not missing and version == tables.version:
            return None
        living = cases.living([tables], Scope((realm,), (entity.name,)))
        if not int(str(self._ask(f"SELECT count(*) FROM ({living})")[0][0])):
            return _nothing(entity)  # a company without living objects lacks nothing
        advice = f"run `ledgerguard silver rebuild --entity {entity.name}`"
        said = [f"silver.{name} is missing; {advice}" for name in missing]
        if not said:
            said = [f"silver.{entity.table} was made by another release; the next sync renews it"]
        return [SilverFinding(LEVEL, len(said), tuple(said[:SHOWN]))]

    def _judged(
        self, names: tuple[str, ...], realms: tuple[RealmId, ...], read: frozenset[str]
    ) -> dict[SilverCheck, dict[tuple[str, str], SilverFinding]]:
        """What each check found, by entity name and company."""
        there = self._there
        instant = self._since.get(names[0]) if len(names) == 1 else None
        scope = Scope(realms, names, None if instant is None else instant.isoformat())
        every = [tables_of(name) for name in names]
        filled = [one for tables in every for one in tables.tables if one.name not in there.empty]
        statements = {
            LEVEL: cases.unlike(every, scope),
            UNIQUE: cases.twice(filled, scope),
            READABLE: cases.unreadable(every, scope),
            RESOLVED: dangling(every, scope, there.bronze, read, there.empty),
            NARROW: cases.narrowed(filled, scope),
            ADDS_UP: wrong_sums(every, scope),
            OPEN: cases.too_open(every, scope),
        }
        found = {
            check: self._findings(check, scope.whose(statement)) if statement else {}
            for check, statement in statements.items()
        }
        found[KNOWN] = {  # at any company
            (name, realm): SilverFinding(KNOWN, len(paths), tuple(paths[:SHOWN]))
            for name, paths in strange_paths(self._ask, (one.block for one in every)).items()
            for realm in realms
        }
        return found

    def _findings(self, check: SilverCheck, statement: str) -> dict[tuple[str, str], SilverFinding]:
        rows = self._ask(
            "SELECT entity, realm, found, count(*) OVER (PARTITION BY entity, realm) "
            f"FROM ({statement}) QUALIFY row_number() OVER "
            f"(PARTITION BY entity, realm ORDER BY found) <= {SHOWN} ORDER BY entity, realm, found"
        )
        texts: dict[tuple[str, str], list[str]] = {}
        counts: dict[tuple[str, str], int] = {}
        for entity, realm, text, count in rows:
            key = (str(entity), str(realm))
            texts.setdefault(key, []).append(str(text)[:200])
            counts[key] = int(str(count))
        return {
            key: SilverFinding(check, counts[key], tuple(first)) for key, first in texts.items()
        }
