"""Keeping the journal current: all of it once, then the months that changed.

What no span holds yet is read in windows of half a year, so a first load that was interrupted goes on
with the windows it did not come to.

A month changed where Bronze has a new version of a document that is dated in it, or was before; where
TransactionList lists a transaction written or changed since, which is how payroll and tax payments are
noticed; and the current month always is read again, because costs of goods come late.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.ingestion.report_loads import ReportLoads
from ledgerguard_pipeline.reports.balances import read_trial_balance
from ledgerguard_pipeline.reports.journal import JournalReading, read_journal
from ledgerguard_pipeline.reports.shape import Report, UnreadableReport
from ledgerguard_pipeline.reports.stored import Window, stored_requests
from ledgerguard_pipeline.reports.transactions import read_transactions
from ledgerguard_pipeline.reports.types import report_request
from ledgerguard_pipeline.tieout.documents import (
    books_between,
    changed_days,
    days_after,
    first_and_last_day,
)
from ledgerguard_pipeline.tieout.findings import FindingKind, NotCompared
from ledgerguard_pipeline.tieout.journal_store import JournalStore, LoadedPart
from ledgerguard_pipeline.tieout.spans import Span, merged, months_of, unread, within
from ledgerguard_pipeline.values import RealmId

T = TypeVar("T")
_ATTEMPTS = 3
_DAY = timedelta(days=1)
_YEARS = 60
"""Fiscal years a company's books are followed back at most."""
_OLDEST = date(1990, 1, 1)
"""What changed is asked for from here on: opening stock is written later, of a day before all documents."""


@dataclass(frozen=True, slots=True)
class JournalLoad:
    """What was read: spans of days, and how many legs each has now."""

    spans: tuple[tuple[date, date], ...]
    legs: int


class JournalSync:
    """The journal of one company."""

    def __init__(
        self, loads: ReportLoads, store: BronzeStore, realm: RealmId | str, clock: Clock
    ) -> None:
        self._loads = loads
        self._store = store
        self._realm = realm
        self._clock = clock
        self.journal = JournalStore(store.workspace)
        self.read: list[Span] = []
        """The spans that were read since this was brought up to date last, in order."""
        self.closed_changes: dict[str, None] = {}
        """Transactions of closed books, by type and id, of which the journal changed; in order."""

    def bring_up_to_date(self, today: date | None = None) -> JournalLoad:
        """Load what was never loaded, and what changed since.

        Raises:
            NotCompared: Bronze does not say how this company keeps its books.
            ReportCut, QBOAPIError, QBOAuthError, BronzeError: a part failed; the spans before it
                are kept, the others are as they were.
        """
        if not self._store.reports.company_facts(self._realm).loaded:
            raise NotCompared(
                "Bronze holds no CompanyInfo or no Preferences of this company, so its fiscal year "
                "and its currencies are not known. Run `ledgerguard sync --entity CompanyInfo "
                "--entity Preferences` first; nothing was compared.",
                FindingKind.COMPANY_MISSING,
                realm_id=str(self._realm),
                entity="CompanyInfo",
            )
        day = today or self._clock.now().date()
        self.read.clear()
        bronze_at = self.bronze_at()
        known = self.journal.windows(self._realm)
        held = [(each.start, each.end) for each in known]
        first, newest = first_and_last_day(self._store.workspace, self._realm)
        begin = held[0][0] if known else self._beginning(first or day.replace(month=1, day=1))
        # Of what was ever dated ahead only what still is.
        ahead = newest is not None and newest > day
        later = days_after(self._store.workspace, self._realm, day) if ahead else set()
        spans = list(unread(held, begin, day, later))
        if known:
            since = min(each.bronze_at or each.loaded_at for each in known)
            new = merged(spans)
            spans += [
                month
                for month in months_of(self._changed(since, day, first, newest))
                if within(new, *month) != [month]
            ]
        spans.sort()
        legs = sum(self.reload(start, end) for start, end in spans)
        self.journal.level_with(self._realm, bronze_at)
        return JournalLoad(tuple(spans), legs)

    def reload(self, start: date, end: date) -> int:
        """Read a span of days again and put it in place of what the journal had of it.

        A snapshot that moved while it was read is read again.

        Raises:
            ReportCut, QBOAPIError, QBOAuthError, BronzeError: the span is as it was.
        """
        for _ in range(_ATTEMPTS):
            before = self.bronze_at()
            parts = self._read(start, end)
            if not self._moved(before, start, end):
                legs = self._replace(start, end, parts, before)
                self.read.append((start, end))
                return legs
        raise NotCompared(
            f"Documents of {start} to {end} changed each time the journal was read ({_ATTEMPTS} "
            "times). The journal was left as it is; the next run tries again.",
            FindingKind.BOOKS_MOVED,
            realm_id=str(self._realm),
            entity="JournalReport",
        )

    def _replace(
        self, start: date, end: date, parts: Sequence[LoadedPart], bronze_at: datetime | None
    ) -> int:
        closed = self._store.reports.company_facts(self._realm).closed_until
        known = [] if closed is None or closed < start else self._known(start, min(closed, end))
        before = [self.journal.legs(self._realm, *span) for span in known]
        legs = self.journal.replace(self._realm, start, end, parts, bronze_at)
        for span, old in zip(known, before, strict=True):
            new = self.journal.legs(self._realm, *span)
            for key in sorted(old.keys() | new.keys()):
                if _sums(old.get(key)) != _sums(new.get(key)):
                    self.closed_changes[f"{key[0]} (id {key[1]})"] = None
        return legs

    def _known(self, start: date, end: date) -> list[Span]:
        """The days of a span of which the journal said something before.

        What is read for the first time is no change. Of days before all it holds it says that they
        have nothing.
        """
        held = [(each.start, each.end) for each in self.journal.windows(self._realm)]
        return within(merged([(date.min, held[0][0] - _DAY), *held]), start, end) if held else []

    def _beginning(self, day: date) -> date:
        """The day before which nothing stands on any account, by Intuit's own TrialBalance.

        The first document of Bronze is no proof: opening balances and stock may be older.
        """
        for _ in range(_YEARS):
            eve = day - timedelta(days=1)
            facts = self._store.reports.company_facts(self._realm)
            asked = Window(eve.replace(day=1), eve, facts.fiscal_year(eve), facts.multicurrency)
            (request,) = stored_requests("TrialBalance", asked)
            load = self._loads.request(request)
            (answer,), (id,) = load.answers, load.report_ids
            reading = self._opened(read_trial_balance, answer.report, id)
            if not any(each.balance for each in reading.accounts):
                break
            day = facts.fiscal_year(eve)
        return day

    def _moved(self, before: datetime | None, start: date, end: date) -> bool:
        """Whether Bronze got documents of these days since then."""
        if self.bronze_at() == before:
            return False
        days = changed_days(self._store.workspace, self._realm, before)
        return any(start <= day <= end for day in days)

    def _read(self, start: date, end: date) -> list[LoadedPart]:
        facts = self._store.reports.company_facts(self._realm)
        asked = Window(start, end, facts.fiscal_year(end), facts.multicurrency)
        (request,) = stored_requests("JournalReport", asked)
        load = self._loads.request(request)
        found = []
        for id, answer in zip(load.report_ids, load.answers, strict=True):
            first, last = answer.request.start or start, answer.request.end or end
            reading = self._opened(_whole_journal, answer.report, id)
            found.append(LoadedPart(id, first, last, reading.transactions))
        if not any(part.transactions for part in found) and books_between(
            self._store.workspace, self._realm, start, end
        ):
            raise NotCompared(
                f"The JournalReport of {start} to {end} shows nothing, and Bronze has documents of "
                "these days. The journal was left as it is; run the comparison again, and if it "
                "stays empty look at the report in QuickBooks.",
                FindingKind.REPORT_EMPTY,
                realm_id=str(self._realm),
                entity="JournalReport",
            )
        return found

    def _opened(self, read: Callable[[Report], T], report: Report, id: str) -> T:
        try:
            return read(report)
        except UnreadableReport as error:
            raise NotCompared(
                f"The {report.name} kept as {id} cannot be read: {error}. The journal was left as "
                "it is.",
                FindingKind.REPORT_UNREADABLE,
                realm_id=str(self._realm),
                entity=report.name,
            ) from None

    def _changed(
        self, since: datetime, today: date, first: date | None, newest: date | None
    ) -> Iterable[date]:
        yield today
        yield from changed_days(self._store.workspace, self._realm, since)
        request = report_request(
            "TransactionList",
            {
                "start_date": min(first or _OLDEST, _OLDEST),
                "end_date": max(newest or today, today),
                "start_moddate": since.date() - timedelta(days=1),
                "end_moddate": self._clock.now().date() + timedelta(days=1),
            },
        )
        # What changed is little, however long the books are: one call.
        load = self._loads.request(request, months=12 * _YEARS)
        for answer, id in zip(load.answers, load.report_ids, strict=True):
            for each in self._opened(read_transactions, answer.report, id):
                yield date.fromisoformat(each.date)

    def bronze_at(self) -> datetime | None:
        """Up to where Bronze is now."""
        loads = self._store.last_loads(self._realm)
        return max((each.loaded_at for each in loads.values()), default=None)


def _whole_journal(report: Report) -> JournalReading:
    reading = read_journal(report)
    faults = reading.faults()
    if faults:
        raise UnreadableReport("; ".join(faults))
    return reading


def _sums(legs: Mapping[str, Decimal] | None) -> dict[str, Decimal]:
    return {account: amount for account, amount in (legs or {}).items() if amount}
