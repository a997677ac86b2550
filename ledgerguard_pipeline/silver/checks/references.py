"""References that lead nowhere, as statements to run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from ledgerguard_pipeline.bronze.statements import quoted
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.silver.checks.scope import Part, Scope
from ledgerguard_pipeline.silver.checks.targets import LINKED, NO_ID, OWN_TYPE, TARGETS
from ledgerguard_pipeline.silver.layout import EntityTables, Table

_PARTIES = {name: entity_type(name).table for name in ("Customer", "Vendor", "Employee")}
_NAMED_BY_TYPE = {"entity": _PARTIES, "txn": LINKED}
"""Columns of ids whose type another column names: tables by name of the type."""


def dangling(
    every: Sequence[EntityTables],
    scope: Scope,
    bronze: Collection[str],
    loaded: Collection[str],
    empty: Collection[str] = (),
) -> str | None:
    """A statement for what the rows of these types refer to and Bronze never had; None if nothing.

    ``bronze`` are the tables that are there, ``loaded`` those of entity types that the companies'
    books were read for, if only to find that they have none. Where neither is so, nothing is known.
    ``empty`` tables of Silver are passed over.

    Every reference of a table becomes one row and all of them are looked up at once: a statement
    a reference takes three times as long where there are few rows.
    """
    known = {*bronze, *loaded}
    parts: list[Part] = []
    targets: set[str] = set()
    for tables in every:
        for table in tables.tables:
            references = [] if table.name in empty else [*_references(table, tables, known)]
            if references:
                targets.update(target for one in references for target in one.targets)
                columns = {
                    "holder": f"'{table.name} '",
                    "company": "t.realm_id",
                    "r": f"unnest([{', '.join(one.row for one in references)}])",
                }
                parts.append(Part.silver(tables.entity.name, table.name, columns))
    if not parts:
        return None
    there = " UNION ALL ".join(
        f"SELECT '{target}' AS target, t.realm_id, t.id FROM bronze.{quoted(target)} AS t "
        f"WHERE {scope.mine}"
        for target in sorted(targets)
        if target in bronze
    )
    mine = "" if len(scope.realms) == 1 else " AND k.realm_id = held.company"
    unknown = (
        f"AND NOT EXISTS (SELECT 1 FROM ({there}) AS k "
        f"WHERE k.target = r.target AND k.id = r.ref{mine})"
        if there
        else ""
    )
    words = ", ".join(f"'{word}'" for word in NO_ID)
    return (
        "SELECT DISTINCT id, holder, ': ' || r.name || ' ' || r.ref "
        f"FROM {scope.rows(parts)} AS held "
        f"WHERE r.ref NOT IN ({words}) AND r.target IS NOT NULL {unknown}"
    )


@dataclass(frozen=True, slots=True)
class _Reference:
    """A column with ids: where they may lead, and SQL of a row with its name, target and id."""

    targets: tuple[str, ...]
    row: str


def _references(table: Table, tables: EntityTables, known: Collection[str]) -> Iterator[_Reference]:
    names = {column.name for column in table.columns}
    for stem, target in {**TARGETS, **dict.fromkeys(OWN_TYPE, tables.entity.table)}.items():
        if f"{stem}_id" in names and target in known:
            yield _Reference((target,), _row(f"'{stem}_id'", f"'{target}'", f"{stem}_id"))
    for stem, types in _NAMED_BY_TYPE.items():
        if {f"{stem}_id", f"{stem}_type"} <= names:
            there = {kind: target for kind, target in types.items() if target in known}
            if there:
                kind = f"t.{quoted(stem + '_type')}"
                cases = " ".join(f"WHEN '{one}' THEN '{target}'" for one, target in there.items())
                row = _row(kind, f"CASE {kind} {cases} END", f"{stem}_id")
                yield _Reference(tuple(there.values()), row)


def _row(name: str, target: str, column: str) -> str:
    return f"{{'name': {name}, 'target': {target}, 'ref': t.{quoted(column)}}}"
