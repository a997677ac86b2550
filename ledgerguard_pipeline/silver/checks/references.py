"""References that lead nowhere, as statements to run."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ledgerguard_pipeline.bronze.statements import quoted
from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.silver.checks.sums import Scope
from ledgerguard_pipeline.silver.layout import EntityTables, Table
from ledgerguard_pipeline.silver.references import LINKED, NO_ID, OWN_TYPE, TARGETS

_PARTIES = {name: entity_type(name).table for name in ("Customer", "Vendor", "Employee")}
_NAMED_BY_TYPE = {"entity": _PARTIES, "txn": LINKED}
"""Columns of ids whose type another column names: tables by name of the type."""


def dangling(
    tables: EntityTables, scope: Scope, bronze: Collection[str], loaded: Collection[str]
) -> Iterator[str]:
    """Statements for what the rows of these tables refer to and Bronze never had.

    ``bronze`` are the tables that are there, ``loaded`` those of entity types that the company's
    books were read for, if only to find that it has none. Where neither is so, nothing is known.
    """
    known = {*bronze, *loaded}
    for table in tables.tables:
        names = {column.name for column in table.columns}
        for stem, target in {**TARGETS, **dict.fromkeys(OWN_TYPE, tables.entity.table)}.items():
            if f"{stem}_id" in names and target in known:
                yield _missing(table, stem, target if target in bronze else None, scope)
        for stem, types in _NAMED_BY_TYPE.items():
            if {f"{stem}_id", f"{stem}_type"} <= names:
                for kind, target in types.items():
                    if target in known:
                        there = target if target in bronze else None
                        yield _missing(table, stem, there, scope, kind)


def _missing(
    table: Table, stem: str, target: str | None, scope: Scope, kind: str | None = None
) -> str:
    """Rows whose reference is not in the table ``target``; None where there is no object at all.

    With ``kind`` only references of that type.
    """
    column = f"t.{quoted(stem + '_id')}"
    of_kind = "true" if kind is None else f"t.{quoted(stem + '_type')} = '{kind}'"
    unknown = (
        "true"
        if target is None
        else f"NOT EXISTS (SELECT 1 FROM bronze.{quoted(target)} AS b "
        f"WHERE b.realm_id = t.realm_id AND b.id = {column})"
    )
    words = ", ".join(f"'{word}'" for word in NO_ID)
    return (
        f"SELECT DISTINCT '{table.name} ' || t.id || ': {kind or stem + '_id'} ' || {column} "
        f"FROM silver.{quoted(table.name)} AS t WHERE {scope.of('t')} AND {column} IS NOT NULL "
        f"AND {column} NOT IN ({words}) AND {of_kind} AND {unknown}"
    )
