"""Which fields an entity type's payloads have: first sights are noted, never refused.

Cheap by design: up to a thousand new payloads of a load, evenly spread, contribute their
top-level names, a smaller sample its nested paths (``Line[].SalesItemLineDetail.ItemRef.value``)
and the kinds of all values. Reading every payload of a large load again would cost a twentieth
of its time; what a sample misses, a later load shows.
A payload that cannot be read here is passed over; it is stored all the same.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
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

_KINDS = {
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    dict: "object",
    list: "array",
}
_NESTED = (dict, list)

_shallow = msgspec.json.Decoder(dict[str, msgspec.Raw])
_deep = msgspec.json.Decoder()


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
    root = _Path("")
    for payload in _spread(payloads, SAMPLE):
        try:
            root.look(_document(payload), 0, found)
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


def _document(payload: bytes) -> object:
    try:
        return _deep.decode(payload)
    except msgspec.DecodeError:  # a number beyond all measure, half a character: Python takes more
        return json.loads(payload)


class _Path:
    """A path that payloads have, the kinds of values seen there, and the paths inside it.

    Payloads of one type are alike: a path is put together once, however many have it.
    """

    __slots__ = ("inside", "items", "path", "types")

    def __init__(self, path: str) -> None:
        self.path = path
        self.types: set[type] = set()
        self.inside: dict[str, _Path | None] = {}
        self.items: _Path | None = None

    def member(self, name: str) -> _Path | None:
        """The path of a member; None for a name that is too strange to be noted."""
        if len(name) > _LONGEST_NAME or not name.isprintable():
            return None
        return _Path(f"{self.path}.{name}" if self.path else name)

    def look(self, value: object, depth: int, found: dict[Field, None]) -> None:
        """Add what this value and those inside it show for the first time."""
        kind = type(value)
        if kind not in self.types:
            self.types.add(kind)
            if self.path and kind in _KINDS:
                found[self.path, _KINDS[kind]] = None
        if depth >= _DEEPEST:
            return
        if isinstance(value, dict):
            for name, inner in value.items():
                if name in self.inside:
                    inside = self.inside[name]
                else:
                    inside = self.inside[name] = self.member(name)
                if inside is not None and (
                    type(inner) in _NESTED or type(inner) not in inside.types
                ):
                    inside.look(inner, depth + 1, found)
        elif isinstance(value, list) and value:
            inside = self.items = self.items or _Path(f"{self.path}[]")
            for inner in value:
                inside.look(inner, depth + 1, found)


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
