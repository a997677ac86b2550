"""One chunk of payloads to rows: at once where that is exact, one by one where it is not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from ledgerguard_pipeline.silver.decode.guard import suspects
from ledgerguard_pipeline.silver.decode.in_columns import decode_in_columns
from ledgerguard_pipeline.silver.decode.names_in_use import NamesInUse
from ledgerguard_pipeline.silver.decode.one_by_one import decode_one_by_one
from ledgerguard_pipeline.silver.decode.rows import ROW, Decoded
from ledgerguard_pipeline.silver.layout import EntityTables

_TOO_FEW = 16
"""So few payloads are taken apart one by one rather than halved again."""
_BLOCK = 4 << 20
_BREAKS = r"[\r\n]"


def decode(tables: EntityTables, payloads: pa.Array, names: NamesInUse | None = None) -> Decoded:
    """Rows of every payload; a NULL (Intuit sent no object) gives a row without values.

    ``names`` carries from one chunk to the next which members payloads have.
    """
    into = Decoded()
    positions = pa.array(range(len(payloads)), pa.int32())
    slow: list[int] = []
    if tables.block.wrapped or len(payloads) < _TOO_FEW:
        slow += positions.to_pylist()
    else:
        fine = pc.fill_null(pc.invert(suspects(payloads, tables.block)), fill_value=False)
        slow += positions.filter(pc.invert(fine)).to_pylist()
        known = names or NamesInUse(tables.block)
        _Parser(tables, into, slow, known).parse(positions.filter(fine), payloads.filter(fine))
    picked = payloads.take(pa.array(sorted(slow), pa.int32())).to_pylist()
    decode_one_by_one(tables, list(zip(sorted(slow), picked, strict=True)), into)
    return into


class _Parser:
    def __init__(
        self, tables: EntityTables, into: Decoded, slow: list[int], names: NamesInUse
    ) -> None:
        self._tables = tables
        self._into = into
        self._slow = slow
        self._names = names

    def parse(self, positions: pa.Array, payloads: pa.Array) -> None:
        """Parse them together; halving finds those that prevent it."""
        if len(positions) < _TOO_FEW:
            self._slow += positions.to_pylist()
            return
        try:
            found = self._table(positions, payloads)
        except pa.ArrowInvalid:
            half = len(positions) // 2
            self.parse(positions[:half], payloads[:half])
            self.parse(positions[half:], payloads[half:])
            return
        for batch in found.to_batches():
            unread = decode_in_columns(self._tables, batch, self._into)
            if unread.any():
                self._slow += batch.column(0).filter(pa.array(unread)).to_pylist()

    def _table(self, positions: pa.Array, payloads: pa.Array) -> pa.Table:
        text = _lines(positions, payloads)
        schema = pa.schema([(ROW, pa.int32()), ("p", self._names.type_for(payloads))])
        longest = pc.max(pc.binary_length(payloads)).as_py()
        found = pj.read_json(
            pa.BufferReader(text),
            read_options=pj.ReadOptions(block_size=max(_BLOCK, longest + 64)),
            parse_options=pj.ParseOptions(
                explicit_schema=schema, unexpected_field_behavior="ignore"
            ),
        )
        if not found.column(ROW).combine_chunks().equals(positions):
            raise pa.ArrowInvalid("a payload is no single object")
        return found


def _lines(positions: pa.Array, payloads: pa.Array) -> pa.Buffer:
    """One line per payload. Inside JSON a line break is only ever white space."""
    if _has_breaks(payloads):
        payloads = pc.replace_substring_regex(payloads, _BREAKS, " ")
    # The wrapper makes whatever is no single value a parse error, and proves the order of rows.
    joined = pc.binary_join_element_wise(
        '{"row":', pc.cast(positions, pa.string()), ',"p":', payloads, "}\n", ""
    )
    _, offsets, data = joined.buffers()
    return pa.py_buffer(b"") if data is None or offsets is None else data


def _has_breaks(payloads: pa.Array) -> bool:
    """Whether a line break may be in any of them; ten times as fast as asking one by one."""
    _, _, data = payloads.buffers()
    if data is None:
        return False
    characters = np.frombuffer(data, np.uint8)
    return any(bool((characters == ord(each)).any()) for each in "\r\n")
