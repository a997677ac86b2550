"""A report as it was answered: its bytes, opened, and proof that it is whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ledgerguard_pipeline.errors import ReportCut, RequestRejected
from ledgerguard_pipeline.qbo.answers.envelope import ApiAnswer
from ledgerguard_pipeline.reports.cut import why_cut
from ledgerguard_pipeline.reports.shape import Report, UnreadableReport, read_shape
from ledgerguard_pipeline.reports.types import ReportRequest


@dataclass(frozen=True, slots=True)
class ReportAnswer:
    """One report: what was asked, what came back byte for byte, and the same opened.

    ``cut`` says what shows that it is not whole; such an answer is never handed out as a result.
    """

    request: ReportRequest
    report: Report
    payload: bytes
    request_id: str | None
    fetched_at: datetime
    cut: str | None = None


def read_report(answer: ApiAnswer, request: ReportRequest) -> tuple[ReportAnswer, int]:
    """The report of an answer, and how many cells it has.

    Raises:
        ReportCut: it was cut at Intuit's limit of cells.
        RequestRejected: it is another report, window or basis than was asked for.
        QBOAPIError: the answer is a refusal, or cannot be read.
    """
    answer.open()
    try:
        report = read_shape(answer.body)
    except UnreadableReport as error:
        raise answer.unreadable(str(error)) from None
    _check(answer, request, report)
    cut = why_cut(report)
    where = answer.where
    found = ReportAnswer(request, report, answer.body, where.intuit_tid, answer.received_at, cut)
    if cut is not None:
        raise report_cut(found, where.realm_id)
    return found, report.cells


def report_cut(answer: ReportAnswer, realm_id: str | None) -> ReportCut:
    """The error of an answer that is not whole."""
    request = answer.request
    error = ReportCut(
        f"QuickBooks cut {request.type.name}{_window(request)}: {answer.cut}. Ask for a shorter "
        "window or fewer columns.",
        realm_id=realm_id,
        entity=request.type.name,
        intuit_tid=answer.request_id,
        status=200,
    )
    error.answer = answer
    return error


def _window(request: ReportRequest) -> str:
    if request.start is None or request.end is None:
        return ""
    if request.start == request.end:
        return f" of {request.end}"
    return f" of {request.start} to {request.end}"


def _check(answer: ApiAnswer, request: ReportRequest, report: Report) -> None:
    asked = request.type.name
    if report.name and not any(
        name.startswith(report.name) or report.name.startswith(name)
        for name in (asked, request.type.path)
    ):
        raise answer.unreadable(f"it is a {report.name[:40]} and not a {asked}")
    window = (("start", request.start, report.start), ("end", request.end, report.end))
    wrong = [
        f"its {name} is {said} instead of {wanted}"
        for name, wanted, said in window
        if "start_date" in request.params and wanted is not None and said
        and said != wanted.isoformat()
    ]  # fmt: skip
    if request.basis and report.basis and report.basis != request.basis:
        wrong.append(f"its basis is {report.basis} instead of {request.basis}")
    if wrong:
        raise RequestRejected(
            f"QuickBooks answered another {asked} than was asked for: {' and '.join(wrong)}. "
            "Nothing of it was used; ask for a window inside the company's books.",
            realm_id=answer.where.realm_id,
            entity=asked,
            intuit_tid=answer.where.intuit_tid,
            status=answer.status,
        )
