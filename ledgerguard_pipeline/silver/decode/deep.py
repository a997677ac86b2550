"""JSON that is nested too deeply for a parser: read down to where it is, the rest stays text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ledgerguard_pipeline import exact

_LEVELS = 12
"""So deep do values stand that are in any table, and a few more."""
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[][{},:]', re.DOTALL)


class Unread(str):
    """A value nobody took apart, as it was sent; no column can hold it."""

    __slots__ = ()


def value(payload: str, levels: int = _LEVELS) -> object:
    """A JSON value in which whatever is nested too deeply is ``Unread``.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        return exact.value(payload)
    except RecursionError:
        pass
    text = payload.strip()
    if not levels or text[:1] not in ("{", "["):
        return Unread(text)
    parts = list(_parts(text))
    if text[0] == "[":
        return [value(part, levels - 1) for _, part in parts]
    return {str(exact.value(name)): value(part, levels - 1) for name, part in parts}


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """Names (empty in lists) and values of what stands directly inside a list or an object.

    Raises:
        ValueError: it has no end, or something stands behind it.
    """
    depth, begin, name = 0, 1, ""
    for token in _TOKEN.finditer(text):
        match token[0]:
            case "{" | "[":
                depth += 1
            case "}" | "]":
                depth -= 1
                if not depth:
                    if text[begin : token.start()].strip():
                        yield name, text[begin : token.start()]
                    if token.end() == len(text):
                        return
                    break
            case ":" if depth == 1:
                name, begin = text[begin : token.start()], token.end()
            case "," if depth == 1:
                yield name, text[begin : token.start()]
                name, begin = "", token.end()
    raise ValueError("it is not closed where it ends")
