"""Answers over the limit of cells: the rest is missing, and something says so, or nothing does.

As seen in the field: HTTP 200 with a row, header or summary whose text says that more data cannot
be displayed; the last transaction may be cut in half.
"""

from __future__ import annotations

from ledgerguard_pipeline.sandbox.answers.refusals import Refusal
from ledgerguard_pipeline.sandbox.report_switches import ReportSwitches
from ledgerguard_pipeline.sandbox.reports.layout import Cell, Line, Report, Row, Section

NOTICE = (
    "Unable to display more data. Please reduce the date range or filter the report to fewer "
    "columns."
)


def cut(report: Report, switches: ReportSwitches) -> None:
    """Take off what does not fit.

    Raises:
        Refusal: the switch says that such an answer is refused.
    """
    room = switches.cell_limit
    if sum(row.cell_count() for unit in report.units for row in unit) <= room:
        return
    if switches.cut == "fault":
        raise Refusal("10100", "Result set too big", "Reduce the number of rows asked for")
    kept: list[list[Row]] = []
    for unit in report.units:
        size = sum(row.cell_count() for row in unit)
        if size <= room:
            kept.append(unit)
            room -= size
            continue
        if switches.cut_at == "cell":
            kept.append(_fitting(unit, room))
        break
    width = len(report.columns)
    notice = [Cell(NOTICE), *[Cell()] * (width - 1)]
    if switches.cut == "row":
        kept.append([Line(notice)])
    elif switches.cut == "summary":
        kept.append([Section(summary=notice)])
    elif switches.cut == "header":
        report.options["Warning"] = NOTICE
    report.units = [unit for unit in kept if unit]


def _fitting(rows: list[Row], room: int) -> list[Row]:
    found: list[Row] = []
    for row in rows:
        size = row.cell_count()
        if size > room:
            if isinstance(row, Section) and row.rows:
                inner = _fitting(row.rows, room - len(row.header or ()))
                found.append(Section(row.header, inner, None, row.group))
            break
        found.append(row)
        room -= size
    return found
