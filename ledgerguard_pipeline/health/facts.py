"""The facts about a company besides its connection, as the rules of its health take them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ledgerguard_pipeline.control.company_state.count_gaps import CountGap
from ledgerguard_pipeline.control.company_state.tie_outs import BooksBrief
from ledgerguard_pipeline.control.tokens.sql_store import RefreshAttempt
from ledgerguard_pipeline.failure import Failure

LATE_AFTER = 2.0
"""Intervals after which data is late: one run may fail or wait for another."""


def unhealthy_after(promised_seconds: float) -> float:
    """The age of data, in seconds, at which being late is worse than a warning."""
    return max(86_400.0, 8 * promised_seconds)


@dataclass(frozen=True, slots=True)
class EntityFacts:
    """One entity type: when it was last up to date, how often that is promised, what failed.

    ``error`` is why its last attempt failed, ``failure`` the same with who has to act where that is
    known; both are None after one that did not fail.
    """

    entity: str
    last_sync_at: datetime | None
    promised_seconds: float
    error: str | None = None
    failure: Failure | None = None
    failed_at: datetime | None = None
    quarantined: int = 0

    def late(self, now: datetime) -> bool:
        """Whether its data is older than twice what is promised, or was never there."""
        if self.last_sync_at is None:
            return True
        return (now - self.last_sync_at).total_seconds() > LATE_AFTER * self.promised_seconds


@dataclass(frozen=True, slots=True)
class SyncFacts:
    """What the control plane knows of one company besides its connection."""

    entities: tuple[EntityFacts, ...] = ()
    rows: int = 0
    """Living objects in Bronze."""
    kept_entities: int = 0
    """Entity types that are to be loaded."""
    syncing: bool = False
    """Whether somebody syncs it right now."""
    quarantined: int = 0
    partial: int = 0
    """Objects that Bronze holds in part only, stored so by an earlier release."""
    count_gaps: tuple[CountGap, ...] = ()
    """Where Intuit's count and Bronze differed when they were compared last."""
    books: BooksBrief | None = None
    """The last comparison with Intuit's reports; None before the first."""
    doubted: tuple[str, ...] = ()
    """Types whose answers lack objects that are not deleted."""
    withheld: tuple[str, ...] = ()
    """Types that QuickBooks refuses although Bronze holds objects of them."""
    custom_fields_ignored: bool = False
    """Whether queries show fewer custom fields than single reads do, although all are asked for."""
    key_missing: str | None = None
    """The key that seals its tokens, where it is not in the ring."""
    store_concerns: tuple[str, ...] = ()
    """What may make the token store lose tokens, a sentence each."""
    bronze_trouble: str | None = None
    """Why Bronze cannot be opened, with what to do about it; None where it can."""
    all_calls_this_month: int = 0
    """Metered reads of all companies: what the budget limits."""
    monthly_budget: int | None = None
    recent_calls: int = 0
    failed_calls: int = 0
    """Of the recent ones: without answer, answered with a server error or without access."""
    cooling_seconds: float = 0.0
    """How long its calls still pause after a 429."""
    quota_resumes_at: datetime | None = None
    """Set while Intuit refuses every call; when the next one may ask again."""
    quota_of_app: bool = False
    """Whether it was the token endpoint that refused: then no company of the app is called."""
    refresh: RefreshAttempt | None = None
    """The refresh of its tokens that has not succeeded yet."""
    webhook_depth: int = 0
    webhook_age_seconds: float = 0.0
    """How long the oldest webhook event has been waiting."""
    parked_events: int = 0
    stray_events: int = 0
    """Parts of deliveries that cannot be read and name no company: it may be any."""

    @property
    def last_sync_at(self) -> datetime | None:
        """When any entity was last brought up to date; each one's own time is in ``entities``."""
        return max((each.last_sync_at for each in self.entities if each.last_sync_at), default=None)
