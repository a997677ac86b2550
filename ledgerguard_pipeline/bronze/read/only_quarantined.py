"""Objects that are in quarantine and nowhere else, so that a comparison of counts accounts for them.

Quarantine keeps a row for every version that could not be read, while older versions of an object may
live on: counted as they lie there, they would stand for objects that Bronze really misses.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import duckdb

from ledgerguard_pipeline.bronze.statements import GONE, quoted
from ledgerguard_pipeline.entities import ENTITIES

_WAITING = (
    "FROM _quarantine WHERE resolved_at IS NULL AND realm_id IN (SELECT unnest($realms::VARCHAR[]))"
)
_NAMELESS = f"SELECT realm_id, entity, count(*) {_WAITING} AND id IS NULL GROUP BY realm_id, entity"


@dataclass(slots=True)
class OnlyQuarantined:
    """What of one entity type of a company is only in quarantine."""

    named: int = 0
    """Objects without a living row: each counts once however many records of it wait, and not at
    all where an older version of it lives."""
    nameless: int = 0
    """Records without an id: each may be any object."""


def only_quarantined(
    connection: duckdb.DuckDBPyConnection, present: set[str], waiting: Mapping[str, Collection[str]]
) -> dict[tuple[str, str], OnlyQuarantined]:
    """By company and entity name; ``waiting`` are the entity names of a company that may have any."""
    realms = list(waiting)
    found = {(realm, name): OnlyQuarantined() for realm in realms for name in waiting[realm]}
    for realm, entity, count in _rows(connection, _NAMELESS, realms):
        found[str(realm), str(entity)].nameless = int(str(count))
    names = {name for each in waiting.values() for name in each}
    for entity in ENTITIES:
        if entity.name in names:
            table = entity.table if entity.table in present else None
            for realm, count in _rows(connection, _named(entity.name, table), realms):
                found[str(realm), entity.name].named = int(str(count))
    return found


def _rows(
    connection: duckdb.DuckDBPyConnection, statement: str, realms: Sequence[str]
) -> Sequence[Sequence[object]]:
    return connection.execute(statement, {"realms": realms}).fetchall()


def _named(entity: str, table: str | None) -> str:
    ids = f"SELECT DISTINCT realm_id, id {_WAITING} AND entity = '{entity}' AND id IS NOT NULL"
    living = ""
    if table is not None:
        # Of their own versions only: to find the newest one of every object takes long.
        living = (
            f" EXCEPT SELECT realm_id, id FROM {quoted(table)} SEMI JOIN ({ids}) "
            "USING (realm_id, id) GROUP BY realm_id, id "
            f"HAVING arg_max(state, loaded_at) NOT IN {GONE}"
        )
    return f"SELECT realm_id, count(*) FROM ({ids}{living}) GROUP BY realm_id"
