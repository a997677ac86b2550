"""Which living objects name members of a list, as Bronze holds them now."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import duckdb

from ledgerguard_pipeline.bronze.statements import SCHEMA, quoted
from ledgerguard_pipeline.entities import ENTITIES, EntityType
from ledgerguard_pipeline.values import RealmId

_UNTYPED = ("EntityRef", "Entity", "ParentRef")
"""References that may lead to members of several lists."""
_OTHERWISE = {"Customer": ("ShipTo",), "Term": ("DefaultTerms",)}
"""References by entity name that are not called after what they lead to."""
_TEXT = r'"(?:[^"\\]|\\.)*"'
"""A text of JSON: what stands between its quotes, braces too, says nothing of the form."""


def naming(
    connection: duckdb.DuckDBPyConnection,
    present: Collection[str],
    realm: RealmId | str,
    entity: EntityType,
    ids: Sequence[str],
) -> dict[EntityType, list[str]]:
    """Ids of the objects that name one of these members; perhaps a few more, by untyped references.

    ``present`` are the tables of Bronze.
    """
    pattern = _pattern(entity, ids)
    found = {
        kind: connection.execute(
            f"SELECT id FROM {SCHEMA}.{quoted(kind.table + '_current')} "  # registry
            "WHERE realm_id = ? AND regexp_matches(payload, ?) ORDER BY id",
            [str(realm), pattern],
        ).fetchall()
        for kind in ENTITIES
        if kind.table in present
    }
    return {kind: [str(row[0]) for row in rows] for kind, rows in found.items() if rows}


def _pattern(entity: EntityType, ids: Sequence[str]) -> str:
    """``DepositToAccountRef`` leads to an account as ``AccountRef`` does; values come as texts."""
    names = "|".join((rf"[A-Za-z]*{entity.name}Ref", *_OTHERWISE.get(entity.name, ()), *_UNTYPED))
    values = "|".join(re.escape(id) for id in ids)
    before = rf'(?:[^{{}}"]|{_TEXT})*'
    return rf'"(?:{names})"\s*:\s*\{{{before}"value"\s*:\s*"(?:{values})"'
