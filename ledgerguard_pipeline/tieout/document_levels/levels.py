"""L0b, L1, L2 and L4: do Bronze's documents explain what Intuit's reports show.

A snapshot that moved while it was read is read again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import date
from decimal import Decimal

from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.capabilities import Capabilities, Capability
from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.ingestion.report_loads import ReportLoads
from ledgerguard_pipeline.reports.balances import read_aging
from ledgerguard_pipeline.reports.shape import UnreadableReport
from ledgerguard_pipeline.reports.transactions import ListedTransaction, read_transactions
from ledgerguard_pipeline.reports.types import report_request
from ledgerguard_pipeline.silver.rebuild import catch_up
from ledgerguard_pipeline.tieout.differences import (
    GUESSED,
    Difference,
    DifferenceClass,
    Level,
    TieOut,
)
from ledgerguard_pipeline.tieout.document_levels.facts import read_documents
from ledgerguard_pipeline.tieout.document_levels.labels import name_journal
from ledgerguard_pipeline.tieout.document_levels.listed import COLUMNS, HOME_COLUMN, compare_listed
from ledgerguard_pipeline.tieout.document_levels.matched import Coverage, Matched, match
from ledgerguard_pipeline.tieout.document_levels.months import ListedMonths, spans_of
from ledgerguard_pipeline.tieout.document_levels.open_items import (
    SIDES,
    Side,
    compare_open_items,
    read_open_items,
)
from ledgerguard_pipeline.tieout.documents import changed_days
from ledgerguard_pipeline.tieout.findings import FindingKind, NotCompared
from ledgerguard_pipeline.tieout.journal_store import has_table
from ledgerguard_pipeline.tieout.journal_sync import JournalSync
from ledgerguard_pipeline.tieout.postings.store import Derived, PostingStore
from ledgerguard_pipeline.tieout.rereading import reread
from ledgerguard_pipeline.values import RealmId

_ATTEMPTS = 3
_OPEN = ("Invoice", "CreditMemo", "Payment", "Bill", "VendorCredit", "BillPayment", "JournalEntry")
"""Types that leave something open, or settle it."""
_UNEVEN = """
SELECT entity, txn_id, min(txn_date), coalesce(sum(amount) FILTER (amount > 0), 0),
    -coalesce(sum(amount) FILTER (amount < 0), 0), bool_or(confidence = 'guess')
FROM silver.postings WHERE realm_id = ? GROUP BY entity, txn_id HAVING sum(amount) <> 0
ORDER BY entity, length(txn_id), txn_id
"""
_POSTED = "SELECT count(DISTINCT (entity, txn_id)) FROM silver.postings WHERE realm_id = ?"
_CONTRADICTED = """
SELECT tax_rate_id, side, account_id, seen, contradicted FROM silver.tax_account
WHERE realm_id = ? AND contradicted > 0 ORDER BY contradicted DESC, length(tax_rate_id), tax_rate_id, side
"""


class DocumentLevels:
    """The checks of one company's documents."""

    def __init__(
        self,
        loads: ReportLoads,
        store: BronzeStore,
        realm: RealmId | str,
        sync: JournalSync,
        clock: Clock,
        capabilities: Capabilities,
    ) -> None:
        self._loads = loads
        self._store = store
        self._realm = realm
        self._sync = sync
        self._clock = clock
        self._capabilities = capabilities
        self._postings = PostingStore(store)
        self._tie_out = TieOut(store.workspace)
        self.coverage: Coverage | None = None
        """How much of the journal documents explained when it was compared last."""
        self.checked: Counter[Level] = Counter()
        """Documents, transactions and parties that were compared."""

    def derive(self) -> Derived:
        """Bring ``silver.postings`` up to date, and learn what reports call things. No call.

        Raises:
            NotCompared: Silver has no account of this company.
            BronzeError: nothing could be kept.
        """
        name_journal(self._store.workspace, str(self._realm))
        return self._postings.bring_up_to_date(self._realm)

    def derived(self) -> list[Difference]:
        """L0b: documents whose legs by the posting rules do not balance. No call.

        ``silver.postings`` is brought up to date first.

        Raises:
            NotCompared, BronzeError: as ``derive``.
        """
        self.derive()
        found = []
        with self._store.workspace.read() as view:
            if view is not None and has_table(view, "postings"):
                ((count,),) = view.connection.execute(_POSTED, [str(self._realm)]).fetchall()
                self.checked[Level.DERIVED] = count
                rows = view.connection.execute(_UNEVEN, [str(self._realm)]).fetchall()
                known = read_documents(view, self._realm, [row[1] for row in rows]) if rows else {}
                for entity, id, day, debit, credit, guessed in rows:
                    document = known.get((entity, id))
                    misfit = document is not None and document.misfit
                    found.append(
                        Difference(
                            Level.DERIVED,
                            day,
                            f"{entity}/{id}",
                            document.name if document else entity,
                            Decimal(debit),
                            Decimal(credit),
                            GUESSED if guessed else "",
                            DifferenceClass.MISFIT_NUMBER
                            if misfit
                            else DifferenceClass.UNEXPLAINED,
                        )
                    )
        return self._tie_out.keep(self._realm, Level.DERIVED, None, found)

    def contradicted(self) -> list[str]:
        """Taxes that the journal shows on more than one account, in words. No call."""
        with self._store.workspace.read() as view:
            if view is None or not has_table(view, "tax_account"):
                return []
            rows = view.connection.execute(_CONTRADICTED, [str(self._realm)]).fetchall()
        return [
            f"rate {rate or 'without a name'} of {side}, account {account} in {seen:,} documents and "
            f"others in {against:,}"
            for rate, side, account, seen, against in rows
        ]

    def matched(self, *, repair: bool = True) -> tuple[list[Difference], Coverage]:
        """L2: what documents post and what the journal has, and how much of it they explain.

        The months of documents that changed after the journal was read are read again, a call each;
        with ``repair`` also those in which something differs without an explanation, half a year in a
        call. What that mends is no difference.

        Raises:
            NotCompared: Bronze never loaded a type of document that the journal has completely, or
                QuickBooks refuses it.
            ReportCut, QBOAPIError, QBOAuthError, BronzeError: a month could not be read again.
        """
        found = self._match()
        for _ in range(_ATTEMPTS):
            if not any(map(_moved, found.differences)):
                break
            self._sync.bring_up_to_date()
            self.derive()
            found = self._match()
        held, absent = self._held(found)
        if repair and reread(self._sync, self._store, self._realm, held):
            self.derive()
            found = self._match()
            held, absent = self._held(found)
        self.coverage = found.coverage
        self.checked[Level.POSTINGS] = found.coverage.legs
        kept = self._tie_out.keep(self._realm, Level.POSTINGS, None, held)
        self._complain(absent)
        return kept, found.coverage

    def listed(self) -> list[Difference]:
        """L1: documents and Intuit's TransactionList, for the months in which something changed.

        The first time all months, half a year in a call.

        Raises:
            NotCompared: Bronze never loaded a type that is listed completely, or moved each time, or
                QuickBooks refuses the type.
            ReportCut, QBOAPIError, QBOAuthError, BronzeError: the report could not be read.
        """
        workspace = self._store.workspace
        known = self._tie_out.read(self._realm)
        months, reached = ListedMonths(workspace, self._realm), self._sync.bronze_at()
        due = months.due(each.period_end for each in known if _unsettled(each))
        if not due:
            return [each for each in known if each.level is Level.LISTED]
        absent: set[str] = set()
        kinds = {
            each.key.partition("/")[0]: each.kind
            for each in known
            if each.level is Level.POSTINGS and each.kind.lasting
        }
        for start, end in spans_of(due):
            found, missing = self._stable(start, end, kinds)
            self._tie_out.keep(self._realm, Level.LISTED, end, found, start=start)
            absent |= missing
        months.note(due, reached)
        self._complain(absent)
        return [each for each in self._tie_out.read(self._realm) if each.level is Level.LISTED]

    def _stable(
        self, start: date, end: date, kinds: Mapping[str, DifferenceClass]
    ) -> tuple[list[Difference], set[str]]:
        for _ in range(_ATTEMPTS):
            before = self._sync.bronze_at()
            listed, report_id = self._list(start, end)
            if not listed and self._sync.journal.legs(self._realm, start, end):
                why = f"it shows nothing of {start} to {end}, where the journal has transactions"
                raise self._unusable("TransactionList", report_id, why, FindingKind.REPORT_EMPTY)
            catch_up(self._store, str(self._realm))
            with self._store.workspace.read() as view:
                if view is None:
                    return [], set()
                documents = read_documents(
                    view, self._realm, {each.id for each in listed}, [(start, end)]
                )
            if self._sync.bronze_at() == before or not any(
                start <= day <= end
                for day in changed_days(self._store.workspace, self._realm, before)
            ):
                self.checked[Level.LISTED] += len(listed)
                return compare_listed(
                    listed, documents, [(start, end)], self._loaded(), kinds, report_id
                )
        raise self._moving(f"Documents of {start} to {end}", "TransactionList")

    def _list(self, start: date, end: date) -> tuple[list[ListedTransaction], str]:
        facts = self._store.reports.company_facts(self._realm)
        columns = (*COLUMNS, HOME_COLUMN) if facts.multicurrency else COLUMNS
        request = report_request(
            "TransactionList", {"start_date": start, "end_date": end, "columns": columns}
        )
        load = self._loads.request(request)
        found: list[ListedTransaction] = []
        for answer, id in zip(load.answers, load.report_ids, strict=True):
            try:
                found += read_transactions(answer.report)
            except UnreadableReport as error:
                raise self._unusable("TransactionList", id, str(error)) from None
        return found, load.report_ids[-1] if load.report_ids else ""

    def open_items(self, day: date) -> list[Difference]:
        """L4: what documents leave open on a day, and Intuit's reports of aging. Two calls.

        Raises:
            NotCompared: Bronze lacks documents, a report does not add up, or documents changed each
                time.
            QBOAPIError, QBOAuthError, BronzeError: a report could not be read.
        """
        found: list[Difference] = []
        loaded = self._loaded()
        # What the company is not offered leaves nothing open; no sync ever loads it.
        lacking = {each for each in _OPEN if each not in loaded and self._refused(each) != "no"}
        self._complain(lacking)
        home = self._store.reports.company_facts(self._realm).home_currency
        for side in SIDES:
            gaps: list[Difference] = []
            for _ in range(_ATTEMPTS):
                before = self._sync.bronze_at()
                theirs, report_id = self._aged(side, day)
                catch_up(self._store, str(self._realm))
                with self._store.workspace.read() as view:
                    if view is None:
                        return []
                    ours = read_open_items(view, str(self._realm), side, day, home)
                if ours.open and ours.posted and not theirs:
                    why = f"it shows nobody, and the journal has {ours.posted} on these accounts"
                    raise self._unusable(side.report, report_id, why, FindingKind.REPORT_EMPTY)
                gaps = list(compare_open_items(side, day, ours, theirs, report_id))
                if not gaps or self._sync.bronze_at() == before:
                    break
            else:
                raise self._moving("Documents", side.report)
            found += gaps
            self.checked[Level.OPEN_ITEMS] += len(ours.open.keys() | theirs.keys())
        return self._tie_out.keep(self._realm, Level.OPEN_ITEMS, None, found)

    def _aged(self, side: Side, day: date) -> tuple[dict[str, tuple[str, Decimal]], str]:
        load = self._loads.load(side.report, self._loads.window(day))
        (answer,), (id,) = load.answers, load.report_ids
        try:
            reading = read_aging(answer.report)
        except UnreadableReport as error:
            raise self._unusable(side.report, id, str(error)) from None
        return {each.id: (each.name, each.total) for each in reading.parties if each.total}, id

    def _match(self) -> Matched:
        with self._store.workspace.read() as view:
            if view is None or not (has_table(view, "postings") and has_table(view, "journal")):
                return Matched([], Coverage(0, 0), frozenset())
            return match(view, str(self._realm), self._clock.now())

    def _held(self, found: Matched) -> tuple[list[Difference], set[str]]:
        """What differs of types that Bronze loaded, and the types it never did."""
        loaded = self._loaded()
        absent = {each for each in found.undocumented if each not in loaded}
        held = [each for each in found.differences if each.key.partition("/")[0] not in absent]
        return held, absent

    def _loaded(self) -> set[str]:
        """Types that were read to the end once, be there any objects or none.

        A load is no sign of it: one of many companies leaves none of what brought nothing, and one
        that was interrupted leaves one.
        """
        return set(self._store.watermarks(self._realm))

    def _refused(self, entity: str) -> str | None:
        """``no`` or ``withheld`` where QuickBooks was seen to refuse the type, however long ago.

        A sync looks at one such type again, so what it says of others may be days old.
        """
        seen = self._capabilities.seen(entity, Capability.OFFERED)
        return None if seen is None else seen.value

    def _complain(self, absent: Collection[str]) -> None:
        refused = {each for each in absent if self._refused(each)}
        unloaded = set(absent) - refused
        said = []
        if unloaded:
            said.append(
                f"Bronze never loaded {', '.join(sorted(unloaded))} completely, so these cannot be "
                "compared with QuickBooks. Run `ledgerguard sync`; the other types were compared."
            )
        if refused:
            said.append(
                f"QuickBooks refuses {', '.join(sorted(refused))}, and the company has such documents, "
                "so these cannot be compared. Let an administrator check the consenting person's role "
                "and the company's edition in QuickBooks; the other types were compared."
            )
        if said:
            raise NotCompared(
                " ".join(said), FindingKind.DOCUMENTS_MISSING, realm_id=str(self._realm)
            )

    def _moving(self, what: str, report: str) -> NotCompared:
        return NotCompared(
            f"{what} changed each time they were compared with {report} ({_ATTEMPTS} times). Nothing "
            "was concluded; the next run tries again.",
            FindingKind.BOOKS_MOVED,
            realm_id=str(self._realm),
            entity=report,
        )

    def _unusable(
        self,
        report: str,
        id: str,
        why: str,
        kind: FindingKind = FindingKind.REPORT_UNREADABLE,
    ) -> NotCompared:
        return NotCompared(
            f"The {report} kept as {id} cannot be compared: {why}. Nothing was concluded from it; "
            "run the check again.",
            kind,
            realm_id=str(self._realm),
            entity=report,
        )


def _moved(each: Difference) -> bool:
    return each.kind is DifferenceClass.SNAPSHOT_MOVED


def _unsettled(each: Difference) -> bool:
    """Whether comparing its days again may end it."""
    documents = each.level in (Level.LISTED, Level.POSTINGS)
    return documents and not each.kind.lasting and not each.warning
