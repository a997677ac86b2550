"""What one condition of a WHERE clause admits."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from math import ceil, floor

from ledgerguard_pipeline.sandbox.answers.refusals import Refusal, invalid_query
from ledgerguard_pipeline.sandbox.books.entity_table import Row
from ledgerguard_pipeline.sandbox.books.pacific_time import write_time
from ledgerguard_pipeline.sandbox.query.columns import Value, number
from ledgerguard_pipeline.sandbox.query.grammar import Condition, Given, Operator
from ledgerguard_pipeline.sandbox.query.literals import read_literal
from ledgerguard_pipeline.sandbox.query.properties import PropertyKind

Test = Callable[[Row], bool]


def wanted_ids(condition: Condition) -> frozenset[str]:
    """The ids a condition on Id names; Id knows no other operators than ``=`` and ``IN``."""
    if condition.operator not in (Operator.EQ, Operator.IN):
        raise invalid_query(f"Operator {condition.operator} is not supported for property Id")
    return frozenset(str(value) for value in condition.values)


def interval(prop: str, condition: Condition, now: float) -> tuple[int, int]:
    """The whole seconds a condition on a time admits, as a half-open interval."""
    if condition.operator in (Operator.IN, Operator.LIKE):
        raise invalid_query(f"Operator {condition.operator} is not supported for property {prop}")
    at = _moment(prop, condition.values[0], now)
    lowest, highest = -(1 << 62), 1 << 62
    match condition.operator:
        case Operator.GE:
            return ceil(at), highest
        case Operator.GT:
            return floor(at) + 1, highest
        case Operator.LE:
            return lowest, floor(at) + 1
        case Operator.LT:
            return lowest, ceil(at)
        case _:
            return (int(at), int(at) + 1) if at == int(at) else (0, 0)


def test_of(
    prop: str, kind: PropertyKind, condition: Condition, read: Callable[[Row], Value], now: float
) -> Test:
    """A predicate for any other property; texts compare without regard to case."""
    operator = condition.operator
    if operator is Operator.LIKE:
        pattern = _like(str(condition.values[0]))
        return lambda row: pattern.fullmatch(_text(read(row))) is not None
    wanted = [_operand(prop, kind, value, now) for value in condition.values]
    if operator in (Operator.EQ, Operator.IN):
        return lambda row: folded(read(row)) in wanted
    (bound,) = wanted
    return lambda row: _compares(operator, folded(read(row)), bound)


def folded(value: Value) -> Value:
    """The value as comparisons see it: lower case, and an empty text is no value."""
    if isinstance(value, str):
        return value.lower() or None
    return value


def _moment(prop: str, value: Given, now: float) -> float:
    text = write_time(int(now))[:10] if value is None else str(value)
    try:
        return read_literal(text)
    except ValueError:
        raise _unreadable(prop, text) from None


def _unreadable(prop: str, value: object) -> Refusal:
    return invalid_query(f"value {value} is not valid for property {prop}")


def _operand(prop: str, kind: PropertyKind, value: Given, now: float) -> Value:
    if value is None:
        return write_time(int(now))[:10]
    text = str(value).lower()
    if kind is PropertyKind.FLAG:
        if text not in ("true", "false"):
            raise _unreadable(prop, value)
        return text == "true"
    if text == " ":  # Intuit's spelling of null
        return None
    if kind is PropertyKind.NUMBER:
        amount = number(text)
        if amount is None:
            raise _unreadable(prop, value)
        return amount
    if kind is PropertyKind.DATE:
        _moment(prop, value, now)
        return text[:10]
    return text


def _compares(operator: Operator, value: Value, bound: Value) -> bool:
    if isinstance(value, str) and isinstance(bound, str):
        order = (value > bound) - (value < bound)
    elif isinstance(value, Decimal | int) and isinstance(bound, Decimal | int):
        order = int(value > bound) - int(value < bound)
    else:
        return False  # a record without the property is on no side of any bound
    match operator:
        case Operator.LT:
            return order < 0
        case Operator.GT:
            return order > 0
        case Operator.LE:
            return order <= 0
        case _:
            return order >= 0


def _text(value: Value) -> str:
    return "" if value is None else str(value)


def _like(pattern: str) -> re.Pattern[str]:
    parts = (re.escape(part) for part in pattern.split("%"))
    return re.compile(".*".join(parts), re.IGNORECASE | re.DOTALL)
