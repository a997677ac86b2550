"""L0a and L3: does each transaction balance, and does the journal say what the TrialBalance says.

Intuit restarts income and expenses each fiscal year and shows the years before in Retained
Earnings, without any transaction. Whether a company's TrialBalance does so is not assumed: of both readings
that one counts under which fewer accounts differ, and a mixture of both is a difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from ledgerguard_pipeline.bronze.read.company_facts import CompanyFacts
from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.ingestion.report_loads import ReportLoads
from ledgerguard_pipeline.qbo.reporting import WINDOW_MONTHS, windows
from ledgerguard_pipeline.reports.balances import read_trial_balance
from ledgerguard_pipeline.reports.journal import exact_sum
from ledgerguard_pipeline.reports.shape import NOTHING, UnreadableReport
from ledgerguard_pipeline.reports.stored import Window, stored_requests
from ledgerguard_pipeline.tieout.account_levels.accounts import (
    Account,
    read_accounts,
    retained_earnings,
)
from ledgerguard_pipeline.tieout.differences import Difference, DifferenceClass, Level, TieOut
from ledgerguard_pipeline.tieout.documents import first_and_last_day
from ledgerguard_pipeline.tieout.findings import FindingKind, NotCompared
from ledgerguard_pipeline.tieout.journal_store import JournalStore, LegSums
from ledgerguard_pipeline.tieout.journal_sync import JournalSync
from ledgerguard_pipeline.tieout.spans import Span, merged, month_end, next_month, within
from ledgerguard_pipeline.values import RealmId

Balances = dict[str, Decimal]
_SHOWN = 5
"""Transactions that a message names."""
_UNKNOWN = "Bronze does not know this account: sync Account."
_NO_ACCOUNT = "QuickBooks names no account for it."
_GAINED = "What accounts in other currencies gained or lost, which QuickBooks books nowhere."


@dataclass(frozen=True, slots=True)
class Trial:
    """Intuit's balances on a day, with their report's id and the names it gives accounts."""

    balances: Balances
    names: Mapping[str, str]
    report_id: str


@dataclass(frozen=True, slots=True)
class Compared:
    """What every account stands at on a day: by the journal, and by Intuit's TrialBalance.

    ``names`` are as Bronze, else as the report or the journal names an account.
    """

    end: date
    ours: Balances
    trial: Trial
    accounts: Mapping[str, Account]
    names: Mapping[str, str]

    @property
    def count(self) -> int:
        """How many accounts either side has."""
        return len(self.ours.keys() | self.trial.balances.keys())

    @property
    def differing(self) -> list[str]:
        """Ids of the accounts that do not agree."""
        return _differing(self.ours, self.trial.balances)


class Levels:
    """The checks of one company's journal."""

    def __init__(
        self,
        loads: ReportLoads,
        store: BronzeStore,
        realm: RealmId | str,
        sync: JournalSync,
    ) -> None:
        self._loads = loads
        self._store = store
        self._realm = realm
        self.sync = sync
        """What reads the journal again."""
        self._journal = JournalStore(store.workspace)
        self._tie_out = TieOut(store.workspace)
        self._accounts: dict[str, Account] | None = None
        self._facts: CompanyFacts | None = None
        self.last: Compared | None = None
        """The accounts as they were compared last."""
        self.checked: Counter[Level] = Counter()
        """Accounts that were compared, counted once for each day."""

    def balanced(self) -> list[Difference]:
        """L0a: transactions of the journal whose debits and credits differ. No call."""
        found = []
        for each in self._journal.unbalanced(self._realm):
            name = f"{each.type} {each.number}".strip()
            found.append(
                Difference(
                    Level.BALANCED,
                    each.posted_on,
                    f"{each.type}/{each.id}",
                    name,
                    each.debit,
                    each.credit,
                    report_id=each.report_id,
                )
            )
        return self._tie_out.keep(self._realm, Level.BALANCED, None, found)

    def trial_balance(self, end: date, *, repair: bool = True) -> list[Difference]:
        """L3: accounts of which the journal and Intuit's TrialBalance of a day differ.

        With ``repair`` the first month with an unexplained difference is found by bisection (a call
        a step), read again and compared, which names the transactions. Where that changes something and
        is not all, the months after it are read again too, half a year in a call. What it mends is no
        difference any more.

        Raises:
            NotCompared: nothing could be concluded; it says why.
            QBOAPIError, QBOAuthError, BronzeError: a report could not be read.
        """
        trial = self._trial(end)
        found = self._compare(end, trial)
        notes: dict[str, str] = {}
        # An account that Intuit revalues differs in every month since it was used first.
        if repair and any(each.breaks for each in found):
            notes = self._reread(end, trial)
            found = self._compare(end, trial) if notes else found
            if found:  # books that moved meanwhile are no difference
                trial = self._trial(end)
                found = self._compare(end, trial)
        found = [_explained(each, notes.get(each.key, "")) for each in found]
        if self.last is not None:
            self.checked[Level.TRIAL_BALANCE] += self.last.count
        return self._tie_out.keep(self._realm, Level.TRIAL_BALANCE, end, found)

    def accounts(self) -> dict[str, Account]:
        """The accounts, read once: opening the store costs more than the rest of a comparison."""
        if self._accounts is None:
            self._accounts = read_accounts(self._store.workspace, self._realm)
        return self._accounts

    def facts(self) -> CompanyFacts:
        """Fiscal year and currencies, read once."""
        if self._facts is None:
            self._facts = self._store.reports.company_facts(self._realm)
        return self._facts

    def compared(self, end: date) -> Compared:
        """Every account on a day, with a TrialBalance asked for now.

        Raises:
            NotCompared, QBOAPIError, QBOAuthError, BronzeError: as ``trial_balance``.
        """
        return self._side_by_side(end, self._trial(end))

    def _trial(self, end: date) -> Trial:
        facts = self.facts()
        asked = Window(end.replace(day=1), end, facts.fiscal_year(end), facts.multicurrency)
        (request,) = stored_requests("TrialBalance", asked)
        load = self._loads.request(request)
        (answer,), (id,) = load.answers, load.report_ids
        try:
            reading = read_trial_balance(answer.report)
        except UnreadableReport as error:
            raise self._unusable(id, str(error)) from None
        faults = reading.faults()
        if faults:
            raise self._unusable(id, "; ".join(faults))
        if not reading.accounts and self._has_books(end):
            raise self._unusable(
                id, "it shows no account, and the company has books", FindingKind.REPORT_EMPTY
            )
        return Trial(
            {each.id: each.balance for each in reading.accounts},
            {each.id: each.name for each in reading.accounts},
            id,
        )

    def _has_books(self, end: date) -> bool:
        first, _ = first_and_last_day(self._store.workspace, self._realm)
        dated = first is not None and first <= end
        return dated or any(each.amount for each in self._journal.sums(self._realm, end))

    def _unusable(
        self, id: str, why: str, kind: FindingKind = FindingKind.REPORT_UNREADABLE
    ) -> NotCompared:
        return NotCompared(
            f"The TrialBalance kept as {id} cannot be compared: {why}. Nothing was concluded from "
            "it; run the check again.",
            kind,
            realm_id=str(self._realm),
            entity="TrialBalance",
        )

    def _compare(self, end: date, trial: Trial) -> list[Difference]:
        found = self._side_by_side(end, trial)
        home = self.facts().home_currency
        differing = [
            Difference(
                Level.TRIAL_BALANCE,
                end,
                id,
                found.names.get(id, ""),
                found.ours.get(id, NOTHING),
                trial.balances.get(id, NOTHING),
                "" if id in found.accounts else _UNKNOWN if id else _NO_ACCOUNT,
                class_of(found.accounts.get(id), home),
                trial.report_id,
            )
            for id in found.differing
        ]
        return with_gains(differing, found.accounts)

    def _side_by_side(self, end: date, trial: Trial) -> Compared:
        accounts = self.accounts()
        if not accounts:
            raise NotCompared(
                "Bronze holds no account of this company, so income and expenses cannot be "
                "separated from balances. Run `ledgerguard sync` first; nothing was concluded.",
                FindingKind.ACCOUNTS_MISSING,
                realm_id=str(self._realm),
                entity="Account",
            )
        facts = self.facts()
        whole = self._journal.sums(self._realm, end)
        year = self._journal.sums(self._realm, end, facts.fiscal_year(end))
        since = {each.account_id: each.amount for each in whole}
        ours = min(
            (rolled(since, {each.account_id: each.amount for each in year}, accounts), since),
            key=lambda reading: len(_differing(reading, trial.balances)),
        )
        names = {each.account_id: each.name for each in whole} | dict(trial.names)
        names |= {each.id: each.name for each in accounts.values() if each.name}
        self.last = Compared(end, ours, trial, accounts, names)
        return self.last

    def _reread(self, end: date, trial: Trial) -> dict[str, str]:
        """Read again from the first month that differs without an explanation; what changed, by account."""
        month = self._first_bad_month(end)
        if month is None:
            return {}
        changed: dict[str, list[str]] = {}
        self._reload(month, changed)
        after, last = next_month(month[1]), month_end(end)
        # Intuit may change many months at once (decision 113).
        if changed and after <= last and any(each.breaks for each in self._compare(end, trial)):
            for span in windows(after, last, WINDOW_MONTHS):
                if within(merged(self.sync.read), *span) != [span]:
                    self._reload(span, changed)
        return {
            account: f"Read again from QuickBooks: {', '.join(each[:_SHOWN])}."
            for account, each in changed.items()
        }

    def _reload(self, span: Span, changed: dict[str, list[str]]) -> None:
        before = self._journal.legs(self._realm, *span)
        self.sync.reload(*span)
        for account, each in _changes(before, self._journal.legs(self._realm, *span)).items():
            changed.setdefault(account, []).extend(each)

    def _first_bad_month(self, end: date) -> tuple[date, date] | None:
        """The month after the last month end on which nothing is unexplained."""
        known = self._journal.windows(self._realm)
        if not known:
            return None
        ends = _month_ends(known[0].start, end)
        low, high = 0, len(ends) - 1
        while low < high:
            middle = (low + high) // 2
            if self._differs(ends[middle]):
                high = middle
            else:
                low = middle + 1
        return ends[low].replace(day=1), month_end(ends[low])

    def _differs(self, day: date) -> bool:
        try:
            found = self._compare(day, self._trial(day))
        except NotCompared as error:
            first, _ = first_and_last_day(self._store.workspace, self._realm)
            if error.kind is not FindingKind.REPORT_EMPTY or (first is not None and first <= day):
                raise
            # The journal alone has something by then, which QuickBooks may have no more.
            return True
        return any(each.breaks for each in found)


def rolled(whole: Balances, year: Balances, accounts: Mapping[str, Account]) -> Balances:
    """Income and expenses of this fiscal year, the years before in Retained Earnings."""
    found = dict(whole)
    retained = retained_earnings(accounts)
    earlier: list[Decimal] = []
    for id, account in accounts.items():
        if account.result and id in found:
            kept = year.get(id, NOTHING)
            earlier.append(exact_sum((found[id], kept.copy_negate())))
            found[id] = kept
    if retained is not None and any(earlier):
        found[retained] = exact_sum((found.get(retained, NOTHING), *earlier))
    return found


def _differing(ours: Balances, theirs: Balances) -> list[str]:
    ids = sorted(ours.keys() | theirs.keys(), key=lambda id: (len(id), id))
    return [id for id in ids if ours.get(id, NOTHING) != theirs.get(id, NOTHING)]


def class_of(account: Account | None, home: str | None) -> DifferenceClass:
    """Accounts in another currency are revalued by Intuit at the day's rate, without a booking."""
    foreign = account is not None and account.currency is not None and home is not None
    if foreign and account is not None and account.currency != home:
        return DifferenceClass.REVALUATION
    return DifferenceClass.UNEXPLAINED


def with_gains(found: Sequence[Difference], accounts: Mapping[str, Account]) -> list[Difference]:
    """Give what such accounts gained its class too, where it stands against them to the last digit.

    Books balance, so a TrialBalance that values accounts anew shows the gain somewhere, without a
    transaction: on the account of exchange gains, or on none that Bronze knows
    (decision 107).
    """
    gained = [each for each in found if each.kind is DifferenceClass.REVALUATION]
    whole = exact_sum(each.difference for each in gained).copy_negate()
    against = [
        each
        for each in found
        if each.kind is not DifferenceClass.REVALUATION
        and (each.key not in accounts or accounts[each.key].exchange)
        and each.difference == whole
    ]
    if not gained or len(against) != 1:
        return list(found)
    return [
        replace(each, kind=DifferenceClass.REVALUATION, explanation=_GAINED)
        if each is against[0]
        else each
        for each in found
    ]


def _changes(before: LegSums, after: LegSums) -> dict[str, list[str]]:
    """By account: the transactions of which Intuit's journal says something else now."""
    found: dict[str, list[str]] = {}
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key, {}), after.get(key, {})
        for account in sorted(old.keys() | new.keys()):
            amount = exact_sum((new.get(account, NOTHING), old.get(account, NOTHING).copy_negate()))
            if amount:
                found.setdefault(account, []).append(f"{key[0]} (id {key[1]}) {amount:f}")
    return found


def _explained(each: Difference, note: str) -> Difference:
    text = " ".join(part for part in (each.explanation, note) if part)
    return replace(each, explanation=text)


def _month_ends(start: date, end: date) -> Sequence[date]:
    found = []
    day = month_end(start)
    while day < end:
        found.append(day)
        day = month_end(day + timedelta(days=1))
    return [*found, end]
