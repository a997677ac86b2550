"""What is looked for in the tables of some entity types, as statements to run.

Each gives ``id``, and what stands ``before`` and ``after`` it in the text of a case.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledgerguard_pipeline.bronze.statements import GONE, quoted
from ledgerguard_pipeline.silver.checks.check import OPEN_AMOUNTS
from ledgerguard_pipeline.silver.checks.scope import Part, Scope
from ledgerguard_pipeline.silver.checks.sums import shown
from ledgerguard_pipeline.silver.layout import EntityTables, Table
from ledgerguard_pipeline.silver.statements import MISFITS


def living(every: Sequence[EntityTables], scope: Scope) -> str:
    """The objects that are neither deleted nor merged, and when their versions were loaded."""
    columns = {"loaded_at": "t.loaded_at", "state": "t.state"}
    parts = [Part.bronze(one.entity.name, one.entity.table, columns) for one in every]
    return (
        f"SELECT b.id, max(b.loaded_at) AS loaded_at FROM {scope.rows(parts)} AS b "
        f"GROUP BY b.id HAVING arg_max(b.state, b.loaded_at) NOT IN {GONE}"
    )


def unlike(every: Sequence[EntityTables], scope: Scope) -> str:
    """Objects of Bronze without their row, and rows without their object."""
    columns = {"loaded_at": "t.loaded_at"}
    parts = [
        Part.silver(one.entity.name, one.header.name, columns, _touched(one, scope))
        for one in every
    ]
    return (
        "SELECT coalesce(b.id, s.id), '', "
        "CASE WHEN b.id IS NULL THEN ' is no more' ELSE ' is missing or old' END "
        f"FROM ({living(every, scope)}) AS b FULL JOIN {scope.rows(parts, anew=False)} AS s "
        "ON b.id = s.id AND b.loaded_at = s.loaded_at WHERE b.id IS NULL OR s.id IS NULL"
    )


def _touched(tables: EntityTables, scope: Scope) -> str:
    if scope.since is None:
        return ""
    table = f"bronze.{quoted(tables.entity.table)}"
    key = "t.id" if scope.alone else "t.realm_id, t.id"
    return f"({key}) IN (SELECT {key} FROM {table} AS t WHERE {scope.mine} AND {scope.recent})"


def twice(tables: Sequence[Table], scope: Scope) -> str | None:
    """Keys that stand in a table more than once."""
    parts = [
        Part.silver(
            table.entity.name,
            table.name,
            {
                "holder": f"'{table.name}'",
                "number": f"t.{table.key[2]}"
                if len(table.key) > 2
                else "NULL::BIGINT",  # company, id
            },
        )
        for table in tables
    ]
    # A large type's tables are gone through one after the other: their keys need room.
    groups = [[part] for part in parts] if scope.alone else [parts] if parts else []
    return " UNION ALL ".join(
        f"SELECT id, holder || ' ', '' FROM {scope.rows(group)} GROUP BY id, holder, number "
        "HAVING count(*) > 1"
        for group in groups
    )


def unreadable(every: Sequence[EntityTables], scope: Scope) -> str:
    """Values that no column could hold."""
    said = {"after": "' ' || t.path || ': ' || t.text"}
    parts = [
        Part.silver(one.entity.name, MISFITS, said, f"t.entity = '{one.entity.name}'")
        for one in every
    ]
    return f"SELECT id, '', after FROM {scope.rows(parts)}"


def narrowed(tables: Sequence[Table], scope: Scope) -> str | None:
    """Rows with a number that does not fit the narrow view of its table."""
    parts = []
    for table in tables:
        lost = [
            f"t.{quoted(column.name)} IS DISTINCT FROM "
            f"TRY_CAST(t.{quoted(column.name)} AS {column.kind.narrow})"
            for column in table.columns
            if column.kind.exact
        ]
        if lost:
            holder = {"before": f"'{table.name} '"}
            where = f"({' OR '.join(lost)})"
            parts.append(Part.silver(table.entity.name, table.name, holder, where))
    return f"SELECT id, before, '' FROM {scope.rows(parts)}" if parts else None


def too_open(every: Sequence[EntityTables], scope: Scope) -> str | None:
    """Documents of which more is open than they are about."""
    parts = []
    for one in every:
        names = {column.name for column in one.header.columns}
        parts += [
            Part.silver(
                one.entity.name,
                one.header.name,
                {
                    "after": f"': {name} ' || {shown(f't.{name}')} || ' of ' || {shown('t.total_amt')}"
                },
                f"abs(t.{name}) > abs(t.total_amt)",
            )
            for name in OPEN_AMOUNTS
            if name in names and "total_amt" in names
        ]
    return f"SELECT id, '', after FROM {scope.rows(parts)}" if parts else None
