"""Reading only the members that a company's payloads have: most of Intuit's are never filled.

The parser's work grows with the members it looks for, whether or not a payload has them. A
member is left out only if its name, or that of an object or list around it, stands in none of
the payloads; so what is read is the same.
"""

from __future__ import annotations

import re
from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from ledgerguard_pipeline.silver.decode.shape import parsed_type
from ledgerguard_pipeline.silver.specs import Block

_TOO_FEW = 512
"""With so few payloads it is quicker to look for everything."""
_LOOKED_AT = 64
"""Payloads whose names are read one by one at a time."""
_LOOKS = 6
_ESCAPED = r"\\u00(?:3[0-9]|[4-7])"
"""A letter or digit written as an escape, which a name might be spelt with."""


class NamesInUse:
    """The members that payloads of one type were seen to have; grows from chunk to chunk."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self._all = _names(parsed_type(block))
        self._seen: frozenset[str] = frozenset()

    def type_for(self, payloads: pa.Array) -> pa.StructType:
        """The struct that these payloads are to be parsed into."""
        if len(payloads) < _TOO_FEW:
            return parsed_type(self._block)
        if not self._seen:
            self._look(payloads)
        for _ in range(_LOOKS):
            strange = pc.match_substring_regex(payloads, _pattern(self._all - self._seen))
            if not pc.any(strange).as_py():
                return _narrowed(self._block, self._seen)
            before = self._seen
            self._look(payloads.filter(strange))
            if self._seen == before:  # an escape, or a name among the values
                break
        return parsed_type(self._block)

    def _look(self, payloads: pa.Array) -> None:
        text = "".join(payloads[:_LOOKED_AT].to_pylist())
        found = {name for name in self._all - self._seen if f'"{name}"' in text}
        self._seen |= found


@cache
def _pattern(names: frozenset[str]) -> str:
    if not names:
        return _ESCAPED
    return rf'"(?:{"|".join(map(re.escape, sorted(names)))})"|{_ESCAPED}'


def _names(kind: pa.DataType) -> frozenset[str]:
    if pa.types.is_struct(kind):
        inner = [_names(member.type) | {member.name} for member in kind]
        return frozenset().union(*inner)
    return _names(kind.value_type) if pa.types.is_list(kind) else frozenset()


@cache
def _narrowed(block: Block, names: frozenset[str]) -> pa.StructType:
    return _only(parsed_type(block), names)


def _only(kind: pa.DataType, names: frozenset[str]) -> pa.DataType:
    if pa.types.is_struct(kind):
        return pa.struct(
            [(each.name, _only(each.type, names)) for each in kind if each.name in names]
        )
    return pa.list_(_only(kind.value_type, names)) if pa.types.is_list(kind) else kind
