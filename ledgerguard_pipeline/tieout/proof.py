"""The proof of one company's books: every level in order, for the nightly run and the command alike.

What keeps a level from being compared becomes a finding of that level. Only where the whole company
is concerned (no grant, no permission at all) are the levels after it left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.errors import LedgerGuardError
from ledgerguard_pipeline.ingestion.report_loads import ReportLoads
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.silver.rebuild import make_alike
from ledgerguard_pipeline.tieout.account_levels.balances import AccountBalances
from ledgerguard_pipeline.tieout.account_levels.levels import Levels
from ledgerguard_pipeline.tieout.account_levels.statements import (
    Figure,
    MonthResult,
    Statements,
    trial_figures,
)
from ledgerguard_pipeline.tieout.differences import Difference, Level, TieOut
from ledgerguard_pipeline.tieout.document_levels.classes import is_known
from ledgerguard_pipeline.tieout.document_levels.levels import DocumentLevels
from ledgerguard_pipeline.tieout.document_levels.matched import Coverage
from ledgerguard_pipeline.tieout.findings import Finding, FindingKind, finding_of
from ledgerguard_pipeline.tieout.journal_sync import JournalLoad, JournalSync
from ledgerguard_pipeline.tieout.newer import explain_newer
from ledgerguard_pipeline.tieout.spans import month_end
from ledgerguard_pipeline.values import RealmId

REVISITED = 3
"""Earlier month ends with unexplained differences that a nightly run compares again, one call each."""
_SHOWN = 5


class ProofState(StrEnum):
    """What one run concluded."""

    TIED_OUT = "tied_out"
    BROKEN = "broken"
    """At least one difference has no explanation."""
    NOT_COMPARED = "not_compared"
    """Nothing differs in what was compared, and something could not be."""


@dataclass(frozen=True, slots=True)
class LevelResult:
    """One level, on one day where it has days; with a finding nothing was concluded from it."""

    level: Level | None
    """None for bringing the journal up to date, which precedes all levels."""
    end: date | None = None
    differences: tuple[Difference, ...] = ()
    finding: Finding | None = None


@dataclass(frozen=True, slots=True)
class ProofResult:
    """One run over one company; ``differences`` are all that are known of it, also of other days."""

    realm_id: str
    at: datetime
    ends: tuple[date, ...]
    journal: JournalLoad | None
    legs: int
    transactions: int
    levels: tuple[LevelResult, ...]
    differences: tuple[Difference, ...]
    metered_calls: int
    figures: tuple[Figure, ...] = ()
    months: tuple[MonthResult, ...] = ()
    """The year that ends with the last closed month, oldest first."""
    currency: str | None = None
    errors: tuple[LedgerGuardError, ...] = ()
    """What the findings were made of."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Each said once, however many levels met it."""
        return tuple(dict.fromkeys(each.finding for each in self.levels if each.finding))

    @property
    def unexplained(self) -> tuple[Difference, ...]:
        """The differences that break the proof."""
        return tuple(each for each in self.differences if each.breaks)

    @property
    def state(self) -> ProofState:
        if self.unexplained:
            return ProofState.BROKEN
        blocked = any(each.kind.blocks for each in self.findings)
        return ProofState.NOT_COMPARED if blocked else ProofState.TIED_OUT

    coverage: Coverage | None = None
    """How much of the journal the documents explain; None where that was not compared."""
    checked: Mapping[Level, int] = field(default_factory=dict)
    """How much each level compared: transactions, accounts, documents or parties."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What a level works with."""

    loads: ReportLoads
    store: BronzeStore
    realm: RealmId | str
    sync: JournalSync
    levels: Levels
    documents: DocumentLevels
    statements: Statements
    balances: AccountBalances
    clock: Clock

    @property
    def checked(self) -> Counter[Level]:
        """How much each level compared: accounts, documents or whatever it is about."""
        return (
            self.levels.checked
            + self.documents.checked
            + self.statements.checked
            + self.balances.checked
        )


Compare = Callable[[Bench, date], Sequence[Difference]]


@dataclass(frozen=True, slots=True)
class Step:
    """One level: how it is compared, and whether it is once for every month end asked about."""

    level: Level
    compare: Compare
    dated: bool = True


STEPS: tuple[Step, ...] = (
    Step(Level.BALANCED, lambda bench, _: bench.levels.balanced(), dated=False),
    Step(Level.TRIAL_BALANCE, lambda bench, end: bench.levels.trial_balance(end)),
    Step(Level.STATEMENTS, lambda bench, end: bench.statements.compare(end), dated=False),
    # After the months that differ were read again.
    Step(Level.DERIVED, lambda bench, _: bench.documents.derived(), dated=False),
    Step(Level.POSTINGS, lambda bench, _: bench.documents.matched()[0], dated=False),
    Step(Level.LISTED, lambda bench, _: bench.documents.listed(), dated=False),
    Step(Level.OPEN_ITEMS, lambda bench, end: bench.documents.open_items(end), dated=False),
    Step(Level.ACCOUNT_BALANCES, lambda bench, _: bench.balances.compare(), dated=False),
)
"""Every level, in the order in which they build on each other."""


class Proof:
    """Proves one company's books. Brings its journal up to date first."""

    def __init__(
        self,
        client: QBOClient,
        store: BronzeStore,
        realm: RealmId | str,
        clock: Clock,
        run_id: str | None = None,
        *,
        loads: ReportLoads | None = None,
    ) -> None:
        """Reports are asked for by ``client``, unless ``loads`` has them from elsewhere."""
        self._client = client
        self._store = store
        self._realm = realm
        self._clock = clock
        self._tie_out = TieOut(store.workspace)
        loads = loads or ReportLoads(client, store, realm, run_id)
        sync = JournalSync(loads, store, realm, clock)
        levels = Levels(loads, store, realm, sync)
        documents = DocumentLevels(loads, store, realm, sync, clock, client.capabilities)
        statements = Statements(loads, store, realm, sync.journal, levels)
        balances = AccountBalances(store, realm, sync.journal, levels, clock)
        self.bench = Bench(
            loads, store, realm, sync, levels, documents, statements, balances, clock
        )

    def run(self, ends: Sequence[date] | None = None) -> ProofResult:
        """All levels; on these days, or on those a nightly run looks at.

        Never raises for what a report or a company lacks: that is a finding. What is no fault of
        this kind (a full disk) is raised.

        Raises:
            BronzeError: the result could not be read or kept.
        """
        with self._store.workspace.shared():
            return self._run(ends)

    def _run(self, ends: Sequence[date] | None) -> ProofResult:
        today = self._clock.now().date()
        chosen = tuple(ends) if ends else self.nightly_ends(today)
        calls = self._client.stats.metered_calls
        errors: list[LedgerGuardError] = []
        journal: JournalLoad | None = None
        results: list[LevelResult] = []
        figures: tuple[Figure, ...] = ()
        try:
            make_alike(self._store, self._realm, self._clock)
            journal = self.bench.sync.bring_up_to_date(today)
        except LedgerGuardError as error:
            errors.append(error)
            results.append(LevelResult(None, finding=finding_of(error)))
        else:
            results += self._levels(chosen, errors)
            results = [self._again(each) for each in results]
            results += self._surroundings(chosen[-1])
            every = (*self.bench.statements.figures, *self._todays_figures(chosen[-1]))
            # On a month end both name the same; what a statement says goes first.
            figures = tuple({(each.name, each.day): each for each in reversed(every)}.values())
            self._supersede(chosen, today)
            known = self._tie_out.read(self._realm)
            explain_newer(self._client, self._store, self._realm, known)
        legs, transactions = self.bench.sync.journal.count(self._realm)
        checked = self.bench.checked
        if journal is not None:
            checked[Level.BALANCED] = transactions
        return ProofResult(
            str(self._realm),
            self._clock.now(),
            chosen,
            journal,
            legs,
            transactions,
            tuple(results),
            tuple(self._tie_out.read(self._realm)),
            self._client.stats.metered_calls - calls,
            figures,
            tuple(self.bench.statements.months),
            self.bench.levels.facts().home_currency,
            tuple(errors),
            coverage=self.bench.documents.coverage,
            checked=checked,
        )

    def nightly_ends(self, today: date) -> tuple[date, ...]:
        """Month ends that broke the proof when they were compared last, the last closed one, and today."""
        closed = today.replace(day=1) - timedelta(days=1)
        known = {
            each.period_end
            for each in self._tie_out.read(self._realm)
            if each.level is Level.TRIAL_BALANCE and each.breaks
        }
        earlier = sorted(each for each in known if each < closed and each == month_end(each))
        return (*earlier[-REVISITED:], closed, today)

    def _levels(
        self, ends: Sequence[date], errors: list[LedgerGuardError]
    ) -> Iterator[LevelResult]:
        barred: Finding | None = None
        for step in STEPS:
            for end in ends if step.dated else ends[-1:]:
                at = end if step.dated else None
                if barred is not None:
                    yield LevelResult(step.level, at, finding=barred)
                    continue
                try:
                    found = step.compare(self.bench, end)
                except LedgerGuardError as error:
                    errors.append(error)
                    finding = finding_of(error)
                    barred = finding if finding.company_wide else None
                    yield LevelResult(step.level, at, finding=finding)
                else:
                    yield LevelResult(step.level, at, tuple(found))

    def _again(self, result: LevelResult) -> LevelResult:
        """What did not balance, once more: later levels mend it by reading again."""
        if result.level is not Level.BALANCED or not result.differences:
            return result
        return LevelResult(result.level, None, tuple(self.bench.levels.balanced()))

    def _todays_figures(self, end: date) -> Iterator[Figure]:
        """Both figures people know their books by, from the TrialBalance of the day."""
        last = self.bench.levels.last
        if last is not None and last.end == end:
            yield from trial_figures(last)

    def _surroundings(self, end: date) -> Iterator[LevelResult]:
        """What the journal has and Bronze cannot account for, whether the sums agree or not."""
        known = self.bench.levels.accounts()
        sums = self.bench.sync.journal.sums(self._realm, end)
        strange = [
            f"{each.account_id} {each.name}" for each in sums if each.account_id not in known
        ]
        if strange and known:
            text = (
                f"QuickBooks' journal has amounts on accounts that Bronze does not know: "
                f"{_listed(strange)}. Run `ledgerguard sync --entity Account`."
            )
            yield LevelResult(
                Level.TRIAL_BALANCE, end, finding=Finding(FindingKind.UNKNOWN_ACCOUNT, text)
            )
        changed = list(self.bench.sync.closed_changes)
        if changed:
            closed = self.bench.levels.facts().closed_until
            text = (
                f"The books are closed until {closed}, and QuickBooks' journal of these days changed: "
                f"{_listed(changed)}. The copy has it too; look at the audit log in QuickBooks, and at "
                "what was reported from these days before."
            )
            yield LevelResult(
                Level.TRIAL_BALANCE, end, finding=Finding(FindingKind.CLOSED_BOOKS_CHANGED, text)
            )
        contradicted = self.bench.documents.contradicted()
        if contradicted:
            text = (
                f"The journal shows the tax of one rate on several accounts: {_listed(contradicted)}. "
                "Documents are posted to the account that most of them show; look at the others in "
                "QuickBooks, which stay differences."
            )
            yield LevelResult(
                Level.POSTINGS, end, finding=Finding(FindingKind.TAX_CONTRADICTED, text)
            )
        labels = [
            each for each in self.bench.sync.journal.labels(self._realm) if not is_known(each)
        ]
        if labels:
            text = (
                f"The journal names transactions in words that are not known: {_listed(labels)}. "
                "Accounts are compared by their ids all the same; documents of these types cannot "
                "be matched. Reports in English need a company whose language is English."
            )
            yield LevelResult(
                Level.TRIAL_BALANCE, end, finding=Finding(FindingKind.UNKNOWN_TYPE, text)
            )

    def _supersede(self, ends: Sequence[date], today: date) -> None:
        """A day that is no month end counts until a later one was compared."""
        if today not in ends:
            return
        passed = {
            each.period_end
            for each in self._tie_out.read(self._realm)
            if each.level is Level.TRIAL_BALANCE
            and each.period_end not in ends
            and each.period_end != month_end(each.period_end)
        }
        self._tie_out.forget(self._realm, Level.TRIAL_BALANCE, sorted(passed))


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"
