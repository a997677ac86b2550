"""Which fields an entity type's payloads have: first sights are noted, never refused.

Cheap by design: up to a thousand new payloads of a load, evenly spread, contribute their
top-level names, a smaller sample its nested paths (``Line[].SalesItemLineDetail.ItemRef.value``)
and the kinds of all values. Reading every payload of a large load again would cost a twentieth
of its time; what a sample misses, a later load shows.
A payload that cannot be read here is passed over; it is stored all the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

import msgspec

NAMED = 1_000
"""Payloads per load whose top-level names are looked at; smaller loads are looked at whole."""
SAMPLE = 20
"""Payloads per load whose nested fields are looked at."""
MOST_PATHS = 3_000
"""Paths noted per entity type; a bound for names that are really data."""
_DEEPEST = 12
_LONGEST_NAME = 120

Field = tuple[str, str]
"""A path and the kind of its value: string, number, boolean, object or array."""

_shallow = msgspec.json.Decoder(dict[str, msgspec.Raw])


def new_fields(payloads: Sequence[bytes], known: AbstractSet[Field]) -> list[Field]:
    """Fields of these payloads that are not in ``known``, in order of appearance."""
    found: dict[Field, None] = {}
    names = {path for path, _ in known if "." not in path and "[" not in path}
    for payload in _spread(payloads, NAMED):
        try:
            fields = _shallow.decode(payload)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            continue
        if fields.keys() <= names:
            continue
        for name in fields.keys() - names:
            kind = _kind_of_text(bytes(fields[name])[:1])
            if kind is not None and len(name) <= _LONGEST_NAME:
                names.add(name)
                found[(name, kind)] = None
    for payload in _spread(payloads, SAMPLE):
        try:
            document = json.loads(payload)
            for field in _walk(document, "", 0):
                found[field] = None
        except (ValueError, RecursionError):
            continue
    room = max(0, MOST_PATHS - len(known))
    return [field for field in found if field not in known][:room]


def describe(fields: Sequence[Field], known: AbstractSet[Field]) -> tuple[str, ...]:
    """Readable names: a path, or ``path:kind`` where a known path shows a new kind of value."""
    paths = {path for path, _ in known}
    return tuple(f"{path}:{kind}" if path in paths else path for path, kind in fields)


def _spread(payloads: Sequence[bytes], most: int) -> Sequence[bytes]:
    return payloads[:: max(1, -(-len(payloads) // most))]


def _walk(value: object, path: str, depth: int) -> Iterator[Field]:
    if path:
        kind = _kind(value)
        if kind is not None:
            yield path, kind
    if depth >= _DEEPEST:
        return
    if isinstance(value, dict):
        for name, inner in value.items():
            if len(name) <= _LONGEST_NAME and name.isprintable():
                yield from _walk(inner, f"{path}.{name}" if path else name, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner, f"{path}[]", depth + 1)


def _kind(value: object) -> str | None:
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case dict():
            return "object"
        case list():
            return "array"
        case _:
            return None


def _kind_of_text(first: bytes) -> str | None:
    match first:
        case b'"':
            return "string"
        case b"{":
            return "object"
        case b"[":
            return "array"
        case b"t" | b"f":
            return "boolean"
        case b"n":
            return None
        case _:
            return "number"
