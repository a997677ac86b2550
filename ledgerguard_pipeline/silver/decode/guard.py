"""Which payloads the Arrow parser must not see: it would misread a number without a word.

Arrow makes decimals of a number's own digits, so what it accepts is exact, with two exceptions.
A number with more digits before the point than the type holds wraps around, and a number in
quotes is read where a text stands by mistake. Such payloads are found by their looks and taken
apart one by one; a false alarm only costs time. Decision 63 in docs/decisions.md.
"""

from __future__ import annotations

from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from ledgerguard_pipeline.silver.specs import Block, Column

_LARGE = r"[:\[,]\s*-?[0-9]{20}|[:\[,]\s*-?[0-9]+(?:\.[0-9]+)?[eE]"
"""Twenty digits in a row, or an exponent, in a number."""


def suspects(payloads: pa.Array, block: Block) -> pa.Array:
    """True for payloads that are to be taken apart one by one."""
    return pc.match_substring_regex(payloads, _pattern(block))


@cache
def _pattern(block: Block) -> str:
    names = sorted({path.rpartition(".")[2] for path in _exact_paths(block)})
    quoted = rf'"(?:{"|".join(names)})"\s*:\s*"'
    return f"{_LARGE}|{quoted}" if names else _LARGE


def _exact_paths(block: Block) -> list[str]:
    columns: list[Column] = [*block.columns]
    for child in block.children:
        columns += child.columns
    return [path for column in columns if column.kind.exact for path in column.paths]
