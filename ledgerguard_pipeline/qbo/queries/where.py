"""A WHERE clause typed by a person, taken apart so that it can be rebuilt safely.

Intuit's grammar knows only ``property operator value`` joined by AND; whatever else a text
holds (OR, comments, further clauses) is refused here, before any call.
"""

from __future__ import annotations

import re
from typing import cast

from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.qbo.queries.statement import Condition, Operator, Scalar

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<string>'(?:[^'\\]|\\.)*')
      | (?P<number>[+-]?\d+(?:\.\d+)?)
      | (?P<operator><=|>=|=|<|>)
      | (?P<punctuation>[(),])
      | (?P<word>[A-Za-z][A-Za-z0-9.]*)
    )""",
    re.VERBOSE | re.ASCII,
)
_BARE_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+", re.ASCII)


def parse_where(clause: object) -> tuple[Condition, ...]:
    """The conditions of a clause such as ``TotalAmt > '100' AND Active = true``.

    Raises:
        BadInputError: it is not of that form, or names a time without an offset.
    """
    if not isinstance(clause, str):
        raise BadInputError(
            f"A WHERE clause is text such as \"TotalAmt > '100'\", not {type(clause).__name__}."
        )
    text = clause.strip()
    if text[:6].casefold() == "where ":
        text = text[6:]
    if not text:
        return ()
    return _Reader(text).conditions()


class _Reader:
    """A cursor over the tokens of one clause."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str]] = []
        position = 0
        stripped = text.rstrip()
        while position < len(stripped):
            match = _TOKEN.match(stripped, position)
            if match is None or match.lastgroup is None:
                raise self._refused(f"at {stripped[position : position + 20]!r}")
            self._tokens.append((match.lastgroup, match.group(match.lastgroup)))
            position = match.end()
        self._at = 0

    def conditions(self) -> tuple[Condition, ...]:
        """Read everything there is."""
        found = [self._condition()]
        while self._at < len(self._tokens):
            kind, text = self._next()
            if kind != "word" or text.casefold() != "and":
                raise self._refused(f"at {text!r}: conditions are joined by AND only")
            found.append(self._condition())
        return tuple(found)

    def _condition(self) -> Condition:
        kind, name = self._next()
        if kind != "word":
            raise self._refused(f"at {name!r}: a property name was expected")
        kind, text = self._next()
        operator = text.upper()
        if kind == "word" and operator == "IN":
            return Condition(name, "IN", self._list(name))
        if kind == "operator" or operator == "LIKE":
            return Condition(name, cast("Operator", operator), self._scalar(name))
        raise self._refused(f"at {text!r}: an operator was expected")

    def _list(self, name: str) -> tuple[Scalar, ...]:
        if self._next() != ("punctuation", "("):
            raise self._refused("IN needs a list in parentheses")
        values = [self._scalar(name)]
        while True:
            token = self._next()
            if token == ("punctuation", ")"):
                return tuple(values)
            if token != ("punctuation", ","):
                raise self._refused(f"at {token[1]!r}: a comma or ) was expected")
            values.append(self._scalar(name))

    def _scalar(self, name: str) -> Scalar:
        kind, text = self._next()
        if kind == "string":
            value = re.sub(r"\\(.)", r"\1", text[1:-1])
            if name.casefold().startswith("metadata.") and _BARE_TIME.fullmatch(value):
                raise self._refused(f"{value} has no UTC offset; add one, such as Z")
            return value
        if kind == "number":
            return text
        if kind == "word" and text.casefold() in ("true", "false"):
            return text.casefold() == "true"
        raise self._refused(f"at {text!r}: a quoted value was expected")

    def _next(self) -> tuple[str, str]:
        if self._at >= len(self._tokens):
            raise self._refused("it ends too early")
        self._at += 1
        return self._tokens[self._at - 1]

    def _refused(self, why: str) -> BadInputError:
        return BadInputError(
            f"The WHERE clause {self._text[:200]!r} is not usable ({why}). Write conditions such "
            "as TotalAmt > '100' AND TxnDate >= '2026-01-01'."
        )
