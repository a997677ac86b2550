"""The building blocks of a report, in the shape of the old service and in that of the new one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random
from typing import NamedTuple

from ledgerguard_pipeline.sandbox.report_switches import ReportSwitches

Json = dict[str, object]
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_AMOUNT = re.compile(r"-?[0-9]+\.[0-9]+")
_POINTS = str.maketrans(",.", ".,")


class Cell(NamedTuple):
    """One cell: its text, and the id of what it names, where it names something."""

    value: str = ""
    id: str | None = None

    def json(self) -> Json:
        return {"value": self.value} if self.id is None else {"value": self.value, "id": self.id}


class Column(NamedTuple):
    """A column by its key; ``kind`` is its type where that is not the key itself.

    ``span`` are the first and last day of a column that represents a part of the window.
    """

    key: str
    title: str
    kind: str
    span: tuple[str, str] | None = None


@dataclass(slots=True)
class Line:
    """A data row."""

    cells: Sequence[Cell]
    group: str | None = None

    def cell_count(self) -> int:
        return len(self.cells)


@dataclass(slots=True)
class Section:
    """Rows under a header and above a summary, either of which may be missing.

    ``fixed`` keeps its place among its neighbours when rows are shuffled, ``whole`` is not torn
    apart by a cut between transactions.
    """

    header: Sequence[Cell] | None = None
    rows: list[Line | Section] | None = None
    summary: Sequence[Cell] | None = None
    group: str | None = None
    fixed: bool = False

    def cell_count(self) -> int:
        own = len(self.header or ()) + len(self.summary or ())
        return own + sum(row.cell_count() for row in self.rows or ())


Row = Line | Section


@dataclass(slots=True)
class Report:
    """A report before it is written; ``keyed`` columns show keys even in the old service.

    ``units`` are rows that belong together, such as the legs of a transaction: a shuffle moves
    them as one and a cut between transactions leaves them whole. Other reports have one row each.
    """

    columns: list[Column]
    units: list[list[Row]]
    options: dict[str, str] = field(default_factory=dict)
    keyed: bool = True
    key_as_type: bool = False
    empty: bool = False
    header: Json = field(default_factory=dict)


def amount_text(value: Decimal, switches: ReportSwitches, *, zero: str = "0.00") -> str:
    """A number as reports write it: two decimals, or as many as it has."""
    if value == 0:
        return "" if switches.zeros == "blank" else zero
    text = format(value, "f")
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"


def shuffled(report: Report, rng: Random) -> None:
    """Let units change places; totals at the end stay there."""
    movable = [unit for unit in report.units if not _fixed(unit[0])]
    rest = [unit for unit in report.units if _fixed(unit[0])]
    rng.shuffle(movable)
    for unit in movable:
        for row in unit:
            _shuffle_inside(row, rng)
    report.units = movable + rest


def _shuffle_inside(row: Row, rng: Random) -> None:
    if isinstance(row, Section) and row.rows:
        movable = [each for each in row.rows if not _fixed(each)]
        rest = [each for each in row.rows if _fixed(each)]
        rng.shuffle(movable)
        row.rows = rest + movable
        for each in movable:
            _shuffle_inside(each, rng)


def _fixed(row: Row) -> bool:
    return isinstance(row, Section) and (row.fixed or row.header is None)


def write_locally(report: Report) -> None:
    """Write dates and amounts in the manner of the continent; anything else stays."""
    for unit in report.units:
        for row in unit:
            _write_row_locally(row)


def _write_row_locally(row: Row) -> None:
    if isinstance(row, Line):
        row.cells = _locally(row.cells)
        return
    row.header, row.summary = (each and _locally(each) for each in (row.header, row.summary))
    for each in row.rows or ():
        _write_row_locally(each)


def _locally(cells: Sequence[Cell]) -> list[Cell]:
    found = []
    for cell in cells:
        value = cell.value
        if _DAY.fullmatch(value):
            value = "/".join(reversed(value.split("-")))
        elif _AMOUNT.fullmatch(value):
            value = f"{Decimal(value):,f}".translate(_POINTS)
        found.append(cell._replace(value=value))
    return found


def written(report: Report, switches: ReportSwitches) -> Json:
    """Columns and rows as JSON."""
    return {
        "Columns": {"Column": [_column(each, report, switches) for each in report.columns]},
        "Rows": {"Row": [_row(row, switches) for unit in report.units for row in unit]}
        if report.units
        else {},
    }


def _column(column: Column, report: Report, switches: ReportSwitches) -> Json:
    modern = switches.shape == "modern"
    as_type = report.key_as_type and not modern
    found: Json = {"ColTitle": column.title, "ColType": column.key if as_type else column.kind}
    data = []
    if modern or (report.keyed and not as_type):
        data.append({"Name": "ColKey", "Value": column.key})
    if column.span is not None:
        first, last = column.span
        data += [{"Name": "StartDate", "Value": first}, {"Name": "EndDate", "Value": last}]
    if data:
        found["MetaData"] = data
    return found


def _row(row: Row, switches: ReportSwitches) -> Json:
    if isinstance(row, Line):
        typed = {"type": "Data"} if switches.shape == "modern" or len(row.cells) > 4 else {}
        grouped = {} if row.group is None else {"group": row.group}
        return {"ColData": [cell.json() for cell in row.cells], **typed, **grouped}
    found: Json = {}
    if row.header is not None:
        found["Header"] = {"ColData": [cell.json() for cell in row.header]}
    if row.rows is not None:
        found["Rows"] = {"Row": [_row(each, switches) for each in row.rows]} if row.rows else {}
    if row.summary is not None:
        found["Summary"] = {"ColData": [cell.json() for cell in row.summary]}
    found["type"] = "Section"
    if row.group is not None:
        found["group"] = row.group
    return found
