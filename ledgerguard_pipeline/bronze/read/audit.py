"""Figures on one company's rows in a table of Bronze, for checks, and a sample to look at."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import duckdb

from ledgerguard_pipeline.bronze.read.counts import (
    WHOLE,
    count_copies,
    count_doubled,
    parts_of,
)
from ledgerguard_pipeline.entities import DerivedEntity, EntityType, entity_type
from ledgerguard_pipeline.values import RealmId

SAMPLE_ROWS = 5


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

    def read(self, *, binds: bool = True) -> AbstractContextManager[View | None]:
        """One consistent view for the block; None where nothing was ever written."""
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
    workspace: Reader,
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
    with workspace.read(binds=False) as view:
        there = (
            [] if view is None else [each for each in entities if base_table(each) in view.present]
        )
        if view is None or not there:
            return found
        rows = _rows(view, realm_id, there, run_id or "")
    counts = {entity.name: (0, 0) for entity in there}
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


def _rows(
    view: View, realm_id: RealmId, there: Sequence[EntityType | DerivedEntity], run_id: str
) -> list[Sequence[object]]:
    """Of small tables some together, of large ones part by part."""
    connection = view.connection
    types = {each.table: each for each in there if isinstance(each, EntityType)}
    parts: dict[EntityType, list[str]] = {}
    for table, part in parts_of(connection, types):
        parts.setdefault(types[table], []).append(part)
    whole = [entity for entity, mine in parts.items() if mine == [WHOLE]]
    noted = "_restatements" in view.present
    statements = _statements(realm_id, there, whole, run_id, noted=noted)
    for entity, mine in parts.items():
        if entity not in whole:
            for part in mine:
                statements.append(_count(entity, realm_id, part))
                if noted:
                    statements.append(_doubled(entity, realm_id, part))
    return [row for statement in statements for row in connection.execute(statement).fetchall()]


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
