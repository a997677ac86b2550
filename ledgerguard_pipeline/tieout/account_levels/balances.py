"""L5: what QuickBooks' rows of accounts say they stand at, and what the journal says. No call.

``Account.CurrentBalance`` counts debits positive, whatever the account's side, and stays zero for
income, expenses and Retained Earnings, as captured rows show. Whether it holds transactions of the
future is not known, nor whose day counts. So a row agrees that says where the journal puts the
account with all of them, or without those after the day it was read or after today; a day is one
in any zone. A row that says anything else is older than the ledger: that is a warning and breaks
no proof, as the ledger itself is compared with the TrialBalance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal

from ledgerguard_pipeline.bronze.store import BronzeStore
from ledgerguard_pipeline.clock import Clock
from ledgerguard_pipeline.reports.journal import exact_sum
from ledgerguard_pipeline.reports.shape import NOTHING
from ledgerguard_pipeline.tieout.account_levels.accounts import Account
from ledgerguard_pipeline.tieout.account_levels.levels import Levels, class_of
from ledgerguard_pipeline.tieout.differences import Difference, Level, TieOut
from ledgerguard_pipeline.tieout.journal_store import JournalStore
from ledgerguard_pipeline.values import RealmId

OLD = "Its row is older than the ledger: run `ledgerguard sync --full --entity Account`."
_DAY = timedelta(days=1)
Later = Mapping[str, Sequence[tuple[date, Decimal]]]
"""By account: days, and by how much it was moved on each."""


class AccountBalances:
    """Compares the rows of accounts of one company with its journal."""

    def __init__(
        self,
        store: BronzeStore,
        realm: RealmId | str,
        journal: JournalStore,
        levels: Levels,
        clock: Clock,
    ) -> None:
        self._realm = realm
        self._journal = journal
        self._levels = levels
        self._clock = clock
        self._tie_out = TieOut(store.workspace)
        self.checked: Counter[Level] = Counter()
        """Rows of accounts that were compared."""

    def compare(self) -> list[Difference]:
        """The accounts whose rows say something else than the journal.

        Raises:
            BronzeError: rows could not be read, or what was found not be kept.
        """
        today = self._clock.now().date()
        whole = {each.account_id: each.amount for each in self._journal.sums(self._realm, date.max)}
        rows = [each for each in self._levels.accounts().values() if each.balance is not None]
        self.checked[Level.ACCOUNT_BALANCES] = len(rows)
        differing = [each for each in rows if each.balance != whole.get(each.id, NOTHING)]
        later = self._later(differing, today)
        home = self._levels.facts().home_currency
        found = [
            Difference(
                Level.ACCOUNT_BALANCES,
                today,
                each.id,
                each.name,
                whole.get(each.id, NOTHING),
                each.balance or NOTHING,
                OLD,
                class_of(each, home),
            )
            for each in sorted(differing, key=lambda each: (len(each.id), each.id))
            if each.balance not in _readings(each, today, whole, later)
        ]
        return self._tie_out.keep(self._realm, Level.ACCOUNT_BALANCES, None, found)

    def _later(self, accounts: Sequence[Account], today: date) -> Later:
        """What moved these accounts after the first day that may count for one of them."""
        if not accounts:
            return {}
        first = min(_days(each, today)[0] for each in accounts)
        found: dict[str, list[tuple[date, Decimal]]] = {}
        ids = [each.id for each in accounts]
        for account, day, amount in self._journal.after(self._realm, ids, first):
            found.setdefault(account, []).append((day, amount))
        return found


def _readings(
    account: Account, today: date, whole: Mapping[str, Decimal], later: Later
) -> set[Decimal | None]:
    """Where the journal puts an account on each day that may be meant."""
    moves = later.get(account.id, ())
    found: set[Decimal | None] = set()
    for day in _days(account, today):
        moved = exact_sum(amount for at, amount in moves if at > day)
        found.add(exact_sum((whole.get(account.id, NOTHING), moved.copy_negate())))
    return found


def _days(account: Account, today: date) -> list[date]:
    """The day its row was read and today, each in any zone; in order."""
    read = today if account.read_at is None else account.read_at.date()
    return sorted({day + shift for day in (read, today) for shift in (-_DAY, 0 * _DAY, _DAY)})
