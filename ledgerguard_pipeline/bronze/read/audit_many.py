"""Figures on the rows of several companies together, for the checks of a sweep.

As ``audit``, but each figure of an entity type comes from one statement for all companies, and
there is no sample to look at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import duckdb

from ledgerguard_pipeline.bronze import statements
from ledgerguard_pipeline.bronze.read.audit import Audit
from ledgerguard_pipeline.bronze.read.counts import (
    count_copies_of,
    count_doubled_of,
    count_versions,
    in_one,
    of_companies,
    slices,
)
from ledgerguard_pipeline.bronze.statements import SCHEMA, quoted
from ledgerguard_pipeline.entities import DerivedEntity, EntityType, entity_type
from ledgerguard_pipeline.values import RealmId


class View(Protocol):
    """A store as it is read: its connection and the tables of ``bronze``."""

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """Open for the block."""
        ...

    @property
    def present(self) -> set[str]:
        """Names."""
        ...


class Reader(Protocol):
    """Reads a store."""

    def read(self) -> AbstractContextManager[View | None]:
        """One consistent view for the block; None where nothing was ever written."""
        ...


Wanted = Mapping[RealmId, Sequence[EntityType | DerivedEntity]]
"""By company the entity types, and the ones derived from them, that are looked at."""
_Companies = Mapping[EntityType | DerivedEntity, Sequence[str]]
_Row = tuple[str, str, str, int, int]
"""Which figure, of which company and entity type, and the figure with a second one."""


def audit_many(workspace: Reader, wanted: Wanted) -> dict[RealmId, dict[str, Audit]]:
    """Audits by company and entity name; of an entity type that was never loaded an empty one.

    Raises:
        BronzeBusy, BronzeUnavailable, BronzeError: the store cannot be read.
    """
    figures: dict[tuple[str, str, str], tuple[int, int]] = {}
    with workspace.read() as view:
        if view is not None:
            for part, realm, entity, number, other in _rows(view.connection, view.present, wanted):
                before = figures.get((part, realm, entity), (0, 0))
                figures[part, realm, entity] = (before[0] + number, before[1] + other)

    def audited(realm: str, entity: str) -> Audit:
        stored, duplicates = figures.get(("count", realm, entity), (0, 0))
        waiting, _ = figures.get(("waiting", realm, entity), (0, 0))
        doubled, _ = figures.get(("doubled", realm, entity), (0, 0))
        return Audit(stored, duplicates, waiting, doubled=doubled)

    return {
        realm: {entity.name: audited(realm, entity.name) for entity in entities}
        for realm, entities in wanted.items()
    }


def _rows(
    connection: duckdb.DuckDBPyConnection, present: set[str], wanted: Wanted
) -> Iterator[_Row]:
    companies: dict[EntityType | DerivedEntity, list[str]] = {}
    for realm, entities in wanted.items():
        for entity in entities:
            if _table(entity) in present:
                companies.setdefault(entity, []).append(realm)
    for statements_of in (_counts, _doubled if "_restatements" in present else None):
        every = [] if statements_of is None else list(statements_of(connection, companies))
        for statement in in_one(every):
            for part, entity, realm, number, other in connection.execute(statement).fetchall():
                yield str(part), str(realm), str(entity), int(number), int(other)
    for realm, entity, count in connection.execute(
        statements.COUNT_QUARANTINE_OF, [list(wanted)]
    ).fetchall():
        yield "waiting", str(realm), str(entity), int(count), 0


def _counts(connection: duckdb.DuckDBPyConnection, companies: _Companies) -> Iterator[str]:
    for entity, realms, part in _parts(connection, companies):
        yield _as("count", entity.name, count_copies_of(entity.table, realms, part))
    for derived, realms in companies.items():
        if isinstance(derived, DerivedEntity):
            found = (
                "SELECT realm_id, count(*), count(*) - count(DISTINCT id) "
                f"FROM {SCHEMA}.{quoted(derived.table + '_current')} "
                f"WHERE {of_companies(realms)} GROUP BY realm_id"
            )
            yield _as("count", derived.name, found)


def _doubled(connection: duckdb.DuckDBPyConnection, companies: _Companies) -> Iterator[str]:
    for entity, realms, part in _parts(connection, companies):
        found = count_doubled_of(entity.name, entity.table, realms, part)
        yield _as("doubled", entity.name, f"SELECT *, 0 FROM ({found})")


def _parts(
    connection: duckdb.DuckDBPyConnection, companies: _Companies
) -> Iterator[tuple[EntityType, Sequence[str], str]]:
    """Entity types with their companies, part by part where a table is large."""
    types = {each.table: each for each in companies if isinstance(each, EntityType)}
    if types:
        for table, rows in connection.execute(count_versions(types)).fetchall():
            for part in slices(int(rows)):
                yield types[str(table)], companies[types[str(table)]], part


def _table(entity: EntityType | DerivedEntity) -> str:
    return entity.table if isinstance(entity, EntityType) else entity_type(entity.base).table


def _as(figure: str, entity: str, rows: str) -> str:
    return f"SELECT '{figure}', '{entity}', * FROM ({rows})"
