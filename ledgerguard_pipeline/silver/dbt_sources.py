"""``sources.yml`` for dbt: Bronze and Silver with descriptions, tests and freshness.

Format: dbt's documentation of source properties. Keys are of several columns, which dbt's own test
``unique`` can look at as one expression, so no further dbt package is needed. JSON texts are
valid YAML scalars.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator

from ledgerguard_pipeline.entities import ENTITIES
from ledgerguard_pipeline.silver.layout import SCHEMA, tables_of
from ledgerguard_pipeline.silver.relations import Relation, relations
from ledgerguard_pipeline.silver.statements import is_narrow

_STATES = {SCHEMA: ("active", "inactive", "voided")}
_DESCRIPTIONS = {
    "bronze": "QuickBooks Online as sent: every version of every object, byte for byte.",
    "silver": "QuickBooks Online as typed tables: what exists now, exact to the last digit.",
}


def sources_yml(
    warn_hours: int = 24,
    error_hours: int = 72,
    database: str | None = None,
    without: Collection[str] = (),
) -> str:
    """The whole file; ``without`` tables that are not there, which dbt's tests would fail on.

    ``bronze._loads`` is stale when no sync wrote to it for that long; of Silver no table has to
    change for any time, so ``silver._applied`` warns after seven times as long. ``database`` is the
    name under which dbt attaches the file, where its models go into another one.
    """
    return "".join(_lines(warn_hours, error_hours, database, frozenset(without)))


def sources() -> list[str]:
    """Full names of all tables and views that may be in it."""
    return [name for name, found in relations().items() if _is_source(found)]


MADE_BY = "# Made by `ledgerguard dbt-sources`"
"""How each of these files begins."""


def _lines(
    warn_hours: int, error_hours: int, database: str | None, without: frozenset[str]
) -> Iterator[str]:
    yield f"{MADE_BY}; make it anew after an upgrade.\nversion: 2\nsources:\n"
    for schema, description in _DESCRIPTIONS.items():
        yield f"  - name: {schema}\n"
        if database is not None:
            yield f"    database: {json.dumps(database)}\n"
        yield f"    schema: {schema}\n    description: {json.dumps(description)}\n"
        yield "    tables:\n"
        for name, found in relations().items():
            if found.schema == schema and _is_source(found) and name not in without:
                yield from _table(found)
                if found.full_name == "bronze._loads":
                    yield from _freshness("loaded_at", warn_hours, error_hours)
                elif found.full_name == "silver._applied":
                    yield from _freshness("silver_at", 7 * warn_hours, None)


_LEFT_OUT = frozenset({"_walk_seen", "_walks", "_restatements", "_set_aside", "_healing"})


def _is_source(found: Relation) -> bool:
    return found.kind != "macro" and found.name not in _LEFT_OUT


def _freshness(column: str, warn_hours: int, error_hours: int | None) -> Iterator[str]:
    yield f"        loaded_at_field: {column}\n        freshness:\n"
    yield f"          warn_after: {{count: {warn_hours}, period: hour}}\n"
    if error_hours is not None:
        yield f"          error_after: {{count: {error_hours}, period: hour}}\n"


def _table(found: Relation) -> Iterator[str]:
    what = f"{found.meaning} One row is {found.grain}."
    yield f"      - name: {json.dumps(found.name)}\n        description: {json.dumps(what)}\n"
    if found.kind == "table" and found.key:
        yield from _tests(found)
    if is_narrow(found.name):
        return  # the columns stand at the wide one; so the file is half as long
    yield "        columns:\n"
    for column in found.columns:
        yield f"          - name: {json.dumps(column.name)}\n"
        yield f"            description: {json.dumps(column.meaning or column.name)}\n"
        yield f"            data_type: {json.dumps(column.type)}\n"
        tests = []
        if found.kind == "table" and column.name in found.key:
            tests.append("not_null")
        if found.kind == "table" and column.name == "state" and found.schema in _STATES:
            values = ", ".join(_STATES[found.schema])
            tests.append(f"accepted_values: {{arguments: {{values: [{values}]}}}}")
        if tests:
            yield "            data_tests:\n"
            yield from (f"              - {test}\n" for test in tests)


def _tests(found: Relation) -> Iterator[str]:
    """The key is unique, and a row of a list belongs to an object."""
    yield "        data_tests:\n"
    yield f"          - unique: {{column_name: {json.dumps(_joined(found.key))}}}\n"
    header = _HEADERS.get(found.name) if found.schema == SCHEMA else None
    if header is not None:
        both = json.dumps(_joined(("realm_id", "id")))
        yield (
            f"          - relationships: {{column_name: {both}, arguments: "
            f"{{to: \"source('{SCHEMA}', '{header}')\", field: {both}}}}}\n"
        )


def _joined(key: tuple[str, ...]) -> str:
    return "concat_ws('/', " + ", ".join(key) + ")"


_HEADERS = {
    child.name: tables_of(entity).header.name
    for entity in ENTITIES
    for child in tables_of(entity).children
}
