"""The form of a view for readers: its columns as promised, and the SQL that fills them.

The SQL names Silver's tables as ``silver.x``; ``:day`` is the day it is asked for. Tables that a
view needs are created with it where nothing of their kind was loaded yet, so every view can be
asked from the first sync on.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledgerguard_pipeline.silver.layout import TableColumn
from ledgerguard_pipeline.silver.specs import Kind


@dataclass(frozen=True, slots=True)
class ReaderView:
    """A view with its grain (what one row is), key, columns and a query to begin with.

    With ``dated`` there is a table macro ``<name>_as_of(day)`` beside it, and the view itself is
    as of today in UTC.
    """

    name: str
    meaning: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[TableColumn, ...]
    sql: str
    example: str
    dated: bool = False

    @property
    def macro(self) -> str:
        """The name of the table macro of a dated view."""
        return f"{self.name}_as_of"

    @property
    def exact(self) -> bool:
        """Whether it holds decimals, so that a narrow view is of use."""
        return any(column.kind.exact for column in self.columns)


def text(name: str, meaning: str) -> TableColumn:
    """A text."""
    return TableColumn(name, Kind.TEXT, meaning)


def day(name: str, meaning: str) -> TableColumn:
    """A calendar date."""
    return TableColumn(name, Kind.DATE, meaning)


def flag(name: str, meaning: str) -> TableColumn:
    """True or false."""
    return TableColumn(name, Kind.BOOL, meaning)


def whole(name: str, meaning: str) -> TableColumn:
    """A whole number."""
    return TableColumn(name, Kind.INTEGER, meaning)


def money(name: str, meaning: str) -> TableColumn:
    """An amount of money."""
    return TableColumn(name, Kind.MONEY, meaning)


def number(name: str, meaning: str) -> TableColumn:
    """A quantity, price or rate."""
    return TableColumn(name, Kind.NUMBER, meaning)


COMPANY = text("realm_id", "Company.")


def home(amount: str, rate: str) -> str:
    """SQL of an amount in home currency, in cents as the ledger has it.

    Without a rate, or at 1, it is the amount itself with all its digits. A product too large for
    any decimal is NULL rather than a refused query.
    """
    return f"CASE WHEN {rate} IS NULL OR {rate} = 1 THEN {amount} ELSE {cents(amount, rate)} END"


def cents(amount: str, rate: str) -> str:
    """SQL of a product rounded to the cent; it has as many decimals as both factors together."""
    product = f"CAST({amount} AS DECIMAL(24,6)) * CAST({rate} AS DECIMAL(20,12))"
    return f"TRY(CAST(round({product}, 2) AS DECIMAL(38,18)))"
