"""Counting living objects, in parts where a table is large.

Grouping a million objects holds every id at once, in the memory of a run that holds pages too. A
part holds its own ids only, and the parts are read one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import duckdb

from ledgerguard_pipeline.bronze.statements import GONE, SCHEMA, quoted
from ledgerguard_pipeline.values import parse_realm

SLICE_ROWS = 200_000
WHOLE = "true"
_IN_ONE = 8
"""DuckDB keeps some megabytes for each GROUP BY, however few rows there are."""


def living(
    connection: duckdb.DuckDBPyConnection, entities: Mapping[str, str], realm: str | None
) -> dict[str, int]:
    """Living objects by entity name, of one company or all; ``entities`` are names by table."""
    parts: dict[str, list[tuple[str, str]]] = {}
    for table, rows in connection.execute(count_versions(entities)).fetchall():
        for part in slices(int(rows)):
            parts.setdefault(part, []).append((entities[table], table))
    values = {} if realm is None else {"realm": realm}
    counts: dict[str, int] = {}
    for part, group in parts.items():
        statement = count_current(group, realm=realm is not None, part=part)
        for entity, count in connection.execute(statement, values).fetchall():
            counts[str(entity)] = counts.get(str(entity), 0) + int(count)
    return counts


def living_of(
    connection: duckdb.DuckDBPyConnection, entities: Mapping[str, str], realms: Sequence[str]
) -> Iterator[tuple[str, str, int]]:
    """Companies, names and living objects; ``entities`` are names by table.

    A company without living objects of a type is left out. Parts are to be added up.
    """
    parts: dict[str, list[str]] = {}
    for table, rows in connection.execute(count_versions(entities)).fetchall():
        if rows:
            for part in slices(int(rows)):
                parts.setdefault(part, []).append(str(table))
    selects = [
        f"SELECT realm_id, '{entities[table]}', count(*) FROM (SELECT realm_id, "
        f"arg_max(state, loaded_at) AS state FROM {quoted(table)} "
        f"WHERE {part} AND {of_companies(realms)} GROUP BY realm_id, id) "
        f"WHERE state NOT IN {GONE} GROUP BY realm_id"
        for part, tables in parts.items()
        for table in tables
    ]
    for statement in in_one(selects):
        for realm, entity, count in connection.execute(statement).fetchall():
            yield str(realm), str(entity), int(count)


def in_one(selects: Sequence[str]) -> Iterator[str]:
    """Statements of a few selects each: every GROUP BY of a statement takes its memory at once."""
    for at in range(0, len(selects), _IN_ONE):
        yield " UNION ALL ".join(selects[at : at + _IN_ONE])


def of_companies(realms: Sequence[str]) -> str:
    """Companies as a condition: decimal digits, so they cannot carry SQL."""
    return f"realm_id IN ({', '.join(repr(str(parse_realm(realm))) for realm in realms)})"


def count_versions(tables: Iterable[str]) -> str:
    """Rows per table, all companies; known without reading them."""
    return " UNION ALL ".join(
        f"SELECT '{table}', count(*) FROM {SCHEMA}.{quoted(table)}" for table in tables
    )


def slices(rows: int) -> list[str]:
    """Conditions that cut a table of this many rows into parts; of a small one, ``WHOLE``."""
    parts = 1 + rows // SLICE_ROWS
    return [f"hash(id) % {parts} = {part}" for part in range(parts)] if parts > 1 else [WHOLE]


def count_current(tables: Iterable[tuple[str, str]], *, realm: bool, part: str = WHOLE) -> str:
    """Living objects per entity type; ``tables`` are pairs of entity name and table.

    ``part`` is one of ``slices``.
    """
    where = f" WHERE {part}" + (" AND realm_id = $realm" if realm else "")
    return " UNION ALL ".join(
        f"SELECT '{entity}', count(*) FROM (SELECT arg_max(state, loaded_at) AS state "
        f"FROM {quoted(table)}{where} GROUP BY realm_id, id) WHERE state NOT IN {GONE}"
        for entity, table in tables
    )


def count_copies(table: str, realm_id: str, part: str) -> str:
    """Living objects of a company, and by how many rows they exceed their ids (it must be 0)."""
    where = f"WHERE {part} AND realm_id = '{realm_id}'"
    return (
        f"SELECT count(*), count(*) - count(DISTINCT id) FROM {SCHEMA}.{quoted(table)} "
        f"SEMI JOIN (SELECT id, max(loaded_at) AS loaded_at FROM {SCHEMA}.{quoted(table)} {where} "
        f"GROUP BY id) USING (id, loaded_at) {where} AND state NOT IN {GONE}"
    )


def count_copies_of(table: str, realms: Sequence[str], part: str) -> str:
    """As ``count_copies`` for several companies, each with its row."""
    where = f"WHERE {part} AND {of_companies(realms)}"
    return (
        f"SELECT realm_id, count(*), count(*) - count(DISTINCT id) FROM {SCHEMA}.{quoted(table)} "
        f"SEMI JOIN (SELECT realm_id, id, max(loaded_at) AS loaded_at "
        f"FROM {SCHEMA}.{quoted(table)} {where} GROUP BY realm_id, id) "
        f"USING (realm_id, id, loaded_at) {where} AND state NOT IN {GONE} GROUP BY realm_id"
    )


def count_doubled_of(entity: str, table: str, realms: Sequence[str], part: str) -> str:
    """As ``count_doubled`` for several companies; one without such rows has none here."""
    mine = of_companies(realms)
    return (
        "SELECT realm_id, sum(rows - 1)::BIGINT FROM (SELECT realm_id, count(*) AS rows "
        f"FROM {SCHEMA}.{quoted(table)} ANTI JOIN (SELECT realm_id, id, loaded_at "
        f"FROM {SCHEMA}._restatements WHERE {mine} AND entity = '{entity}') "
        f"USING (realm_id, id, loaded_at) "
        f"WHERE {part} AND {mine} AND state NOT IN {GONE} AND last_updated_at IS NOT NULL "
        "GROUP BY realm_id, id, last_updated_at, sync_token HAVING count(*) > 1) GROUP BY realm_id"
    )


def count_doubled(entity: str, table: str, realm_id: str, part: str) -> str:
    """By how many rows a company's versions exceed one each (it must be 0).

    A version is one state of a living object: company, id, LastUpdatedTime and SyncToken. It has
    a second row only for a reason that ``_restatements`` names: names of other objects changed,
    Intuit states other values without a sign, shows more members than before, or the object was
    gone in between.
    """
    mine = f"realm_id = '{realm_id}'"
    return (
        f"SELECT coalesce(sum(rows - 1), 0)::BIGINT FROM (SELECT count(*) AS rows "
        f"FROM {SCHEMA}.{quoted(table)} ANTI JOIN (SELECT id, loaded_at "
        f"FROM {SCHEMA}._restatements WHERE {mine} AND entity = '{entity}') USING (id, loaded_at) "
        f"WHERE {part} AND {mine} AND state NOT IN {GONE} AND last_updated_at IS NOT NULL "
        "GROUP BY id, last_updated_at, sync_token HAVING count(*) > 1)"
    )
