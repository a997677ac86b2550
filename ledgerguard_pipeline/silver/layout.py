"""The tables of each entity type, made from its block: names, columns, and their version."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from ledgerguard_pipeline.entities import ENTITIES, EntityType, entity_type
from ledgerguard_pipeline.silver.registry.blocks import BLOCKS
from ledgerguard_pipeline.silver.specs import Block, Child, Column, Kind

SCHEMA = "silver"
RULES = 4
"""Raised when the same columns are filled by other rules, or views have other names: all is built anew."""


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column as it stands in a table."""

    name: str
    kind: Kind
    meaning: str
    path: str = ""
    """Where Intuit's object has it; empty for what this product adds."""


def _made(name: str, kind: Kind, meaning: str) -> TableColumn:
    return TableColumn(name, kind, meaning)


KEY = (
    _made("realm_id", Kind.TEXT, "Company."),
    _made("id", Kind.TEXT, "Intuit's object id, unique within company and type."),
)
LINEAGE = (
    _made("sync_token", Kind.TEXT, "Edit counter as sent."),
    _made("state", Kind.TEXT, "active, inactive or voided."),
    _made("created_at", Kind.TIME, "When it was created in QuickBooks."),
    _made("last_updated_at", Kind.TIME, "When it was changed last in QuickBooks."),
    _made("payload_sha256", Kind.TEXT, "SHA-256 of the payload in Bronze."),
    _made("loaded_at", Kind.TIME, "When Bronze got this version; joins Bronze."),
    _made("silver_at", Kind.TIME, "When this row was written."),
)
_LOADED = LINEAGE[-2]


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """One table of Silver, which is there once: ``child`` is None for the one of the objects themselves."""

    name: str
    entity: EntityType
    meaning: str
    columns: tuple[TableColumn, ...]
    key: tuple[str, ...]
    child: Child | None = None

    @property
    def typed(self) -> tuple[TableColumn, ...]:
        """The columns that are filled from the payload or from positions in it."""
        made = {column.name for column in (*KEY, *LINEAGE)}
        return tuple(column for column in self.columns if column.name not in made)


@dataclass(frozen=True, slots=True)
class EntityTables:
    """The tables of an entity type, the header first, and the version of their layout."""

    entity: EntityType
    block: Block
    header: Table
    children: tuple[Table, ...]
    version: str

    @property
    def tables(self) -> tuple[Table, ...]:
        """All of them."""
        return (self.header, *self.children)


@cache
def tables_of(entity: EntityType | str) -> EntityTables:
    """The tables of an entity type.

    Raises:
        BadInputError: no such type.
    """
    kind = entity_type(entity)
    block = BLOCKS[kind.name]
    header = Table(
        kind.table,
        kind,
        block.meaning,
        (*KEY, *_header_columns(block), *LINEAGE),
        ("realm_id", "id"),
    )
    children = tuple(_child(kind, child) for child in block.children)
    return EntityTables(kind, block, header, children, _version(block))


def all_tables() -> Iterator[Table]:
    """Every table of Silver, in the order of the entity types."""
    for entity in ENTITIES:
        yield from tables_of(entity).tables


@cache
def table_named() -> Mapping[str, Table]:
    """Tables by name."""
    return MappingProxyType({table.name: table for table in all_tables()})


def _header_columns(block: Block) -> list[TableColumn]:
    found = [_typed(column) for column in block.columns]
    if block.wrapped:
        found.insert(0, _made("wrapped_type", Kind.TEXT, "Type of the documents it makes."))
    found += [
        TableColumn(one.column, Kind.INTEGER, one.meaning, f"{one.list_path}[].{one.value_path}")
        for one in block.picked
    ]
    return found


def _child(entity: EntityType, child: Child) -> Table:
    columns = [_made(child.number, Kind.INTEGER, "Position in the object, from 0.")]
    if child.parent == "parent_line_no":
        columns.append(
            _made(child.parent, Kind.INTEGER, "Line of the bundle it is in; NULL outside bundles.")
        )
    elif child.parent is not None:
        columns.append(
            _made(child.parent, Kind.INTEGER, "Line it belongs to; NULL for the whole document.")
        )
    constants = dict.fromkeys(name for source in child.sources for name, _ in source.constants)
    columns += [_made(name, Kind.TEXT, f"Which list it is from: {name}.") for name in constants]
    columns += [_typed(column, child) for column in child.columns]
    if child.amount is not None:
        columns.append(
            TableColumn(
                "amount", Kind.MONEY, "Amount of the line, where this is its only row.", "Amount"
            )
        )
    return Table(
        child.table or f"{entity.table}_{child.suffix}",
        entity,
        child.meaning,
        (*KEY, *columns, _LOADED),
        ("realm_id", "id", child.number),
        child,
    )


def _typed(column: Column, child: Child | None = None) -> TableColumn:
    under = "" if child is None else f"{child.sources[0].path}[]."
    path = " or ".join(f"{under}{each}" for each in column.paths)
    return TableColumn(column.name, column.kind, column.meaning, path)


def _version(block: Block) -> str:
    parts = [str(RULES), str(block.wrapped), *(column.layout for column in block.columns)]
    parts += [repr(one) for one in block.picked]
    for child in block.children:
        parts += [
            f"{child.table} {child.suffix} {child.number} {child.parent} {child.amount}",
            *(repr(source) for source in child.sources),
            *(column.layout for column in child.columns),
        ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
