"""Payloads taken apart one by one, in Python: slow, exact, and never at a loss.

Whatever is wrong with a payload, its row arrives with what can be read; what cannot stands among
the misfits, with its path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from ledgerguard_pipeline.silver.decode import deep
from ledgerguard_pipeline.silver.decode.rows import ROW, Decoded, MisfitRow, table_of_rows
from ledgerguard_pipeline.silver.decode.values import Misfit, Value, fitting, shown
from ledgerguard_pipeline.silver.layout import EntityTables
from ledgerguard_pipeline.silver.specs import Block, Child, Column, Kind, Picked, spelled

_Row = dict[str, object]
_Element = tuple[str, Any, int | None, Any]
"""Where it stands, the element, the number of the line above, and that line."""


def decode_one_by_one(
    tables: EntityTables, payloads: Sequence[tuple[int, str]], into: Decoded
) -> None:
    """Decode payloads, each with its position in the chunk."""
    rows: dict[str, list[_Row]] = {table.name: [] for table in tables.tables}
    for position, payload in payloads:
        for name, found in _Document(tables, position, into.misfits).rows(payload).items():
            rows[name] += found
    for table in tables.tables:
        if rows[table.name]:
            into.add(table.name, table_of_rows(table, rows[table.name]))


class _Document:
    """One payload on its way into rows."""

    def __init__(self, tables: EntityTables, position: int, misfits: list[MisfitRow]) -> None:
        self._tables = tables
        self._position = position
        self._misfits = misfits
        self._reported: set[str] = set()
        self._line_numbers: dict[str, int] = {}

    def rows(self, payload: str) -> dict[str, list[_Row]]:
        """The rows of every table."""
        header: _Row = {ROW: self._position}
        found: dict[str, list[_Row]] = {self._tables.header.name: [header]}
        document = self._object(payload, header)
        if document is None:
            return found
        header |= self._typed(document, self._tables.block.columns, "")
        for one in self._tables.block.picked:
            header[one.column] = self._picked(document, one)
        for table in self._tables.children:
            if table.child is not None:
                found[table.name] = self._children(document, table.child)
        return found

    def _object(self, payload: str, header: _Row) -> dict[str, Any] | None:
        try:
            document = deep.value(payload)
        except ValueError:
            self._misfit("", payload)
            return None
        if self._tables.block.wrapped and isinstance(document, dict) and "Id" not in document:
            inner = next(
                ((name, each) for name, each in document.items() if isinstance(each, dict)), None
            )
            if inner is not None:
                header["wrapped_type"], document = inner
        if not isinstance(document, dict):
            self._misfit("", document)
            return None
        return document

    def _misfit(self, path: str, value: object) -> None:
        if path not in self._reported:
            self._reported.add(path)
            personal = personal_names(self._tables.block)
            self._misfits.append(MisfitRow(self._position, path, shown(value, personal)))

    def _typed(self, element: Any, columns: Sequence[Column], at: str) -> _Row:
        return {column.name: self._value(element, column, at) for column in columns}

    def _value(self, element: Any, column: Column, at: str) -> Value:
        found: Value = None
        where = column.paths[0]
        for path in column.paths:
            value, there = self._member(element, path, at, reference=column.reference)
            if not there:
                continue
            try:
                fits = fitting(value, column.kind)
            except Misfit:
                self._misfit(_join(at, path), value)
                continue
            if fits is not None and found is None:
                found, where = fits, path
        if column.spelled and isinstance(found, str):
            found = spelled(found, column.spelled)
        if column.known and found not in column.known:
            self._misfit(_join(at, where), "" if found is None else found)
        return found

    def _member(self, element: Any, path: str, at: str, *, reference: bool) -> tuple[Any, bool]:
        """What stands at a path, and whether anything does."""
        above, last = _steps(path)
        owner = element
        for step in above:  # most members are absent: that is to be seen quickly
            if not isinstance(owner, dict):
                break
            owner = owner.get(step)
        if not isinstance(owner, dict):
            if owner is not None:
                self._inside(element, above, at)
            return None, False
        value = owner.get(last)
        if not reference:
            return value, value is not None
        named = owner.get("name") is not None or owner.get("type") is not None
        if value == "" or (value is None and named):
            self._misfit(_join(at, ".".join(above)), owner)
            return None, False
        return value, value is not None

    def _inside(self, element: Any, steps: Sequence[str], at: str) -> dict[str, Any] | None:
        for done, step in enumerate(("", *steps)):
            if step:
                element = element.get(step)
            if element is None:
                return None
            if not isinstance(element, dict):
                self._misfit(_join(at, ".".join(steps[:done])), element)
                return None
        found: dict[str, Any] = element
        return found

    def _elements(self, document: dict[str, Any], path: str) -> Iterator[_Element]:
        """The elements of a list, however deep, in order."""
        levels = path.split("[].")
        found: list[_Element] = [("", document, None, None)]
        for depth, level in enumerate(levels):
            deeper: list[_Element] = []
            for at, owner, _, _ in found:
                *above, last = level.split(".")
                holder = self._inside(owner, above, at) if owner is not None else None
                listed = None if holder is None else holder.get(last)
                if listed is None:
                    continue
                where = _join(at, level)
                if not isinstance(listed, list):
                    self._misfit(where, listed)
                    continue
                number = self._line_numbers.get(at) if depth else None
                deeper += [
                    (f"{where}[{position}]", each, number, owner if depth else None)
                    for position, each in enumerate(listed)
                ]
            found = deeper
        yield from found

    def _children(self, document: dict[str, Any], child: Child) -> list[_Row]:
        rows: list[_Row] = []
        for source in child.sources:
            elements = list(self._elements(document, source.path))
            alone = [line for _, _, _, line in elements]
            for at, element, line_no, line in elements:
                row: _Row = {ROW: self._position, child.number: len(rows), **dict(source.constants)}
                if child.number == "line_no":
                    self._line_numbers[at] = len(rows)
                if child.parent is not None:
                    row[child.parent] = line_no
                if isinstance(element, dict):
                    row |= self._typed(element, child.columns, at)
                else:
                    self._misfit(at, element)
                if child.amount is not None and isinstance(line, dict):
                    only = sum(each is line for each in alone) == 1
                    row["amount"] = self._amount(line, child.amount) if only else None
                rows.append(row)
        return rows

    @staticmethod
    def _amount(line: dict[str, Any], path: str) -> Value:
        try:  # the line's own column says what is wrong with it
            return fitting(line.get(path), Kind.MONEY)
        except Misfit:
            return None

    def _picked(self, document: dict[str, Any], one: Picked) -> Value:
        for at, element, _, _ in self._elements(document, one.list_path):
            name, _ = self._member(element, one.name_path, at, reference=False)
            if name == one.name:
                value, _ = self._member(element, one.value_path, at, reference=False)
                try:
                    return fitting(value, Kind.INTEGER)
                except Misfit:
                    self._misfit(_join(at, one.value_path), value)
        return None


@cache
def personal_names(block: Block) -> re.Pattern[str] | None:
    """Finds where JSON begins to say what is personal; None for types without any of that."""
    names = sorted({path.rpartition(".")[2] for path in block.personal})
    return re.compile(rf'"(?:{"|".join(map(re.escape, names))})"\s*:') if names else None


@cache
def _steps(path: str) -> tuple[tuple[str, ...], str]:
    """The members above the last of a path, and the last."""
    *above, last = path.split(".")
    return tuple(above), last


def _join(at: str, path: str) -> str:
    return f"{at}.{path}" if at and path else at or path
