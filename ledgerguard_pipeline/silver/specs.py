"""The form of the registry: columns, tables below an object, and the block of an entity type.

A path names members from the object down, as Bronze's ``_fields`` does: ``CustomerRef.value``,
``Line[].Amount``. Paths in a table below an object begin at the element of its list.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What a column holds: its SQL type in base tables, and in the narrow views."""

    TEXT = ("VARCHAR", "VARCHAR")
    DATE = ("DATE", "DATE")
    TIME = ("TIMESTAMPTZ", "TIMESTAMPTZ")
    BOOL = ("BOOLEAN", "BOOLEAN")
    INTEGER = ("BIGINT", "BIGINT")
    MONEY = ("DECIMAL(38,18)", "DECIMAL(18,2)")
    NUMBER = ("DECIMAL(38,18)", "DECIMAL(18,7)")
    """Quantities, prices, percentages, rates."""

    @property
    def sql(self) -> str:
        """The SQL type that loses nothing."""
        return self.value[0]

    @property
    def narrow(self) -> str:
        """The SQL type that every tool can read."""
        return self.value[1]

    @property
    def exact(self) -> bool:
        """Whether values are decimals."""
        return self in (Kind.MONEY, Kind.NUMBER)


@dataclass(frozen=True, slots=True)
class Column:
    """One column. Of several ``paths`` the first that has a value counts.

    ``known`` are the values a text may have (none: any); such a column must not be empty either.
    ``reference`` is set for the ``value`` of a reference: an object without it is unreadable.
    ``spelled`` are words that stand in the column as they are here, in whatever case they were sent.
    """

    name: str
    paths: tuple[str, ...]
    kind: Kind
    meaning: str
    known: frozenset[str] = frozenset()
    reference: bool = False
    spelled: tuple[str, ...] = ()

    @property
    def layout(self) -> str:
        """All of it that decides what stands in the column."""
        words = (
            f"{self.name} {self.kind.name} {'|'.join(self.paths)} "
            f"{','.join(sorted(self.known))} {self.reference}"
        )
        # Only where there are some: the tables of all other types stay as they were built.
        return f"{words} {','.join(self.spelled)}" if self.spelled else words


@dataclass(frozen=True, slots=True)
class Source:
    """A list whose elements become rows, with values that are the same for all of them.

    ``path`` ends at the list, as ``Line`` or ``Line[].GroupLineDetail.Line``. ``only`` keeps the
    elements whose named text has this value.
    """

    path: str
    constants: tuple[tuple[str, str], ...] = ()

    @property
    def levels(self) -> tuple[str, ...]:
        """The path in parts, each from one list to the next."""
        return tuple(part.removeprefix(".") for part in self.path.split("[]"))


@dataclass(frozen=True, slots=True)
class Child:
    """A table of the elements of lists inside an object.

    ``number`` is the column that counts the rows of an object from 0; ``line_of`` names, per
    source, whether the row belongs to a line (``line_no``) or to a bundle (``parent_line_no``).
    ``amount_of_line`` adds the amount of the line, where the row is its only one.
    """

    suffix: str
    number: str
    sources: tuple[Source, ...]
    columns: tuple[Column, ...]
    meaning: str
    parent: str | None = None
    """``line_no`` or ``parent_line_no``: the line above the row, NULL where there is none."""
    amount: str | None = None
    """Path of the amount in the line above, for rows that are the only ones of their line."""
    table: str | None = None
    """The table's whole name where it is not the entity's with the suffix."""


@dataclass(frozen=True, slots=True)
class Picked:
    """An integer from a list of named values: ``PurchaseEx.any[].value`` with a ``Name``."""

    column: str
    list_path: str
    name_path: str
    value_path: str
    name: str
    meaning: str


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Everything of one entity type: the header's columns and the tables below it; there is one of each.

    ``wrapped`` payloads hold the object in a member that is named after its type. ``left_out``
    are known paths that are in no table on purpose, ``personal`` those left out because they
    identify people or their money; both with everything below them.
    """

    entity: str
    meaning: str
    columns: tuple[Column, ...]
    children: tuple[Child, ...] = ()
    picked: tuple[Picked, ...] = ()
    wrapped: bool = False
    personal: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+\d*|\d+")


def spelled(text: str, words: Collection[str]) -> str:
    """The one of these words that a text is but for its case; any other text as it is."""
    if text in words or not text.isascii():
        return text
    return next((each for each in words if each.lower() == text.lower()), text)


def snake(name: str) -> str:
    """``APAccountRef`` as ``ap_account_ref``."""
    return "_".join(word.lower() for word in _WORDS.findall(name))
