"""Intuit's query language: text in, ``Statement`` out, or the refusal Intuit would send.

Deliberately strict: what Intuit's documentation does not offer is refused, so that a client
cannot come to rely on it (``!=``, ``NOT``, ``OR``, a missing ``*``, unquoted numbers).
Intuit: "Data queries" page of the Accounting API.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from ledgerguard_pipeline.sandbox.answers.refusals import Refusal

Given = str | bool | None
"""A value as written: a quoted literal's text, a truth value, or None for CURRENT_DATE."""


class Operator(StrEnum):
    """What a condition may compare with."""

    EQ = "="
    LT = "<"
    GT = ">"
    LE = "<="
    GE = ">="
    IN = "IN"
    LIKE = "LIKE"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of the WHERE clause; ``values`` has one member except for IN."""

    prop: str
    operator: Operator
    values: tuple[Given, ...]


@dataclass(frozen=True, slots=True)
class SortKey:
    """One key of the ORDERBY clause."""

    prop: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Statement:
    """A parsed statement; names are as typed. ``fields`` empty means ``*``."""

    entity: str
    count: bool = False
    fields: tuple[str, ...] = ()
    where: tuple[Condition, ...] = ()
    order: tuple[SortKey, ...] = ()
    start: int = 1
    limit: int = 100


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    image: str
    offset: int


_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<STRING>'(?:[^'\\]|\\.)*')
      | (?P<NUMBER>-?\d+(?:\.\d+)?(?![A-Za-z_]))
      | (?P<IDENTIFIER>[A-Za-z_][A-Za-z0-9_]*(?:\.(?:[A-Za-z_][A-Za-z0-9_]*|\*))*)
      | (?P<OPERATOR><=|>=|=|<|>)
      | (?P<PUNCTUATION>[*(),])""",
    re.VERBOSE | re.DOTALL,
)
_KEYWORDS = frozenset(
    {
        "select",
        "from",
        "where",
        "and",
        "or",
        "in",
        "like",
        "not",
        "order",
        "by",
        "orderby",
        "asc",
        "desc",
        "startposition",
        "maxresults",
        "count",
        "true",
        "false",
        "current_date",
        "iterator",
    }
)
_NAMED = frozenset({"and", "or", "not", "in", "like", "count"})
_PAGE_ROWS = 100
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def parse(text: str) -> Statement:
    """Parse one statement.

    Raises:
        Refusal: 4000 where the text is no statement, 4001 for a MAXRESULTS below 1.
    """
    return _Parser(text).statement()


def _position(text: str, offset: int) -> str:
    line = text.count("\n", 0, offset) + 1
    column = offset - (text.rfind("\n", 0, offset) + 1) + 1
    return f"line {line}, column {column}"


def _unparsable(detail: str) -> Refusal:
    return Refusal("4000", "Error parsing query", f"QueryParserError: {detail}")


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _lexical(text, at)
        kind = match.lastgroup or ""
        if kind != "space":
            image = match.group()
            word = image.lower()
            found.append(_Token(word if word in _KEYWORDS else kind, image, at))
        at = match.end()
    found.append(_Token("EOF", "", len(text)))
    return found


def _lexical(text: str, at: int) -> Refusal:
    if text[at] == "'":  # the literal never ends
        return _unparsable(
            f"Invalid content. Lexical error at {_position(text, len(text))}.  "
            f'Encountered: <EOF> after : "{text[at:]}"'
        )
    return _unparsable(
        f"Invalid content. Lexical error at {_position(text, at)}.  "
        f'Encountered: "{text[at]}" ({ord(text[at])}), after : ""'
    )


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._at = 0

    def statement(self) -> Statement:
        self._take("select")
        count, fields = self._projection()
        self._take("from")
        entity = self._take("IDENTIFIER").image
        where = self._where() if self._accept("where") else ()
        order = self._order()
        start = max(self._whole("startposition", 1), 1)
        limit = self._whole("maxresults", _PAGE_ROWS)
        self._take("EOF")
        if limit < 1:
            raise Refusal(
                "4001",
                "Invalid query",
                f"QueryValidationError: value {limit} is too small. Min allowed value is 1",
            )
        return Statement(entity, count, fields, where, order, start, limit)

    def _projection(self) -> tuple[bool, tuple[str, ...]]:
        if self._accept("*"):
            return False, ()
        if self._accept("count"):
            self._take("(")
            self._take("*")
            self._take(")")
            return True, ()
        fields = [self._take("IDENTIFIER").image]
        while self._accept(","):
            fields.append(self._take("IDENTIFIER").image)
        return False, tuple(fields)

    def _where(self) -> tuple[Condition, ...]:
        conditions = [self._condition()]
        while self._accept("and"):
            conditions.append(self._condition())
        return tuple(conditions)

    def _condition(self) -> Condition:
        prop = self._take("IDENTIFIER").image
        if self._accept("in"):
            self._take("(")
            values = [self._value()]
            while self._accept(","):
                values.append(self._value())
            self._take(")")
            return Condition(prop, Operator.IN, tuple(values))
        if self._accept("like"):
            return Condition(prop, Operator.LIKE, (_literal(self._take("STRING").image),))
        operator = Operator(self._take("OPERATOR").image)
        return Condition(prop, operator, (self._value(),))

    def _value(self) -> Given:
        if self._accept("true"):
            return True
        if self._accept("false"):
            return False
        if self._accept("current_date"):
            return None
        return _literal(self._take("STRING").image)

    def _order(self) -> tuple[SortKey, ...]:
        if self._accept("order"):
            self._take("by")
        elif not self._accept("orderby"):
            return ()
        keys = [self._sort_key()]
        while self._accept(","):
            keys.append(self._sort_key())
        return tuple(keys)

    def _sort_key(self) -> SortKey:
        prop = self._take("IDENTIFIER").image
        if self._accept("desc"):
            return SortKey(prop, descending=True)
        self._accept("asc")
        return SortKey(prop)

    def _whole(self, keyword: str, default: int) -> int:
        if not self._accept(keyword):
            return default
        token = self._tokens[self._at]
        if token.kind != "NUMBER" or not token.image.isdigit():
            raise self._unexpected(token, ("NUMBER",))
        self._at += 1
        return int(token.image)

    def _accept(self, kind: str) -> bool:
        token = self._tokens[self._at]
        if token.kind == kind or (token.kind == "PUNCTUATION" and token.image == kind):
            self._at += 1
            return True
        return False

    def _take(self, kind: str) -> _Token:
        token = self._tokens[self._at]
        if not self._accept(kind):
            raise self._unexpected(token, (kind,))
        return token

    def _unexpected(self, token: _Token, expected: tuple[str, ...]) -> Refusal:
        """The text Intuit's generated parser writes; names it with the place, counted from 1."""
        wanted = "\n".join(f"    {_shown(kind)} ..." for kind in expected)
        return _unparsable(
            f"Encountered {_encountered(token)} at {_position(self._text, token.offset)}.\n"
            f"Was expecting one of:\n{wanted}\n    "
        )


def _literal(image: str) -> str:
    return _ESCAPED.sub(r"\1", image[1:-1])


def _shown(kind: str) -> str:
    if kind in _NAMED or kind.isupper():
        return f"<{kind.upper()}>"
    return f'"{kind}"'


def _encountered(token: _Token) -> str:
    if token.kind == "EOF":
        return '"<EOF>"'
    if token.kind in ("PUNCTUATION", "OPERATOR") or (
        token.kind in _KEYWORDS and token.kind not in _NAMED
    ):
        return f'" "{token.image}" "{token.image} ""'
    return f'" <{token.kind.upper()}> "{token.image} ""'
