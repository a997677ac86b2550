"""What a reader can ask: every table and view of Bronze and Silver, described."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from ledgerguard_pipeline.bronze.statements import SCHEMA as BRONZE
from ledgerguard_pipeline.bronze.statements import SYSTEM_TABLES as BRONZE_SYSTEM
from ledgerguard_pipeline.bronze.statements import VERSION_COLUMNS
from ledgerguard_pipeline.entities import DERIVED, ENTITIES, DerivedEntity, EntityType
from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.silver.books_tables import BOOKS_TABLES
from ledgerguard_pipeline.silver.layout import SCHEMA, Table, TableColumn, tables_of
from ledgerguard_pipeline.silver.statements import APPLIED, MISFITS, SYSTEM_TABLES, narrow
from ledgerguard_pipeline.silver.views.catalog import READER_VIEWS

_MEANINGS = {
    "_meta": "Layout and environment of the store.",
    "_loads": "One row per load: what a sync of one entity type brought.",
    "_watermarks": "Up to when changes of a company's entity type are known.",
    "_quarantine": "Records that could not be stored as versions, byte for byte.",
    "_fields": "Every path seen in payloads, and since when.",
    "_walks": "Full walks of an entity type, finished or not.",
    "_walk_seen": "Ids a full walk met.",
    "_restatements": "Versions that only restate an earlier one.",
    "_set_aside": "Rows of earlier releases that healing moved out of the way.",
    "_healing": "What healing did to a company.",
    "_reports": "Intuit's reports, one row per answer as sent.",
    "_attachments": "Downloaded files of attachments: hash, size and where each is.",
}
_OWN = {
    APPLIED: "Up to when each company's entity type in Bronze is in Silver.",
    MISFITS: "Values that fit no column, with their path and text.",
}
_KEY = ("realm_id", "id")


@dataclass(frozen=True, slots=True)
class Shown:
    """A column as a reader sees it."""

    name: str
    type: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, view or table macro: what one row is, its key, columns, and a query to begin with."""

    schema: str
    name: str
    kind: str
    """``table``, ``view`` or ``macro``."""
    meaning: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Shown, ...]
    example: str

    @property
    def full_name(self) -> str:
        """With its schema."""
        return f"{self.schema}.{self.name}"


@cache
def relations() -> Mapping[str, Relation]:
    """All of them by full name: views for readers, Silver, then Bronze."""
    return MappingProxyType({each.full_name: each for each in _all()})


def relation(name: str) -> Relation:
    """One by its name, in any case, with or without its schema; Silver is looked at first.

    Raises:
        BadInputError: there is none; the nearest ones are named.
    """
    asked = name.strip().strip('"').casefold()
    known = relations()
    for candidate in (asked, f"{SCHEMA}.{asked}", f"{BRONZE}.{asked}"):
        if candidate in known:
            return known[candidate]
    for entity in ENTITIES:
        if entity.name.casefold() == asked:
            return known[f"{SCHEMA}.{entity.table}"]
    raise BadInputError(
        f"There is no table {name.strip()[:60]!r}{_hint(asked)}; `ledgerguard tables` lists all."
    )


def explain_missing(name: str) -> str:
    """What to say of a table DuckDB did not find."""
    asked = name.strip().replace('"', "").casefold()
    found = asked if asked in relations() else ""
    if not found:
        others = [full for full in relations() if full.partition(".")[2] == asked]
        if others:
            return (
                f"There is no table {name} where the query looks, which is {BRONZE}; "
                f"write {' or '.join(others)}."
            )
        return f"There is no table {name}{_hint(asked)}; `ledgerguard tables` lists all."
    if found.startswith(f"{SCHEMA}."):
        return (
            f"{found} is not there yet: nothing of its kind was loaded, or LEDGERGUARD_SILVER is "
            "off; run `ledgerguard sync`."
        )
    return f"{found} is not there yet: nothing of its kind was loaded; run `ledgerguard sync`."


def nearest(name: str) -> list[str]:
    """Full names that look like this one, the best first."""
    schema, _, bare = name.rpartition(".")
    best: dict[str, float] = {}
    for full in relations():
        against = full.partition(".")[2]
        likeness = difflib.SequenceMatcher(None, bare, against).ratio()
        if schema and full.startswith(f"{schema}."):
            likeness += 0.1
        best[full] = likeness
    return [full for full in sorted(best, key=lambda each: -best[each]) if best[full] >= 0.6][:3]


def _hint(asked: str) -> str:
    found = nearest(asked)
    return f" (did you mean {' or '.join(found)}?)" if found else ""


def _all() -> Iterator[Relation]:
    yield from _views()
    yield from _silver()
    yield from _bronze()


def _views() -> Iterator[Relation]:
    for view in READER_VIEWS.values():
        columns = tuple(_shown(column) for column in view.columns)
        yield Relation(
            SCHEMA, view.name, "view", view.meaning, view.grain, view.key, columns, view.example
        )
        if view.exact:
            yield _narrow(view.name, view.grain, view.key, view.columns)
        if view.dated:
            example = f"SELECT * FROM {SCHEMA}.{view.macro}(DATE '2026-03-31')"
            meaning = f"As {view.name}, as of a day that is given."
            yield Relation(
                SCHEMA, view.macro, "macro", meaning, view.grain, view.key, columns, example
            )


def _silver() -> Iterator[Relation]:
    for entity in ENTITIES:
        for table in tables_of(entity).tables:
            yield from _table(table, table.name, "table", table.meaning)
    for derived in DERIVED:
        base = tables_of(derived.base)
        for table in base.tables:
            name = table.name.replace(base.entity.table, derived.table, 1)
            meaning = f"{derived.description.rstrip('.')}; view over {table.name}."
            yield from _table(table, name, "view", meaning)
    for books in BOOKS_TABLES:
        columns = tuple(_shown(column) for column in books.columns)
        example = f"SELECT * FROM {SCHEMA}.{books.name} LIMIT 10"
        yield Relation(
            SCHEMA, books.name, "table", books.meaning, books.grain, books.key, columns, example
        )
    for name, definition in SYSTEM_TABLES.items():
        yield _own(SCHEMA, name, definition, _OWN[name])


def _bronze() -> Iterator[Relation]:
    versions = tuple(Shown(each.name, each.type, each.meaning) for each in VERSION_COLUMNS)
    kinds: list[EntityType | DerivedEntity] = [*ENTITIES, *DERIVED]
    for kind in kinds:
        stored = "view" if isinstance(kind, DerivedEntity) else "table"
        yield _versions(kind.table, stored, f"{kind.name} as sent: every version.", versions)
        meaning = f"{kind.name} as sent: what exists now."
        yield _versions(f"{kind.table}_current", "view", meaning, versions)
    for name, definition in BRONZE_SYSTEM.items():
        yield _own(BRONZE, name, definition, _MEANINGS.get(name, "Bookkeeping of Bronze."))


def _table(table: Table, name: str, kind: str, meaning: str) -> Iterator[Relation]:
    columns = tuple(_shown(column) for column in table.columns)
    grain = "one object" if table.child is None else f"one {table.key[-1].removesuffix('_no')}"
    example = f'SELECT * FROM {SCHEMA}."{name}" LIMIT 10'
    yield Relation(SCHEMA, name, kind, meaning, grain, table.key, columns, example)
    yield _narrow(name, grain, table.key, table.columns)


def _narrow(
    name: str, grain: str, key: tuple[str, ...], columns: tuple[TableColumn, ...]
) -> Relation:
    shown = tuple(Shown(each.name, each.kind.narrow, each.meaning) for each in columns)
    meaning = f"As {name}, with numbers that every tool can read."
    return Relation(
        SCHEMA,
        narrow(name),
        "view",
        meaning,
        grain,
        key,
        shown,
        f'SELECT * FROM {SCHEMA}."{narrow(name)}" LIMIT 10',
    )


def _versions(name: str, kind: str, meaning: str, columns: tuple[Shown, ...]) -> Relation:
    current = name.endswith("_current")
    grain, key = ("one object", _KEY) if current else ("one version", (*_KEY, "loaded_at"))
    example = f'SELECT id, state, payload FROM {BRONZE}."{name}" LIMIT 10'
    return Relation(BRONZE, name, kind, meaning, grain, key, columns, example)


def _own(schema: str, name: str, definition: str, meaning: str) -> Relation:
    columns = tuple(Shown(*(*each.strip().split(" ", 1), "")) for each in definition.split(","))
    example = f"SELECT * FROM {schema}.{name} LIMIT 10"
    return Relation(schema, name, "table", meaning, "one record", (), columns, example)


def _shown(column: TableColumn) -> Shown:
    return Shown(column.name, column.kind.sql, column.meaning)
