"""Dates and times of a whole column at once, and which of its values are none."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from ledgerguard_pipeline.silver.decode.shape import STORED_AS
from ledgerguard_pipeline.silver.specs import Kind


def stored(values: pa.Array, kind: Kind) -> tuple[pa.Array, pa.Array | None]:
    """The values as they are stored, and a mask of those that cannot be (None: no such value)."""
    target = STORED_AS[kind]
    if values.type == target:
        return values, None
    try:
        found = pc.cast(values, target)
    except pa.ArrowInvalid:
        pass
    else:
        if _within(found):
            return found, None
    texts = pc.unique(values)
    good = pa.array([each for each in texts.to_pylist() if _casts(each, target)], values.type)
    fits = pc.is_in(values, value_set=good)
    kept = pc.if_else(fits, values, pa.scalar(None, values.type))
    return pc.cast(kept, target), pc.and_(pc.is_valid(values), pc.invert(fits))


def _casts(text: str | None, target: pa.DataType) -> bool:
    if text is None:
        return False
    try:
        found = pa.scalar(text).cast(target)
    except pa.ArrowInvalid:
        return False
    return _within(pa.array([found], target))


def _within(found: pa.Array) -> bool:
    """Whether all of them are in the years 1 to 9999: Arrow reads others, and few tools show them."""
    bounds = pc.min_max(found)
    first, last = (pa.scalar(day).cast(found.type) for day in (date.min, date.max))
    if not bounds["min"].is_valid:  # there are none
        return True
    return bool(
        pc.and_(pc.greater_equal(bounds["min"], first), pc.less_equal(bounds["max"], last)).as_py()
    )
