"""Taking a JSON container apart without judging what is in it.

msgspec refuses a whole page for one bad value (``NaN``, a lone surrogate, a broken escape).
This slower scan only follows strings and brackets, so every row can be judged by itself. It
runs only where the fast path gave up.
"""

from __future__ import annotations

import re

import msgspec

_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|["{}\[\],]', re.DOTALL)
_KEY = re.compile(rb'\s*("[^"\\]*(?:\\.[^"\\]*)*")\s*:', re.DOTALL)
_SPACE = b" \t\r\n"
_PAIRS = {b"}": b"{", b"]": b"["}


def split(container: bytes) -> list[bytes]:  # noqa: C901  # one state machine, read as a whole
    """The elements of an array or the members of an object, each as its own bytes.

    Raises:
        ValueError: the container is not closed where its text ends (cut off, or no container).
    """
    text = container.strip(_SPACE)
    if text[:1] not in (b"{", b"["):
        raise ValueError("it is neither an object nor an array")
    stack: list[bytes] = []
    parts: list[bytes] = []
    begin = 1
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token == b'"':
            raise ValueError("a string never ends")
        if token in (b"{", b"["):
            stack.append(token)
        elif token in (b"}", b"]"):
            if not stack or stack.pop() != _PAIRS[token]:
                raise ValueError("brackets do not match")
            if not stack:
                if match.end() != len(text):
                    raise ValueError("something follows the end")
                parts.append(text[begin : match.start()].strip(_SPACE))
        elif token == b"," and len(stack) == 1:
            parts.append(text[begin : match.start()].strip(_SPACE))
            begin = match.end()
    if stack:
        raise ValueError("it is cut off")
    return [] if parts == [b""] else parts


def members(container: bytes) -> dict[str, bytes]:
    """The members of an object by key; of equal keys the last counts.

    Raises:
        ValueError: it is no closed object.
    """
    if container.strip(_SPACE)[:1] != b"{":
        raise ValueError("it is no object")
    found: dict[str, bytes] = {}
    for part in split(container):
        key = _KEY.match(part)
        if key is None:
            raise ValueError("a member has no key")
        found[_name(key.group(1))] = part[key.end() :].strip(_SPACE)
    return found


def _name(quoted: bytes) -> str:
    try:
        return msgspec.json.decode(quoted, type=str)
    except msgspec.MsgspecError:
        return quoted[1:-1].decode("utf-8", "replace")  # never the name of a field looked for
