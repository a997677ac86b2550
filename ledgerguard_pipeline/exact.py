"""JSON with exact numbers: each becomes a Decimal made from its text, never a float on the way.

Of a key that an object holds twice the last value counts, as everywhere in this package.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Context, Decimal
from functools import lru_cache

import msgspec

_MOST_DIGITS = 400
"""A number longer than this stays as it was written; writing it out would only cost memory."""

_ENOUGH = Context(prec=76)

_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def number(text: str) -> Decimal:
    """The value of a JSON number, without a positive exponent: ``1E+2`` is ``100``.

    Some readers of decimals (DuckDB 1.5.5 among them) take ``Decimal("1E+2")`` for 1.00.
    """
    value = Decimal(text)
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent > 0 and value.adjusted() < _MOST_DIGITS:
        sign, digits, _ = value.as_tuple()
        return Decimal((sign, digits + (0,) * exponent, 0))
    return value


def plain(value: Decimal) -> Decimal:
    """Without zeros behind, and never with an exponent above zero."""
    short = value.normalize(_ENOUGH)
    exponent = short.as_tuple().exponent
    return (
        short.quantize(Decimal(1), context=_ENOUGH)
        if isinstance(exponent, int) and exponent > 0
        else short
    )


_decoder = json.JSONDecoder(parse_float=number, parse_int=number, parse_constant=Decimal)


def value(text: str | bytes | memoryview) -> object:
    """Any JSON value; a new object at each call, so the caller may change it.

    Raises:
        ValueError: it is no JSON.
        RecursionError: it is nested too deeply to be taken apart.
    """
    found: object = _decoder.decode(text if isinstance(text, str) else bytes(text).decode())
    return found


# Whoever reads one field of a record mostly reads another one next.
@lru_cache(maxsize=64)
def members(payload: bytes) -> Mapping[str, msgspec.Raw]:
    """The members of a JSON object by key, each still as it was written; not to be changed.

    Raises:
        ValueError: it is no JSON object.
    """
    try:
        return _MEMBERS.decode(payload)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(f"it is no JSON object ({error})") from None
