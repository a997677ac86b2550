"""Query statements, built from parts: a text that came from outside never reaches Intuit raw.

Grammar and quoting: Intuit's "Data queries" page. Only ``SELECT`` exists here, so a statement
cannot change books. ``Active`` is named for types that hide inactive rows, times carry an
offset (Intuit reads bare ones in Pacific time), and every literal but a boolean is quoted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from ledgerguard_pipeline.entities import EntityType, Kind
from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.qbo.intuit_limits import MAX_ROWS

FEW_ROWS = 60
"""Rows that are few enough for nearly any answer: their number is the last thing to doubt."""

BEYOND = 100_000_000
"""A position no company has rows at: asking there shows whether anything is answered at all."""

Operator = Literal["=", "<", ">", "<=", ">=", "IN", "LIKE"]
Scalar = str | bool | date | datetime
Value = Scalar | Sequence[Scalar]

_OPERATORS = frozenset({"=", "<", ">", "<=", ">=", "IN", "LIKE"})
_PROPERTY = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:\.[A-Za-z][A-Za-z0-9]*)?", re.ASCII)
_UNUSABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")

CREATE_TIME = "MetaData.CreateTime"
LAST_UPDATED_TIME = "MetaData.LastUpdatedTime"


def quoted(text: str) -> str:
    """One string literal, escaped with backslashes as Intuit documents it.

    Raises:
        BadInputError: the text holds control characters or halves of characters, which no literal
            can carry.
    """
    if _UNUSABLE.search(text):
        raise BadInputError(
            f"{text[:60]!r} cannot be used in a query: control characters are not allowed, nor are "
            "halves of characters."
        )
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def instant_literal(value: datetime, *, up: bool = False) -> str:
    """A time with its offset, in whole seconds as Intuit keeps them (cut, or rounded ``up``).

    Raises:
        BadInputError: the time names no offset, or has no equivalent in UTC.
    """
    if value.tzinfo is None:
        raise BadInputError(f"{value.isoformat()} has no UTC offset; add one, such as Z.")
    try:
        whole = value.astimezone(UTC)
        if up and whole.microsecond:
            whole += timedelta(seconds=1)
    except OverflowError:
        raise BadInputError(f"{value.isoformat()} has no equivalent in UTC.") from None
    # strftime writes the year 999 with three digits.
    return whole.replace(microsecond=0, tzinfo=None).isoformat() + "Z"


@dataclass(frozen=True, slots=True)
class Condition:
    """``name operator value``; the parts are checked, so the text is safe by construction."""

    name: str
    operator: Operator
    value: Value

    def __post_init__(self) -> None:
        if _PROPERTY.fullmatch(self.name) is None:
            raise BadInputError(f"{self.name[:60]!r} is not a property of a query.")
        if self.operator not in _OPERATORS:
            raise BadInputError(f"{self.operator[:20]!r} is not a query operator.")
        is_list = not isinstance(self.value, str | bool | date)
        if is_list != (self.operator == "IN"):
            raise BadInputError(f"{self.name}: IN takes a list of values, the others one.")
        if is_list and not self.value:
            raise BadInputError(f"{self.name}: IN needs at least one value.")
        _ = self.text  # a value no literal can carry is refused here, not when it is sent

    @property
    def text(self) -> str:
        """The condition as Intuit reads it."""
        value = self.value
        if isinstance(value, str | bool | date):
            return f"{self.name} {self.operator} {self._literal(value)}"
        inner = ", ".join(self._literal(item) for item in value)
        return f"{self.name} IN ({inner})"

    def _literal(self, value: Scalar) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, datetime):
            return quoted(instant_literal(value, up=self.operator in ("<", "<=")))
        if isinstance(value, date):
            return quoted(value.isoformat())
        return quoted(value)


INACTIVE = Condition("Active", "=", False)  # a value, no switch


@dataclass(frozen=True, slots=True)
class Order:
    """One sort key, ascending."""

    name: str

    def __post_init__(self) -> None:
        if _PROPERTY.fullmatch(self.name) is None:
            raise BadInputError(f"{self.name[:60]!r} is not a property to order by.")


@dataclass(frozen=True, slots=True)
class Query:
    """One read statement. Build it with ``select``, ``count`` or ``ids``."""

    entity: EntityType
    counting: bool = False
    where: tuple[Condition, ...] = ()
    order: tuple[Order, ...] = ()
    start: int | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.start is not None and self.start < 1:
            raise BadInputError(f"STARTPOSITION {self.start} is too small; rows count from 1.")
        if self.limit is not None and not 1 <= self.limit <= MAX_ROWS:
            raise BadInputError(f"MAXRESULTS {self.limit} must lie between 1 and {MAX_ROWS}.")

    @classmethod
    def select(
        cls,
        entity: EntityType,
        where: Sequence[Condition] = (),
        *,
        order: Sequence[Order] = (),
        start: int | None = None,
        limit: int | None = MAX_ROWS,
    ) -> Query:
        """Whole objects; inactive rows included unless a condition on ``Active`` says otherwise."""
        return cls(entity, False, _with_inactive(entity, where), tuple(order), start, limit)

    @classmethod
    def count(cls, entity: EntityType, where: Sequence[Condition] = ()) -> Query:
        """How many objects there are, inactive ones included."""
        return cls(entity, True, _with_inactive(entity, where))

    @classmethod
    def inactive(cls, entity: EntityType, limit: int = MAX_ROWS) -> Query:
        """The inactive rows alone, of a type whose other statements may hide them."""
        return cls.select(entity, (INACTIVE,), limit=limit)

    @classmethod
    def ids(cls, entity: EntityType, ids: Sequence[str], *also: Condition) -> Query:
        """These objects, as far as they are alive; ids without an answer are simply missing.

        It asks for as many rows as it names: a company may refuse to hand out 1000, whatever there is.

        Raises:
            BadInputError: no id, or more than a page holds.
        """
        if not 1 <= len(ids) <= MAX_ROWS:
            raise BadInputError(f"{len(ids)} ids cannot be read at once: 1 to {MAX_ROWS} can.")
        return cls.select(entity, (Condition("Id", "IN", tuple(ids)), *also), limit=len(ids))

    @property
    def ranged(self) -> bool:
        """Whether it asks for a range of rows, one of which may be the reason of a refusal."""
        singleton = self.entity.kind is Kind.SINGLETON
        return not self.counting and not singleton and (self.start or 1) < BEYOND

    @property
    def divisible(self) -> bool:
        """Whether fewer of its rows could be asked for."""
        named = next((item.value for item in self.where if item.name == "Id"), None)
        if named is not None:
            return isinstance(named, Sequence) and not isinstance(named, str) and len(named) > 1
        return self.ranged and (self.limit or MAX_ROWS) > 1

    @property
    def few(self) -> bool:
        """Whether it asks for so few rows that their number is hardly the reason of a failure."""
        return (self.limit or MAX_ROWS) <= FEW_ROWS

    @property
    def text(self) -> str:
        """The statement as Intuit reads it."""
        parts = [f"SELECT {'count(*)' if self.counting else '*'} FROM {self.entity.name}"]
        if self.where:
            parts.append("WHERE " + " AND ".join(condition.text for condition in self.where))
        if self.order:
            parts.append("ORDERBY " + ", ".join(f"{key.name} ASC" for key in self.order))
        if self.start is not None:
            parts.append(f"STARTPOSITION {self.start}")
        if self.limit is not None:
            parts.append(f"MAXRESULTS {self.limit}")
        return " ".join(parts)


def _with_inactive(entity: EntityType, where: Sequence[Condition]) -> tuple[Condition, ...]:
    conditions = tuple(where)
    if not entity.soft_delete or any(item.name.casefold() == "active" for item in conditions):
        return conditions
    return (*conditions, Condition("Active", "IN", (True, False)))
