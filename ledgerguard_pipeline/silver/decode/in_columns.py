"""A batch of parsed payloads to the rows of all tables, column by column.

Rows that hold anything the parser or a conversion could not read are only named: their payloads
are taken apart one by one instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ledgerguard_pipeline.silver.decode.conversions import stored
from ledgerguard_pipeline.silver.decode.rows import Decoded, stored_schema
from ledgerguard_pipeline.silver.decode.shape import STORED_AS
from ledgerguard_pipeline.silver.layout import EntityTables, Table
from ledgerguard_pipeline.silver.specs import Child, Column, Kind, Picked, Source, spelled

Positions = np.ndarray[tuple[int], np.dtype[np.int64]]
Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(slots=True)
class _Elements:
    """The elements of one source: which document each is in, and which line it belongs to."""

    values: pa.Array
    documents: Positions
    above: Positions | None
    """Position of the element's line among the lines of its source; None for lists on top."""
    lines: _Elements | None
    numbers: Positions | None = None
    """Numbers of the rows within their documents, where the table numbers lines."""


def decode_in_columns(tables: EntityTables, batch: pa.RecordBatch, into: Decoded) -> Mask:
    """Decode a batch with columns ``row`` and ``p``; which of its rows are left to be decoded."""
    rows: pa.Array = batch.column(0)
    payloads: pa.Array = batch.column(1)
    work = _Batch(tables, payloads)
    found = work.tables()
    unread = work.unread
    for table, documents, columns in found:
        keep = ~unread[documents] if unread.any() else None
        arrays = [pc.take(rows, pa.array(documents)), *columns]
        made = pa.Table.from_arrays(arrays, schema=stored_schema(table))
        into.add(table.name, made if keep is None else made.filter(pa.array(keep)))
    return unread


class _Batch:
    """One batch on its way into tables."""

    def __init__(self, tables: EntityTables, payloads: pa.Array) -> None:
        self._tables = tables
        self._payloads = payloads
        self._everyone = np.arange(len(payloads), dtype=np.int64)
        self.unread: Mask = _mask(pc.is_null(payloads))
        self._lines: dict[str, _Elements] = {}

    def tables(self) -> list[tuple[Table, Positions, list[pa.Array]]]:
        """Each table with the documents of its rows and its columns."""
        block, header = self._tables.block, self._tables.header
        columns = [self._column(self._payloads, each, self._everyone) for each in block.columns]
        columns += [self._picked(one) for one in block.picked]
        found = [(header, self._everyone, columns)]
        for table in self._tables.children:
            if table.child is not None:
                rows = self._child(table, table.child)
                if rows is not None:
                    found.append((table, *rows))
        return found

    def _leave(self, documents: Positions, wrong: pa.Array) -> None:
        positions = np.flatnonzero(_mask(wrong))
        if len(positions):
            self.unread[documents[positions]] = True

    def _column(self, values: pa.Array, column: Column, documents: Positions) -> pa.Array:
        found: pa.Array | None = None
        for path in column.paths:
            value = _member(values, path)
            if value is None:
                if column.reference and _member(values, path.rpartition(".")[0]) is not None:
                    value = pa.nulls(len(values), pa.string())
                else:
                    continue
            if column.reference:
                self._leave(documents, _without_value(values, path, value))
            typed, wrong = stored(value, column.kind)
            if wrong is not None:
                self._leave(documents, wrong)
            found = typed if found is None else _first(found, typed)
        if found is None:
            found = pa.nulls(len(values), STORED_AS[column.kind])
        if column.spelled:
            found = _respelled(found, column)
        if column.known:
            known = pa.array(sorted(column.known), pa.string())
            self._leave(documents, pc.invert(pc.is_in(found, value_set=known)))
        return found

    def _picked(self, one: Picked) -> pa.Array:
        elements = self._elements(Source(one.list_path))
        names = _member(elements.values, one.name_path)
        values = _member(elements.values, one.value_path)
        if names is None or values is None:
            return pa.nulls(len(self._everyone), STORED_AS[Kind.INTEGER])
        hits = np.flatnonzero(_mask(pc.fill_null(pc.equal(names, one.name), fill_value=False)))
        # The first of a document counts: written last.
        found_at = np.full(len(self._everyone), -1, dtype=np.int64)
        found_at[elements.documents[hits[::-1]]] = hits[::-1]
        texts = pc.take(values, pa.array(found_at, mask=found_at < 0))
        plain = _mask(pc.fill_null(pc.match_substring_regex(texts, r"^-?[0-9]{1,18}$"), True))
        self._leave(self._everyone, pa.array(~plain))
        kept = pc.if_else(pa.array(plain), texts, pa.scalar(None, texts.type))
        return pc.cast(kept, STORED_AS[Kind.INTEGER])

    def _child(self, table: Table, child: Child) -> tuple[Positions, list[pa.Array]] | None:
        sources: list[_Elements] = []
        counted = np.zeros(len(self._everyone), dtype=np.int64)
        for source in child.sources:
            elements = self._elements(source)
            sources.append(elements)
            elements.numbers = counted[elements.documents] + _ranks(elements.documents)
            counted += np.bincount(elements.documents, minlength=len(counted))
            self._leave(elements.documents, pc.is_null(elements.values))
            if child.number == "line_no":
                self._lines[source.path] = elements
        if not counted.any():
            return None
        parts = [
            self._rows(child, source, elements, table)
            for source, elements in zip(child.sources, sources, strict=True)
            if len(elements.values)
        ]
        documents = np.concatenate([documents for documents, _ in parts])
        columns = [
            pa.concat_arrays(each) for each in zip(*(arrays for _, arrays in parts), strict=True)
        ]
        return documents, columns

    def _rows(
        self, child: Child, source: Source, elements: _Elements, table: Table
    ) -> tuple[Positions, list[pa.Array]]:
        count = len(elements.values)
        made: dict[str, pa.Array] = {child.number: pa.array(elements.numbers)}
        if child.parent is not None:
            made[child.parent] = self._line_numbers(elements)
        constants = dict(source.constants)
        for column in child.columns:
            made[column.name] = self._column(elements.values, column, elements.documents)
        if child.amount is not None:
            made["amount"] = self._amounts(child.amount, elements)
        arrays = [
            made[name]
            if name in made
            else pa.repeat(pa.scalar(constants.get(name), pa.string()), count)
            for name in (each.name for each in table.typed)
        ]
        return elements.documents, arrays

    def _line_numbers(self, elements: _Elements) -> pa.Array:
        lines = elements.lines
        if elements.above is None or lines is None or lines.numbers is None:
            return pa.nulls(len(elements.values), pa.int64())
        return pa.array(lines.numbers[elements.above])

    @staticmethod
    def _amounts(path: str, elements: _Elements) -> pa.Array:
        if elements.above is None or elements.lines is None:
            return pa.nulls(len(elements.values), STORED_AS[Kind.MONEY])
        amounts = _member(elements.lines.values, path)
        if amounts is None:
            return pa.nulls(len(elements.values), STORED_AS[Kind.MONEY])
        alone = np.bincount(elements.above, minlength=len(amounts))[elements.above] == 1
        return pc.take(amounts, pa.array(elements.above, mask=~alone))

    def _elements(self, source: Source) -> _Elements:
        levels = source.path.split("[].")
        owners: pa.Array = self._payloads
        documents = self._everyone
        above: Positions | None = None
        lines: _Elements | None = None
        for depth, level in enumerate(levels):
            lists = _member(owners, level)
            if lists is None:  # no payload has one
                lists = pa.nulls(len(owners), pa.list_(pa.struct([])))
            parents = np.asarray(pc.list_parent_indices(lists), dtype=np.int64)
            if depth:
                above = parents
                lines = self._lines.get("[].".join(levels[:depth]))
            documents = documents[parents]
            owners = pc.list_flatten(lists)
        return _Elements(owners, documents, above, lines)


def _member(values: pa.Array, path: str) -> pa.Array | None:
    """What stands at a path; None where no payload has the member."""
    steps = path.split(".")
    kind = values.type
    for step in steps:
        at = kind.get_field_index(step)
        if at < 0:
            return None
        kind = kind.field(at).type
    return pc.struct_field(values, steps)


def _without_value(values: pa.Array, path: str, value: pa.Array) -> pa.Array:
    """True where a reference is there and does not say to what."""
    owner = _member(values, path.rpartition(".")[0])
    wrong = pc.equal(value, "")
    if owner is None:
        return pa.repeat(pa.scalar(False), len(values))
    for name in ("name", "type"):
        if owner.type.get_field_index(name) >= 0:
            named = pc.is_valid(pc.struct_field(owner, [name]))
            wrong = pc.or_kleene(wrong, pc.and_(named, pc.is_null(value)))
    return pc.fill_null(wrong, fill_value=False)


def _respelled(found: pa.Array, column: Column) -> pa.Array:
    """The same texts with the column's words as it spells them."""
    sent = [each for each in pc.unique(found).to_pylist() if each is not None]
    words = [spelled(each, column.spelled) for each in sent]
    if words == sent:
        return found
    which = pc.index_in(found, value_set=pa.array(sent, found.type))
    return pc.take(pa.array(words, found.type), which)


def _first(one: pa.Array, other: pa.Array) -> pa.Array:
    if one.null_count == 0 or other.null_count == len(other):
        return one
    return other if one.null_count == len(one) else pc.coalesce(one, other)


def _ranks(documents: Positions) -> Positions:
    """Numbers from 0 within each document; rows of a document are adjacent."""
    if not len(documents):
        return documents
    starts = np.flatnonzero(np.diff(documents, prepend=documents[0] - 1))
    lengths = np.diff(np.append(starts, len(documents)))
    return np.arange(len(documents), dtype=np.int64) - np.repeat(starts, lengths)


def _mask(values: pa.Array) -> Mask:
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.bool_)
