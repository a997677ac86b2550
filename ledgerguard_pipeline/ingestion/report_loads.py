"""Reports from Intuit into Bronze: each answer kept as sent, whole or cut, before it is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date

from ledgerguard_pipeline.bronze.reports import FetchedReport
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.errors import ReportCut
from ledgerguard_pipeline.qbo.answers.report import ReportAnswer
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.reporting import WINDOW_MONTHS
from ledgerguard_pipeline.reports.stored import Window, stored_requests
from ledgerguard_pipeline.reports.types import ReportRequest
from ledgerguard_pipeline.values import RealmId


@dataclass(frozen=True, slots=True)
class ReportLoad:
    """What one report brought: its whole answers in order, and the ids they have in Bronze."""

    report: str
    answers: list[ReportAnswer] = field(default_factory=list)
    report_ids: list[str] = field(default_factory=list)
    cut: int = 0
    """Answers that were cut and asked for again in parts; they are kept as well."""


class ReportLoads:
    """Loads reports of one company. Every answer is committed before the next is asked for."""

    def __init__(
        self, client: QBOClient, store: BronzeStore, realm: RealmId | str, run_id: str | None = None
    ) -> None:
        self._client = client
        self._store = store
        self._realm = realm
        self._run_id = run_id

    def window(self, end: date, start: date | None = None) -> Window:
        """A window that ends on a day; it starts with that day's month unless said otherwise."""
        facts = self._store.reports.company_facts(self._realm)
        return Window(start or end.replace(day=1), end, facts.fiscal_year(end), facts.multicurrency)

    def load(self, name: str, window: Window) -> ReportLoad:
        """One of the stored reports, on each of its bases.

        Raises:
            ReportCut: a single day does not fit into an answer.
            QBOAPIError, QBOAuthError, BronzeError: it could not be read or kept.
        """
        parts = [self.request(request) for request in stored_requests(name, window)]
        return ReportLoad(
            name,
            [answer for part in parts for answer in part.answers],
            [id for part in parts for id in part.report_ids],
            sum(part.cut for part in parts),
        )

    def request(self, request: ReportRequest, *, months: int = WINDOW_MONTHS) -> ReportLoad:
        """A report as asked for; one of single transactions comes in as many parts as it takes.

        ``months`` is how long a part is at first.

        Raises:
            ReportCut, QBOAPIError, QBOAuthError, BronzeError: as ``load``.
        """
        load = _Growing(self._keep)
        self._store.workspace.let_go()  # others may have the file while QuickBooks is waited for
        try:
            if request.divisible:
                for answer in self._client.requested_windows(
                    request, rejected=load.reject, months=months
                ):
                    load.take(answer)
                    if answer.request.end != request.end:
                        self._store.workspace.let_go()
            else:
                load.take(self._client.requested_report(request))
        except ReportCut as error:
            load.reject(error.answer)
            raise
        finally:
            load.flush()
        return ReportLoad(request.type.name, load.answers, load.report_ids, load.cut)

    def _keep(self, answers: Sequence[ReportAnswer]) -> list[str]:
        return self._store.reports.save(
            self._realm, [fetched(answer, self._run_id) for answer in answers]
        )


@dataclass(slots=True)
class _Growing:
    """A load under way; cut answers are committed with the next whole one, or at the end."""

    keep: Callable[[Sequence[ReportAnswer]], list[str]]
    answers: list[ReportAnswer] = field(default_factory=list)
    report_ids: list[str] = field(default_factory=list)
    cut: int = 0
    waiting: list[ReportAnswer] = field(default_factory=list)

    def take(self, answer: ReportAnswer) -> None:
        self.report_ids += self.keep([*self.waiting, answer])[-1:]
        self.waiting.clear()
        self.answers.append(answer)

    def reject(self, answer: object) -> None:
        """Remember an answer that was cut, once, however often it is handed in."""
        if isinstance(answer, ReportAnswer) and not any(each is answer for each in self.waiting):
            self.waiting.append(answer)
            self.cut += 1

    def flush(self) -> None:
        self.keep(self.waiting)
        self.waiting.clear()


def fetched(answer: ReportAnswer, run_id: str | None) -> FetchedReport:
    """An answer as Bronze keeps it."""
    request, report = answer.request, answer.report
    return FetchedReport(
        report=request.type.name,
        params=dict(request.params),
        window_start=request.start or _day(report.start),
        window_end=request.end or _day(report.end),
        basis=request.basis or report.basis,
        fetched_at=answer.fetched_at,
        report_time=report.time,
        request_id=answer.request_id,
        payload=answer.payload,
        cells=report.cells,
        cut=answer.cut,
        run_id=run_id,
    )


def _day(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None
