"""Answers as XML, which is what a client gets that does not ask for JSON."""

from __future__ import annotations

import json
from xml.sax.saxutils import escape, quoteattr

from ledgerguard_pipeline.sandbox.answers.replies import NAMESPACE

_ATTRIBUTES = frozenset(
    {
        "domain",
        "sparse",
        "status",
        "time",
        "bId",
        "type",
        "code",
        "element",
        "startPosition",
        "maxResults",
        "totalCount",
    }
)
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'


def translate(body: bytes) -> bytes:
    """The XML form of a JSON answer of the accounting layer; number texts stay as they are."""
    answer = json.loads(body, parse_float=str, parse_int=str)
    root = {key: value for key, value in answer.items() if key != "time"}
    head = f"<IntuitResponse time={quoteattr(answer['time'])} xmlns={quoteattr(NAMESPACE)}>"
    return f"{_HEAD}{head}{_members(root)}</IntuitResponse>".encode()


def _members(members: dict[str, object]) -> str:
    return "".join(_element(name, value) for name, value in members.items())


def _element(name: str, value: object) -> str:
    if isinstance(value, list):
        return "".join(_element(name, item) for item in value)
    if not isinstance(value, dict):
        return f"<{name}>{_text(value)}</{name}>"
    if value.keys() <= {"value", "name"} and "value" in value:
        label = f" name={quoteattr(str(value['name']))}" if "name" in value else ""
        return f"<{name}{label}>{_text(value['value'])}</{name}>"
    flat = {
        key: item
        for key, item in value.items()
        if key in _ATTRIBUTES and not isinstance(item, dict | list)
    }
    attributes = "".join(f" {key}={quoteattr(_plain(item))}" for key, item in flat.items())
    inner = _members({key: item for key, item in value.items() if key not in flat})
    return f"<{name}{attributes}>{inner}</{name}>"


def _text(value: object) -> str:
    return escape(_plain(value))


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
