"""Reports of a company: one at a time, or a long window in parts that Intuit can answer whole."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import TypeVar

from ledgerguard_pipeline.errors import (
    AnswerTooBig,
    AnswerTooSlow,
    BadInputError,
    FeatureUnavailable,
    ReportCut,
)
from ledgerguard_pipeline.qbo.answers.report import ReportAnswer, read_report
from ledgerguard_pipeline.qbo.queries import read_requests
from ledgerguard_pipeline.qbo.session import Parse
from ledgerguard_pipeline.reports.types import ReportRequest, report_request

T = TypeVar("T")

WINDOW_MONTHS = 6
"""Intuit advises against longer windows of reports that list transactions."""
Rejected = Callable[[ReportAnswer], object]


class Reporting(ABC):
    """The part of a client that asks for reports."""

    @abstractmethod
    def _call(self, read: read_requests.Read, parse: Parse[T]) -> T:
        """Make one read."""

    def report(self, name: str, **parameters: object) -> ReportAnswer:
        """One report, whole. ``name`` is Intuit's (``TrialBalance``) or ``trial-balance``.

        Dates are ``date`` objects or ISO texts, ``class_`` stands for ``class``. The basis is
        accrual unless ``accounting_method="Cash"`` is asked for.

        Raises:
            BadInputError: no such report or parameter, or a value it does not take.
            ReportCut: the answer does not hold all of it; ``report_windows`` asks in parts.
            FeatureUnavailable: this person may not see it, or the edition lacks it.
            QBOAPIError, QBOAuthError: the call failed.
        """
        return self.requested_report(report_request(name, parameters))

    def requested_report(self, request: ReportRequest) -> ReportAnswer:
        """As ``report``, for a request that is checked already."""
        try:
            return self._call(
                read_requests.report(request), lambda answer: read_report(answer, request)
            )
        except FeatureUnavailable as error:
            raise FeatureUnavailable(
                f"QuickBooks does not show {request.type.name} to this connection "
                f"({error.said or 'no permission'}). Let an administrator of the company connect "
                "it, or leave the report out.",
                realm_id=error.realm_id,
                entity=request.type.name,
                fault_code=error.fault_code,
                intuit_tid=error.intuit_tid,
                status=error.status,
            ) from error

    def report_windows(
        self,
        name: str,
        *,
        rejected: Rejected | None = None,
        months: int = WINDOW_MONTHS,
        **parameters: object,
    ) -> Iterator[ReportAnswer]:
        """A report of single transactions over any window, in parts, oldest first.

        Parts are ``months`` long; one that is cut, too big or too slow is asked for in halves, down
        to a day. ``rejected`` is called with answers that were cut, which are evidence and no
        result.

        Raises:
            BadInputError: the report is not one of single transactions, or as ``report``.
            ReportCut: a single day does not fit; the message names it.
            QBOAPIError, QBOAuthError: a call failed.
        """
        yield from self.requested_windows(
            report_request(name, parameters), rejected=rejected, months=months
        )

    def requested_windows(
        self,
        request: ReportRequest,
        *,
        rejected: Rejected | None = None,
        months: int = WINDOW_MONTHS,
    ) -> Iterator[ReportAnswer]:
        """As ``report_windows``, for a request that is checked already."""
        if not request.type.divisible or request.start is None or request.end is None:
            raise BadInputError(
                f"{request.type.name} cannot be asked for in windows; it takes start_date and "
                "end_date and adds up only as JournalReport, GeneralLedger and the lists of "
                "transactions do."
            )
        for first, last in windows(request.start, request.end, months):
            yield from self._window(request.within(first, last), rejected)

    def _window(self, request: ReportRequest, rejected: Rejected | None) -> Iterator[ReportAnswer]:
        first, last = request.start, request.end
        if first is None or last is None:
            raise BadInputError(f"{request.type.name} has no window.")
        try:
            yield self.requested_report(request)
        except (AnswerTooBig, AnswerTooSlow) as error:
            answer = error.answer if isinstance(error, ReportCut) else None
            if rejected is not None and isinstance(answer, ReportAnswer):
                rejected(answer)
            if first == last:
                raise _day_too_big(request, error) from error
        else:
            return
        middle = first + (last - first) // 2
        yield from self._window(request.within(first, middle), rejected)
        yield from self._window(request.within(middle + timedelta(days=1), last), rejected)


def windows(start: date, end: date, months: int) -> Iterator[tuple[date, date]]:
    """Spans of so many calendar months that together are the window, oldest first."""
    first = start
    while first <= end:
        number = first.year * 12 + first.month - 1 + months
        next_ = date(number // 12, number % 12 + 1, 1)
        yield first, min(end, next_ - timedelta(days=1))
        first = next_


def _day_too_big(request: ReportRequest, error: AnswerTooBig | AnswerTooSlow) -> ReportCut:
    found = ReportCut(
        f"{request.type.name} of the single day {request.end} does not come whole: {error.message} "
        "Nothing of that day was used; look at the day in QuickBooks.",
        realm_id=error.realm_id,
        entity=request.type.name,
        fault_code=error.fault_code,
        intuit_tid=error.intuit_tid,
        status=error.status,
    )
    found.answer = error.answer if isinstance(error, ReportCut) else None
    return found
