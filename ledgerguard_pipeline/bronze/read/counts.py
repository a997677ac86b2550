"""Living objects: their ids, and how many there are, in parts where a table is large.

Grouping a million objects holds every id at once, in the memory of a run that holds pages too. A
part holds its own ids only, and the parts are read one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import duckdb

from ledgerguard_pipeline.bronze.statements import GONE, SCHEMA, quoted
from ledgerguard_pipeline.values import State, parse_realm

SLICE_ROWS = 200_000
WHOLE = "true"
_IN_ONE = 8
"""DuckDB keeps some megabytes for each GROUP BY, however few rows there are."""


def live_counts(
    connection: duckdb.DuckDBPyConnection, entities: Mapping[str, str], realm: str | None
) -> dict[str, int]:
    """Living objects by entity name, of one company or all; ``entities`` are names by table."""
    realms = None if realm is None else [realm]
    counts = dict.fromkeys(entities.values(), 0)
    for entity, count, _ in _counted(connection, entities, realms, by="entity"):
        counts[str(entity)] += int(str(count))
    return counts


def live_ids(
    connection: duckdb.DuckDBPyConnection, entities: Mapping[str, str], realm: str
) -> dict[str, frozenset[str]]:
    """Ids of a company's living objects by entity name; ``entities`` are names by table."""
    found: dict[str, set[str]] = {name: set() for name in entities.values()}
    selects = [
        f"SELECT '{name}', id FROM {SCHEMA}.{quoted(table + '_current')} "
        f"WHERE {of_companies([realm])}"
        for table, name in entities.items()
    ]
    if selects:
        for name, id in connection.execute(" UNION ALL ".join(selects)).fetchall():
            found[str(name)].add(str(id))
    return {name: frozenset(ids) for name, ids in found.items()}


def live_counts_of(
    connection: duckdb.DuckDBPyConnection, entities: Mapping[str, str], realms: Sequence[str]
) -> Iterator[tuple[str, str, int, int]]:
    """As ``live_counts`` by company: companies, names and counts, which are to be added up.

    The last is how many of them are inactive. A company without living objects of a type is left
    out.
    """
    for entity, realm, *counts in _counted(connection, entities, realms, by="entity, realm_id"):
        count, inactive = (int(str(each)) for each in counts)
        yield str(realm), str(entity), count, inactive


def _counted(
    connection: duckdb.DuckDBPyConnection,
    entities: Mapping[str, str],
    realms: Sequence[str] | None,
    *,
    by: str,
) -> Iterator[Sequence[object]]:
    """Rows of the keys ``by``, entity name first, a count, and how many of it are inactive.

    ``realms`` None means all.

    Small tables are grouped as one: a GROUP BY each takes twice the time and as many times the memory.
    """
    names = list(entities.values())
    mine = "true" if realms is None else of_companies(realms)
    for bundle in _bundles(connection, entities):
        # Numbers, because a text as a key costs a sixth of the time.
        versions = " UNION ALL ".join(
            f"SELECT {names.index(entities[table])} AS entity, realm_id, id, state, loaded_at "
            f"FROM {quoted(table)} WHERE {part} AND {mine}"
            for table, part in bundle
        )
        newest = (
            "SELECT entity, realm_id, arg_max(state, loaded_at) AS state "
            f"FROM ({versions}) GROUP BY entity, realm_id, id"
        )
        for entity, *rest in connection.execute(
            f"SELECT {by}, count(*), count_if(state = '{State.INACTIVE}') FROM ({newest}) "
            f"WHERE state NOT IN {GONE} GROUP BY {by}"
        ).fetchall():
            yield names[entity], *rest


def _bundles(
    connection: duckdb.DuckDBPyConnection, tables: Iterable[str]
) -> Iterator[list[tuple[str, str]]]:
    """Tables that have rows, with the part to read: small ones together, parts of a large one alone."""
    together: list[tuple[str, str]] = []
    held = 0
    for table, rows in _sizes(connection, tables):
        parts = slices(rows)
        if parts != [WHOLE]:
            yield from ([(table, part)] for part in parts)
        elif rows:
            if held + rows > SLICE_ROWS:
                yield together
                together, held = [], 0
            together.append((table, WHOLE))
            held += rows
    if together:
        yield together


def parts_of(
    connection: duckdb.DuckDBPyConnection, tables: Iterable[str]
) -> Iterator[tuple[str, str]]:
    """Tables, part by part where one is large."""
    for table, rows in _sizes(connection, tables):
        for part in slices(rows):
            yield table, part


def _sizes(
    connection: duckdb.DuckDBPyConnection, tables: Iterable[str]
) -> Iterator[tuple[str, int]]:
    names = list(tables)
    if names:
        for table, rows in connection.execute(count_versions(names)).fetchall():
            yield str(table), int(rows)


def in_few_statements(
    connection: duckdb.DuckDBPyConnection, selects: Iterable[tuple[str, str]]
) -> Iterator[Sequence[object]]:
    """The rows of selects, each given with its part: of whole tables some together, others alone.

    Every GROUP BY of a statement takes its memory at once.
    """
    whole: list[str] = []
    for part, select in selects:
        if part == WHOLE:
            whole.append(select)
        else:
            yield from connection.execute(select).fetchall()
    for at in range(0, len(whole), _IN_ONE):
        yield from connection.execute(" UNION ALL ".join(whole[at : at + _IN_ONE])).fetchall()


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


def count_copies(table: str, realms: Sequence[str], part: str) -> str:
    """``realm_id``, its ``living`` objects, and by how many rows they exceed their ids: ``surplus``.

    The last must be 0. A company without living objects has no row.
    """
    where = f"WHERE {part} AND {of_companies(realms)}"
    return (
        f"SELECT realm_id, count(*) AS living, count(*) - count(DISTINCT id) AS surplus "
        f"FROM {SCHEMA}.{quoted(table)} SEMI JOIN (SELECT realm_id, id, max(loaded_at) AS loaded_at "
        f"FROM {SCHEMA}.{quoted(table)} {where} GROUP BY realm_id, id) "
        f"USING (realm_id, id, loaded_at) {where} AND state NOT IN {GONE} GROUP BY realm_id"
    )


def count_doubled(entity: str, table: str, realms: Sequence[str], part: str) -> str:
    """``realm_id``, and by how many rows its versions exceed one each: ``doubled``, which must be 0.

    A version is one state of a living object: company, id, LastUpdatedTime and SyncToken. It has
    a second row only for a reason that ``_restatements`` names: names of other objects changed,
    Intuit states other values without a sign, shows more members than before, or the object was
    gone in between. A company without such rows has no row.
    """
    mine = of_companies(realms)
    return (
        "SELECT realm_id, sum(rows - 1)::BIGINT AS doubled FROM (SELECT realm_id, count(*) AS rows "
        f"FROM {SCHEMA}.{quoted(table)} ANTI JOIN (SELECT realm_id, id, loaded_at "
        f"FROM {SCHEMA}._restatements WHERE {mine} AND entity = '{entity}') "
        f"USING (realm_id, id, loaded_at) "
        f"WHERE {part} AND {mine} AND state NOT IN {GONE} AND last_updated_at IS NOT NULL "
        "GROUP BY realm_id, id, last_updated_at, sync_token HAVING count(*) > 1) GROUP BY realm_id"
    )
