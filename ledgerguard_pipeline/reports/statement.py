"""BalanceSheet, ProfitAndLoss, CashFlow and any other report with a tree of rows.

An account shows its own amount: in its row, or in the header of its section where accounts lie below
it. What a section adds up to is never added again. Groups (``NetIncome``, ``TotalAssets``) name the
lines that are computed, whatever their titles.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from ledgerguard_pipeline.reports.shape import Cell, Report, Row, UnreadableReport, amount, iso_day


@dataclass(frozen=True, slots=True)
class StatementLine:
    """What one account (or a line without one, as Net Income) states in each money column."""

    account_id: str
    name: str
    amounts: tuple[Decimal, ...]
    groups: tuple[str, ...]
    """The groups it stands in, outermost first."""


@dataclass(frozen=True, slots=True)
class Statement:
    """The lines of a statement; ``totals`` by group; ``periods`` are the columns' days."""

    periods: tuple[tuple[str | None, str | None], ...]
    lines: list[StatementLine]
    totals: dict[str, tuple[Decimal, ...]]

    def own(self) -> dict[str, tuple[Decimal, ...]]:
        """Own amounts by account id."""
        return {each.account_id: each.amounts for each in self.lines if each.account_id}


def read_statement(report: Report) -> Statement:
    """The lines and totals of a statement.

    Raises:
        UnreadableReport: a row has fewer cells than there are columns, an account stands twice, or
            a column begins on no day.
    """
    money = [at for at, each in enumerate(report.columns) if each.kind == "Money"]
    periods = tuple((report.columns[at].start, report.columns[at].end) for at in money)
    for start, _ in periods:
        if start is not None:
            iso_day(start)
    lines = list(_lines(report, report.rows, money, ()))
    seen: set[str] = set()
    for each in lines:
        if each.account_id and each.account_id in seen:
            raise UnreadableReport(f"{report.name} states account {each.account_id} twice")
        seen.add(each.account_id)
    totals: dict[str, tuple[Decimal, ...]] = {}
    for row in report.every_row():
        cells = row.summary or (row.ColData or [])
        if row.group and len(cells) == len(report.columns):
            totals[row.group] = _amounts(cells, money)
    return Statement(periods, lines, totals)


def _lines(
    report: Report, rows: Sequence[Row], money: list[int], groups: tuple[str, ...]
) -> Iterator[StatementLine]:
    for row in rows:
        inside = (*groups, row.group) if row.group else groups
        cells = row.ColData if row.ColData is not None else row.header
        if cells and len(cells) < len(report.columns):
            raise UnreadableReport(f"{report.name} has a row of {len(cells)} cells")
        if cells and (row.ColData is not None or cells[0].key):
            yield StatementLine(cells[0].key, cells[0].text, _amounts(cells, money), inside)
        yield from _lines(report, row.rows, money, inside)


def _amounts(cells: list[Cell], money: list[int]) -> tuple[Decimal, ...]:
    return tuple(amount(cells[at]) for at in money)
