"""How keeping a company's grant alive ended; values only, so that showing them needs no HTTP stack."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ledgerguard_pipeline.values import RealmId

IDLE_DAYS = 7
"""After so many days without a refresh a company counts as idle; any sync refreshes."""


class KeepAliveOutcome(StrEnum):
    """What became of one company."""

    IN_USE = "in use"
    """Refreshed within the last days; nothing was asked."""
    RENEWED = "renewed"
    REVIVED = "revived"
    """Intuit refused its grant before and accepts it now."""
    NEEDS_CONSENT = "needs a new consent"
    """Known before, and reported."""
    DIED = "died"
    """Intuit refuses its grant as of now."""
    FAILED = "failed"
    """No clear answer; it is tried again."""

    @property
    def bad(self) -> bool:
        """True for news that somebody should hear."""
        return self in (KeepAliveOutcome.DIED, KeepAliveOutcome.FAILED)


@dataclass(frozen=True, slots=True)
class KeepAliveResult:
    """One company's outcome; ``detail`` says why where it is bad, and holds no secret."""

    realm_id: RealmId
    name: str
    outcome: KeepAliveOutcome
    refresh_expires_at: datetime | None
    """End of the rolling 100 days as it is now; None where Intuit did not say."""
    hard_expires_at: datetime | None
    detail: str | None = None
