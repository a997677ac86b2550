"""JSON in which numbers stay the texts they are: ``100.10``, ``1E+2`` and ``-0.0`` survive.

The sandbox's bytes are the ground truth, so nothing may pass through a float.
"""

from __future__ import annotations

import json
from decimal import Decimal
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any

Doc = dict[str, Any]
"""One JSON object of an entity; its shape is Intuit's, so its values are open."""


class Num(str):
    """The literal text of a JSON number."""

    __slots__ = ()


ZERO = Num("0")


def money(cents: int) -> Num:
    """Whole cents as a two-digit text: 10010 gives ``100.10``."""
    sign, cents = ("-", -cents) if cents < 0 else ("", cents)
    return Num(f"{sign}{cents // 100}.{cents % 100:02d}")


def number(value: Decimal) -> Num:
    """An exact decimal without an exponent."""
    return Num(format(value, "f"))


def quote(text: str) -> str:
    """A JSON string literal, non-ASCII characters as they are."""
    return encode_basestring(text)


def _write(value: object, literal: Any) -> str:
    if isinstance(value, Num):
        return str(value)
    if isinstance(value, str):
        return str(literal(value))
    if isinstance(value, dict):
        pairs = [f"{literal(key)}:{_write(item, literal)}" for key, item in value.items()]
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join([_write(item, literal) for item in value]) + "]"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if value is None:
        return "null"
    if isinstance(value, int):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no exact JSON value")


def dump(doc: Doc, *, ascii_only: bool = False) -> bytes:
    """The document's bytes, compact, UTF-8 (or all ASCII with escapes, as some rows come)."""
    literal = encode_basestring_ascii if ascii_only else encode_basestring
    return _write(doc, literal).encode()


def load(body: bytes) -> Doc:
    """Read a body; every number comes back as its text (``Num``)."""
    doc: Doc = json.loads(body, parse_int=Num, parse_float=Num)
    return doc
