"""Property values of rows: header fields from the row, anything else parsed once and kept."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation

import msgspec

from ledgerguard_pipeline.sandbox.books.entity_table import EntityTable, Row
from ledgerguard_pipeline.sandbox.query.properties import PropertyKind

Value = str | bool | Decimal | int | None
"""A comparable value; None where the record lacks the property."""

_DECODE = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_HEADERS: dict[str, Callable[[Row], Value]] = {
    "Id": lambda row: row.id,
    "Active": lambda row: row.active,
    "MetaData.CreateTime": lambda row: row.created,
    "MetaData.LastUpdatedTime": lambda row: row.updated,
}


class Columns:
    """Reads one property of a row at a time.

    A value parsed from a body is kept until the row is replaced or touched, so that a filter
    over a large table pays for parsing once.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], dict[str, tuple[Row, bytes | None, int, Value]]] = {}

    def reader(self, table: EntityTable, prop: str, kind: PropertyKind) -> Callable[[Row], Value]:
        """A function from row to value; flags and times of the header need no parsing."""
        header = _HEADERS.get(prop)
        if header is not None:
            return header
        kept = self._kept.setdefault((table.entity, prop), {})

        def read(row: Row) -> Value:
            known = kept.get(row.id)
            if (
                known is not None
                and known[0] is row
                and known[1] is row.body
                and known[2] == row.updated
            ):
                return known[3]
            value = _parse(table.body(row), prop, kind)
            kept[row.id] = (row, row.body, row.updated, value)
            return value

        return read


def fields(body: bytes) -> dict[str, msgspec.Raw]:
    """The record's top-level members with their exact texts; a wrapper's inner object's."""
    members = _DECODE(body)
    if len(members) == 1:
        (inner,) = members.values()
        if bytes(inner)[:1] == b"{":
            return _DECODE(inner)
    return members


def _parse(body: bytes, prop: str, kind: PropertyKind) -> Value:
    raw = fields(body).get(prop)
    if raw is None:
        return None
    text = bytes(raw)
    if kind is PropertyKind.FLAG:
        return text == b"true"
    if kind is PropertyKind.NUMBER:
        return number(text.decode().strip('"'))
    if kind is PropertyKind.REF:
        reference = msgspec.json.decode(text)
        return str(reference.get("value", "")) if isinstance(reference, dict) else str(reference)
    value = msgspec.json.decode(text)
    return value if isinstance(value, str) else text.decode()


def number(text: str) -> Decimal | None:
    """The exact value of a number text, or None where it is none."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return None
