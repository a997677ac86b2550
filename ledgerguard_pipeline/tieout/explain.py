"""One account of one month, step by step: opening, what moved it, closing, and what Intuit says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from ledgerguard_pipeline.bronze.workspace import Workspace
from ledgerguard_pipeline.errors import BadInputError
from ledgerguard_pipeline.reports.journal import exact_sum
from ledgerguard_pipeline.reports.shape import NOTHING
from ledgerguard_pipeline.tieout import tables
from ledgerguard_pipeline.tieout.account_levels.accounts import Account, read_accounts
from ledgerguard_pipeline.tieout.account_levels.levels import Compared, Levels
from ledgerguard_pipeline.tieout.differences import Difference, TieOut
from ledgerguard_pipeline.tieout.journal_store import has_table
from ledgerguard_pipeline.values import RealmId


@dataclass(frozen=True, slots=True)
class Movement:
    """One transaction on the account: by the journal, and by documents (None: not derived)."""

    posted_on: date
    type: str
    id: str
    number: str
    memo: str
    journal: Decimal | None
    postings: Decimal | None


@dataclass(frozen=True, slots=True)
class Walk:
    """The account from the eve of the month to its end; debits are positive.

    ``carried`` is what the start of a fiscal year moved between accounts without a transaction.
    """

    account_id: str
    name: str
    start: date
    end: date
    opening: Decimal
    opening_theirs: Decimal
    movements: tuple[Movement, ...]
    carried: Decimal
    closing: Decimal
    closing_theirs: Decimal
    known: tuple[Difference, ...]
    """What is known to differ on it, of any day."""

    @property
    def difference(self) -> Decimal:
        """Ours less theirs at the end."""
        return exact_sum((self.closing, self.closing_theirs.copy_negate()))


def find_account(workspace: Workspace, realm: RealmId | str, text: str) -> Account:
    """The account by id, by number, or by its full name.

    Raises:
        BadInputError: none, or several fit.
    """
    known = read_accounts(workspace, realm)
    if not known:
        raise BadInputError(
            "Bronze holds no account of this company. Run `ledgerguard sync` first.",
            realm_id=str(realm),
        )
    wanted = text.strip().casefold()
    numbered = [each for each in known.values() if each.number and each.number == text.strip()]
    by_id = [known[text.strip()]] if text.strip() in known else []
    # A number in the chart of accounts is what people mean where there are numbers.
    found = numbered or by_id or [each for each in known.values() if each.name.casefold() == wanted]
    if len(found) == 1:
        return found[0]
    near = [f"{each.id} {each.name}" for each in known.values() if wanted in each.name.casefold()]
    hint = f" Did you mean {', '.join(near[:5])}?" if near else ""
    what = "Several accounts are" if found else "No account is"
    raise BadInputError(
        f"{what} called {text[:60]!r}.{hint} Name one by its id, its number or its full name.",
        realm_id=str(realm),
    )


def walk(
    levels: Levels, workspace: Workspace, realm: RealmId | str, account: Account, end: date
) -> Walk:
    """Walk an account through the month that ends then, or through the days of it up to then.

    Two TrialBalances are asked for: on the eve and on the last day.

    Raises:
        NotCompared, QBOAPIError, QBOAuthError, BronzeError: as ``Levels.compared``.
    """
    start = end.replace(day=1)
    before = levels.compared(start - timedelta(days=1))
    after = levels.compared(end)
    movements = _movements(workspace, str(realm), account.id, start, end)
    opening, closing = _ours(before, account.id), _ours(after, account.id)
    moved = exact_sum(each.journal or NOTHING for each in movements)
    known = TieOut(workspace).read(realm)
    return Walk(
        account.id,
        account.name,
        start,
        end,
        opening,
        before.trial.balances.get(account.id, NOTHING),
        tuple(movements),
        exact_sum((closing, opening.copy_negate(), moved.copy_negate())),
        closing,
        after.trial.balances.get(account.id, NOTHING),
        tuple(each for each in known if account.id in (each.key, each.key.rpartition("/")[2])),
    )


def _ours(found: Compared, id: str) -> Decimal:
    return found.ours.get(id, NOTHING)


def _movements(
    workspace: Workspace, realm: str, account: str, start: date, end: date
) -> Sequence[Movement]:
    """Transactions of the journal and of the postings side by side, in order of days."""
    values = {"realm": realm, "account": account, "start": start, "end": end}
    with workspace.read() as view:
        if view is None or not has_table(view, "journal"):
            return []
        derived = has_table(view, "postings")
        statement = tables.ACCOUNT_WITH_POSTINGS if derived else tables.ACCOUNT
        rows = view.connection.execute(statement, values).fetchall()
    return [Movement(*row) for row in rows]
