"""An answer opened: header, columns by key, and a tree of rows, the same for every shape.

The service was replaced in 2026; what holds for both releases is kept to here. A column is known
by its ``ColKey``, else by its ``ColType`` (the old service writes the key there), never by its title
or position; a cell names what it is about by its id. Row order means nothing
(decision 65).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import cached_property

import msgspec

_KINDS = frozenset(
    {"Account", "Money", "Rate", "Customer", "Vendor", "Employee", "ProductsAndService"}
    | {"Department", "Class", "String", "Date", "Boolean", ""}
)
"""Column types that are no keys."""
_INDEX_SUFFIX = re.compile(r" at index [0-9]+\Z")
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?", re.ASCII)
NOTHING = Decimal(0)
_MOST_DIGITS = 100
"""No amount has so many digits before or behind its point; sums of such could fill the memory."""
_MOST_LEVELS = 100
"""Sections of real reports lie a dozen deep; those that read them go down by recursion."""


class Cell(msgspec.Struct, frozen=True, gc=False):
    """One cell as sent; ``value`` is text, also for numbers."""

    value: str | None = None
    id: str | None = None

    @property
    def text(self) -> str:
        return self.value or ""

    @property
    def key(self) -> str:
        """The id of what the cell names, without a suffix that some answers carry; else empty."""
        id = self.id or ""
        return _INDEX_SUFFIX.sub("", id) if " at index " in id else id


class Cells(msgspec.Struct, frozen=True, gc=False):
    """The cells of a header or a summary."""

    ColData: list[Cell] | None = None  # the field as Intuit spells it


class Row(msgspec.Struct, frozen=True, gc=False):
    """A data row (it has ``ColData``) or a section of rows."""

    ColData: list[Cell] | None = None  # as Intuit spells them, these too
    Header: Cells | None = None
    Rows: RowList | None = None
    Summary: Cells | None = None
    group: str | None = None

    @property
    def header(self) -> list[Cell]:
        return (self.Header.ColData or []) if self.Header else []

    @property
    def summary(self) -> list[Cell]:
        return (self.Summary.ColData or []) if self.Summary else []

    @property
    def rows(self) -> list[Row]:
        """What is inside; a row can be null and the list can be missing."""
        return [row for row in (self.Rows.Row or []) if row is not None] if self.Rows else []


class RowList(msgspec.Struct, frozen=True, gc=False):
    """``Rows``, which may be an empty object."""

    Row: list[Row | None] | None = None


class _Pair(msgspec.Struct, frozen=True):
    Name: str | None = None
    Value: str | None = None


class _Column(msgspec.Struct, frozen=True):
    ColTitle: str | None = None
    ColType: str | None = None
    MetaData: list[_Pair] | None = None
    Columns: _Columns | None = None


class _Columns(msgspec.Struct, frozen=True):
    Column: list[_Column] | None = None


class _Header(msgspec.Struct, frozen=True):
    Time: str | None = None
    ReportName: str | None = None
    ReportBasis: str | None = None
    StartPeriod: str | None = None
    EndPeriod: str | None = None
    Currency: str | None = None
    Option: list[_Pair] | None = None


class _Answer(msgspec.Struct, frozen=True):
    Header: msgspec.Raw
    Columns: _Columns
    Rows: RowList | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its key (empty where the answer names none), its kind, its title for people.

    ``start`` and ``end`` are its first and last day, where columns are periods.
    """

    key: str
    kind: str
    title: str
    start: str | None = None
    end: str | None = None


class UnreadableReport(ValueError):
    """It is no report, or a part of it has no meaning; the message says which."""


@dataclass(frozen=True)
class Report:
    """A report as sent. Dates are ISO texts; what the answer leaves out is None."""

    name: str
    basis: str | None
    start: str | None
    end: str | None
    currency: str | None
    time: str | None
    no_data: bool
    header_texts: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @cached_property
    def positions(self) -> dict[str, int]:
        """Where the column of a key stands."""
        return {each.key: at for at, each in enumerate(self.columns) if each.key}

    def position(self, *keys: str) -> int | None:
        """Where the first of these columns stands that there is; None without any."""
        return next((self.positions[key] for key in keys if key in self.positions), None)

    def required(self, *keys: str) -> int:
        """As ``position``.

        Raises:
            UnreadableReport: there is none of them.
        """
        found = self.position(*keys)
        if found is None:
            raise UnreadableReport(f"{self.name} has no column {' or '.join(keys)}")
        return found

    def data_rows(self) -> Iterator[list[Cell]]:
        """The cells of data rows of any depth, in the order of the answer."""
        yield from _data_rows(self.rows)

    def every_row(self) -> Iterator[Row]:
        """Rows and sections of any depth, outer ones first."""
        yield from _every(self.rows)

    @cached_property
    def cells(self) -> int:
        """How many cells were sent."""
        return sum(
            len(row.ColData or ()) + len(row.header) + len(row.summary) for row in self.every_row()
        )


_DECODER = msgspec.json.Decoder(_Answer)
_HEADER = msgspec.json.Decoder(_Header)
_ANY = msgspec.json.Decoder()


def read_shape(body: bytes) -> Report:
    """A report's bytes, opened.

    Raises:
        UnreadableReport: they are none.
    """
    try:
        answer = _DECODER.decode(body.removeprefix(b"\xef\xbb\xbf"))
        header = _HEADER.decode(answer.Header)
        texts = tuple(_texts(_ANY.decode(answer.Header)))
        columns = tuple(_leaves(answer.Columns.Column or ()))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableReport(f"it is no report: {str(error)[:120]}") from None
    rows = tuple(row for row in (answer.Rows.Row or () if answer.Rows else ()) if row)
    _check_depth(rows)
    options = {each.Name: each.Value for each in header.Option or ()}
    return Report(
        name=header.ReportName or "",
        basis=header.ReportBasis,
        start=header.StartPeriod,
        end=header.EndPeriod,
        currency=header.Currency,
        time=header.Time,
        no_data=options.get("NoReportData") == "true",
        header_texts=texts,
        columns=columns,
        rows=rows,
    )


def amount(cell: Cell) -> Decimal:
    """A number; nothing, ``""``, ``.00`` and ``0.00`` are all zero.

    Commas part thousands or it is none: ``1,50`` is how other languages write one and a half.

    Raises:
        UnreadableReport: it is a text that is no number, or no amount anybody has.
    """
    if not cell.value or not (text := cell.value.strip()):
        return NOTHING
    try:
        found = Decimal(text.replace(",", "") if _THOUSANDS.fullmatch(text) else text)
    except InvalidOperation:
        raise UnreadableReport(f"{cell.text[:40]!r} stands where a number belongs") from None
    # Only a long text or an exponent can make it longer; looking at the digits takes its time.
    long = len(text) > _MOST_DIGITS or "e" in text or "E" in text
    if not found.is_finite() or (long and _digits(found) > _MOST_DIGITS):
        raise UnreadableReport(f"{cell.text[:40]!r} is no amount")
    return found


def iso_day(text: str) -> date:
    """A date as reports write it, in every language, with or without a time behind it.

    Raises:
        UnreadableReport: it is none.
    """
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise UnreadableReport(f"{text[:40]!r} stands where a date belongs") from None


def _digits(finite: Decimal) -> int:
    """How many digits it has at most on either side of its point."""
    return max(abs(finite.adjusted()), abs(int(finite.as_tuple().exponent)))


def _check_depth(rows: Sequence[Row]) -> None:
    level: Sequence[Row] = rows
    for _ in range(_MOST_LEVELS):
        level = [inner for row in level if row.Rows is not None for inner in row.rows]
        if not level:
            return
    raise UnreadableReport(f"it is no report: its sections are more than {_MOST_LEVELS} deep")


def _leaves(columns: Sequence[_Column]) -> Iterator[Column]:
    for each in columns:
        inner = each.Columns.Column if each.Columns else None
        if inner:
            yield from _leaves(inner)
            continue
        data = {pair.Name: pair.Value or "" for pair in each.MetaData or ()}
        kind = each.ColType or ""
        key = data.get("ColKey") or ("" if kind in _KINDS else kind)
        yield Column(key, kind, each.ColTitle or "", data.get("StartDate"), data.get("EndDate"))


def _data_rows(rows: Sequence[Row]) -> Iterator[list[Cell]]:
    for row in rows:
        if row.ColData is not None:
            yield row.ColData
        elif row.Rows is not None:
            yield from _data_rows(row.rows)


def _every(rows: Sequence[Row]) -> Iterator[Row]:
    for row in rows:
        yield row
        if row.Rows is not None:
            yield from _every(row.rows)


def _texts(value: object) -> Iterator[str]:
    """Every text inside a decoded JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
