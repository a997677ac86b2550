"""A report as a flat table for people and spreadsheets, row by row as it was sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ledgerguard_pipeline.reports.shape import Cell, Report, Row


@dataclass(frozen=True, slots=True)
class TableRow:
    """One line: ``kind`` is ``data``, ``header`` or ``summary``, ``depth`` how deep it lies.

    ``ids`` are those of its cells, empty where a cell names nothing.
    """

    kind: str
    depth: int
    group: str
    values: tuple[str, ...]
    ids: tuple[str, ...]


def flat(report: Report) -> list[TableRow]:
    """All rows in the order of the answer; blank ones between transactions are left out."""
    return [row for row in _flat(report.rows, 0) if any(row.values)]


def titles(report: Report) -> list[str]:
    """A title for each column, its key where it has none."""
    return [each.title or each.key or each.kind for each in report.columns]


def _flat(rows: Sequence[Row], depth: int) -> Iterator[TableRow]:
    for row in rows:
        group = row.group or ""
        if row.ColData is not None:
            yield _line("data", depth, group, row.ColData)
            continue
        if row.header:
            yield _line("header", depth, group, row.header)
        yield from _flat(row.rows, depth + 1)
        if row.summary:
            yield _line("summary", depth, group, row.summary)


def _line(kind: str, depth: int, group: str, cells: Sequence[Cell]) -> TableRow:
    values = tuple(cell.text for cell in cells)
    return TableRow(kind, depth, group, values, tuple(cell.key for cell in cells))
