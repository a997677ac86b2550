"""Figures on the rows of several companies together, for the checks of a sweep.

As ``audit``, but each figure of an entity type comes from one statement for all companies, and
there is no sample to look at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import duckdb

from ledgerguard_pipeline.bronze import statements
from ledgerguard_pipeline.bronze.read.audit import Audit, Reader, base_table
from ledgerguard_pipeline.bronze.read.counts import (
    WHOLE,
    count_copies,
    count_doubled,
    in_few_statements,
    of_companies,
    parts_of,
)
from ledgerguard_pipeline.bronze.statements import SCHEMA, quoted
from ledgerguard_pipeline.entities import DerivedEntity, EntityType
from ledgerguard_pipeline.values import RealmId

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
            if base_table(entity) in present:
                companies.setdefault(entity, []).append(realm)
    selects = _selects(connection, companies, noted="_restatements" in present)
    for figure, company, name, number, other in in_few_statements(connection, selects):
        yield str(figure), str(company), str(name), int(str(number)), int(str(other))
    for company, name, count in connection.execute(
        statements.COUNT_QUARANTINE_OF, [list(wanted)]
    ).fetchall():
        yield "waiting", str(company), str(name), int(count), 0


def _selects(
    connection: duckdb.DuckDBPyConnection, companies: _Companies, *, noted: bool
) -> Iterator[tuple[str, str]]:
    """Each with the part of its table that it is about."""
    types = {each.table: each for each in companies if isinstance(each, EntityType)}
    for table, part in parts_of(connection, types):
        entity = types[table]
        realms = companies[entity]
        found = count_copies(table, realms, part)
        yield part, f"SELECT 'count', realm_id, '{entity.name}', living, surplus FROM ({found})"
        if noted:
            found = count_doubled(entity.name, table, realms, part)
            yield part, f"SELECT 'doubled', realm_id, '{entity.name}', doubled, 0 FROM ({found})"
    for derived, realms in companies.items():
        if isinstance(derived, DerivedEntity):
            found = (
                f"SELECT 'count', realm_id, '{derived.name}', count(*), "
                f"count(*) - count(DISTINCT id) FROM {SCHEMA}.{quoted(derived.table + '_current')} "
                f"WHERE {of_companies(realms)} GROUP BY realm_id"
            )
            yield WHOLE, found
