"""What keeps two sets of books from being compared: named, with what to do, and never "equal"."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ledgerguard_pipeline.errors import (
    BronzeError,
    CallBudgetSpent,
    CompanyWide,
    FeatureUnavailable,
    LedgerGuardError,
    ReportCut,
)


class FindingKind(StrEnum):
    """Why nothing was concluded; each has its paragraph in ``docs/tie-out.md``."""

    REPORT_CUT = "report_cut"
    """Not even one day fits into an answer of Intuit."""
    REPORT_EMPTY = "report_empty"
    """A report shows nothing, although the company has books."""
    REPORT_UNREADABLE = "report_unreadable"
    """A report does not add up, or lacks a column that its numbers stand in."""
    NOT_PERMITTED = "not_permitted"
    """Intuit refuses the report (5020)."""
    UNKNOWN_ACCOUNT = "unknown_account"
    """The journal has amounts on an account that Bronze does not know."""
    UNKNOWN_TYPE = "unknown_type"
    """Labels of transactions that no entity type of the API is known by: another language."""
    TAX_CONTRADICTED = "tax_contradicted"
    """The journal shows the tax of one rate on several accounts."""
    ACCOUNTS_MISSING = "accounts_missing"
    """Bronze holds no account at all."""
    COMPANY_MISSING = "company_missing"
    """Bronze lacks CompanyInfo or Preferences: fiscal year and currencies would be guesses."""
    CLOSED_BOOKS_CHANGED = "closed_books_changed"
    """QuickBooks' journal says something else of days that were closed than it did before."""
    DOCUMENTS_MISSING = "documents_missing"
    """Types of documents that Bronze never loaded or QuickBooks refuses, or no Silver to read from."""
    BOOKS_MOVED = "books_moved"
    """Documents changed each time the journal was read."""
    BUDGET_SPENT = "budget_spent"
    """The rest of the month's calls is kept for changes."""
    UNAVAILABLE = "unavailable"
    """QuickBooks or Bronze could not be reached."""

    @property
    def blocks(self) -> bool:
        """Whether nothing may be called equal while it lasts.

        Labels in another language leave accounts comparable, because those are known by their ids;
        a tax on another account than usual is a difference of its document, where it is one; and
        what changed in closed books is in the copy too.
        """
        return self not in (
            FindingKind.UNKNOWN_TYPE,
            FindingKind.TAX_CONTRADICTED,
            FindingKind.CLOSED_BOOKS_CHANGED,
        )

    @property
    def passes(self) -> bool:
        """Whether it goes away by itself, so that nobody needs to hear of it at once."""
        return self in (FindingKind.BOOKS_MOVED, FindingKind.BUDGET_SPENT, FindingKind.UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence on what was found and what to do now, fit for people; without secrets."""

    kind: FindingKind
    text: str
    company_wide: bool = False
    """Whether the rest of the comparison would meet it too."""
    passing: bool = False
    """Whether it may go away unchanged."""


class NotCompared(BronzeError):
    """Two sets of books that could not be compared; ``kind`` says why."""

    def __init__(
        self,
        message: str,
        kind: FindingKind,
        *,
        realm_id: str | None = None,
        entity: str | None = None,
    ) -> None:
        super().__init__(message, realm_id=realm_id, entity=entity)
        self.kind = kind


_REFUSED = (
    "The consenting person may not see this report, or the company's edition lacks it. Let an "
    "administrator check that person's role in QuickBooks, or connect the company again as one; "
    "its documents are synced as before."
)
_CUT = (
    "Nothing of that report counts. The journal keeps what it had of those days; ask Intuit's "
    "support to raise the limit, or move transactions of that day."
)


def finding_of(error: LedgerGuardError) -> Finding:
    """An error as a finding."""
    wide = isinstance(error, CompanyWide)
    if isinstance(error, NotCompared):
        return Finding(error.kind, error.message, wide)
    if isinstance(error, ReportCut):
        return Finding(FindingKind.REPORT_CUT, f"{error} {_CUT}")
    if isinstance(error, FeatureUnavailable):
        said, _, _ = error.message.partition(" Let an administrator ")
        where = str(error).removeprefix(error.message)
        return Finding(FindingKind.NOT_PERMITTED, f"{said}{where} {_REFUSED}")
    if isinstance(error, CallBudgetSpent):
        return Finding(FindingKind.BUDGET_SPENT, error.message, company_wide=True)
    return Finding(FindingKind.UNAVAILABLE, str(error), wide, passing=True)
