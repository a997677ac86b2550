"""Figures on one company's rows in a table of Bronze, for checks, and a sample to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ledgerguard_pipeline.bronze.read.counts import (
    WHOLE,
    count_copies,
    count_doubled,
    count_versions,
    slices,
)
from ledgerguard_pipeline.entities import DerivedEntity, EntityType, entity_type
from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.values import RealmId

SAMPLE_ROWS = 5


class Reader(Protocol):
    """The read-only side of the store."""

    def sql(
        self, statement: str, limit: int | None = None
    ) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
        """Columns and rows of a statement."""
        ...


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One version, newest first in its sample."""

    id: str
    state: str
    last_updated_at: str | None
    payload: str | None


@dataclass(frozen=True, slots=True)
class Audit:
    """Rows of one entity and company in the current view, and how many wait in quarantine.

    ``doubled`` rows show a version that another row shows already, for no reason that is known.
    ``loads`` are the loads of the asking run that were committed when this was read.
    """

    stored: int = 0
    duplicates: int = 0
    quarantined: int = 0
    sample: tuple[SampleRow, ...] = ()
    loads: frozenset[str] = frozenset()
    doubled: int = 0


def audit(
    store: Reader,
    realm_id: RealmId,
    entities: Sequence[EntityType | DerivedEntity],
    run_id: str | None = None,
) -> dict[str, Audit]:
    """Audit several entities of one company together; keys are entity names.

    The sample shows the newest versions, tombstones included. An entity that was never loaded has
    an empty audit. ``realm_id`` is decimal digits by its type, tables come from the registry and
    ``run_id`` is quoted, so none of them can carry SQL.
    """
    found = {entity.name: Audit() for entity in entities}
    present = _present(store)
    there = [entity for entity in entities if base_table(entity) in present]
    if not there:
        return found
    counts = {entity.name: (0, 0) for entity in there}
    whole, in_parts = _by_size(store, [one for one in there if isinstance(one, EntityType)])
    noted = "_restatements" in present
    rows: list[Sequence[object]] = []
    for statement in _statements(realm_id, there, whole, run_id or "", noted=noted):
        rows += store.sql(statement)[1]
    rows += _of_large(store, realm_id, in_parts, noted=noted)
    doubled: dict[str, int] = {}
    waiting: dict[str, int] = {}
    samples: dict[str, list[SampleRow]] = {}
    loads: dict[str, set[str]] = {}
    for part, name, number, other, identity, state, updated, payload in rows:
        entity = str(name)
        if part == "count":
            living, surplus = counts[entity]
            counts[entity] = (living + int(str(number)), surplus + int(str(other)))
        elif part == "doubled":
            doubled[entity] = doubled.get(entity, 0) + int(str(number))
        elif part == "waiting":
            waiting[entity] = int(str(number))
        elif part == "load":
            loads.setdefault(entity, set()).add(str(identity))
        else:
            samples.setdefault(entity, []).append(
                SampleRow(str(identity), str(state), _text(updated), _text(payload))
            )
    for name, (stored, duplicates) in counts.items():
        found[name] = Audit(
            stored,
            duplicates,
            waiting.get(name, 0),
            tuple(samples.get(name, ())),
            frozenset(loads.get(name, ())),
            doubled.get(name, 0),
        )
    return found


def _present(store: Reader) -> set[str]:
    try:
        _, rows = store.sql("SELECT table_name FROM duckdb_tables() WHERE schema_name = 'bronze'")
    except BadInputError:  # nothing was ever loaded: there is no file
        return set()
    return {str(row[0]) for row in rows}


def _by_size(
    store: Reader, entities: Sequence[EntityType]
) -> tuple[list[EntityType], dict[EntityType, list[str]]]:
    """Entities that are counted in one go, and the parts of those that are not."""
    whole: list[EntityType] = []
    in_parts: dict[EntityType, list[str]] = {}
    if entities:
        of_table = {entity.table: entity for entity in entities}
        for table, rows in store.sql(count_versions(of_table))[1]:
            parts = slices(int(str(rows)))
            if len(parts) == 1:
                whole.append(of_table[str(table)])
            else:
                in_parts[of_table[str(table)]] = parts
    return whole, in_parts


def _of_large(
    store: Reader, realm_id: RealmId, in_parts: Mapping[EntityType, Sequence[str]], *, noted: bool
) -> list[Sequence[object]]:
    found: list[Sequence[object]] = []
    for entity, parts in in_parts.items():
        for one in parts:
            found += store.sql(_count(entity, realm_id, one))[1]
            if noted:
                found += store.sql(_doubled(entity, realm_id, one))[1]
    return found


def _count(entity: EntityType, realm_id: RealmId, part: str) -> str:
    return (
        f"SELECT 'count', '{entity.name}', living, surplus, NULL, NULL, NULL, NULL "
        f"FROM ({count_copies(entity.table, [realm_id], part)})"
    )


def _doubled(entity: EntityType, realm_id: RealmId, part: str) -> str:
    return (
        f"SELECT 'doubled', '{entity.name}', doubled, 0, NULL, NULL, NULL, NULL "
        f"FROM ({count_doubled(entity.name, entity.table, [realm_id], part)})"
    )


def base_table(entity: EntityType | DerivedEntity) -> str:
    """The table whose rows an entity type, or one derived from it, is made of."""
    return entity.table if isinstance(entity, EntityType) else entity_type(entity.base).table


def _statements(
    realm_id: RealmId,
    entities: Sequence[EntityType | DerivedEntity],
    counted: Sequence[EntityType],
    run_id: str,
    *,
    noted: bool,
) -> list[str]:
    """A few statements instead of one: planning takes more than twice the time for twice the tables."""
    mine = f"WHERE realm_id = '{realm_id}'"
    counts = [_count(entity, realm_id, WHOLE) for entity in counted]
    doubled = [_doubled(entity, realm_id, WHOLE) for entity in counted if noted]
    counts += [
        f"SELECT 'count', '{entity.name}', count(*), count(*) - count(DISTINCT id), "
        f'NULL, NULL, NULL, NULL FROM bronze."{entity.table}_current" {mine}'
        for entity in entities
        if isinstance(entity, DerivedEntity)
    ]
    waiting = (
        "SELECT 'waiting', entity, count(*), 0, NULL, NULL, NULL, NULL "
        f"FROM bronze._quarantine {mine} AND resolved_at IS NULL GROUP BY entity"
    )
    run = run_id.replace("'", "''")
    loads = (
        "SELECT 'load', entity, 0, 0, load_id, NULL, NULL, NULL "
        f"FROM bronze._loads {mine} AND run_id = '{run}'"
    )
    samples = [
        f"(SELECT 'row', '{entity.name}', 0, 0, id, state, last_updated_at::VARCHAR, payload "
        f'FROM bronze."{entity.table}" {mine} '
        f"ORDER BY last_updated_at DESC NULLS LAST, loaded_at DESC, id LIMIT {SAMPLE_ROWS})"
        for entity in entities
    ]
    parts = [[*counts, waiting, loads], doubled, samples]
    return [" UNION ALL ".join(each) for each in parts if each]


def _text(value: object) -> str | None:
    return None if value is None else str(value)
