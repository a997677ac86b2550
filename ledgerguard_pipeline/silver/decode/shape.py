"""The Arrow type of an entity type's payloads: what of them is read, and as what."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

import pyarrow as pa

from ledgerguard_pipeline.silver.specs import Block, Column, Kind

DECIMAL = pa.decimal128(38, 18)
INSTANT = pa.timestamp("us", "UTC")
READ_AS = {
    Kind.TEXT: pa.string(),
    Kind.DATE: pa.string(),
    Kind.TIME: pa.string(),
    Kind.BOOL: pa.bool_(),
    Kind.INTEGER: pa.int64(),
    Kind.MONEY: DECIMAL,
    Kind.NUMBER: DECIMAL,
}
"""What the parser makes of a value; dates and times are made from their texts afterwards."""
STORED_AS = READ_AS | {Kind.DATE: pa.date32(), Kind.TIME: INSTANT}


@dataclass(slots=True)
class _Node:
    members: dict[str, _Node] = field(default_factory=dict)
    kind: Kind | None = None
    listed: bool = False

    def at(self, path: str) -> _Node:
        node = self
        for step in path.split("."):
            name = step.removesuffix("[]")
            node = node.members.setdefault(name, _Node())
            if name != step:
                node.listed = True
        return node

    def type(self) -> pa.DataType:
        if self.kind is not None:
            return READ_AS[self.kind]
        inner = pa.struct([(name, node.type()) for name, node in self.members.items()])
        return pa.list_(inner) if self.listed else inner


@cache
def parsed_type(block: Block) -> pa.StructType:
    """The struct that one payload of this type is parsed into."""
    root = _Node()
    _add(root, block.columns)
    for child in block.children:
        for source in child.sources:
            element = root.at(f"{source.path}[]")
            _add(element, child.columns)
            if child.amount is not None and "[]" in source.path:
                _amount(root, source.path, child.amount)
    for one in block.picked:
        element = root.at(f"{one.list_path}[]")
        element.at(one.name_path).kind = Kind.TEXT
        element.at(one.value_path).kind = Kind.TEXT
    return root.type()


def _add(node: _Node, columns: Iterable[Column]) -> None:
    for column in columns:
        for path in column.paths:
            node.at(path).kind = column.kind


def _amount(root: _Node, path: str, amount: str) -> None:
    root.at(f"{path[: path.rindex('[]')]}[].{amount}").kind = Kind.MONEY
