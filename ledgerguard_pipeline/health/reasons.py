"""Everything that can be wrong with a company, and how bad it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class HealthState(StrEnum):
    """The status of a company: the worst of its reasons. Decision 85 in docs/decisions.md."""

    HEALTHY = "healthy"
    LOADING = "loading"
    """Its first load is under way, or about to begin; nothing is wrong."""
    DISCONNECTED = "disconnected"
    """Somebody disconnected it on purpose; nothing is expected of it."""
    DEGRADED = "degraded"
    """Data still flows, or will again by itself; somebody should look."""
    UNHEALTHY = "unhealthy"
    """Data does not flow until somebody acts."""


class ReasonKind(StrEnum):
    """The subject of a reason. Each has a heading of that name in ``docs/runbook.md``."""

    DISCONNECTED = "disconnected"
    FIRST_LOAD = "first_load"
    NEEDS_REAUTH = "needs_reauth"
    NO_TOKENS = "no_tokens"
    KEY_MISSING = "key_missing"
    TOKENS_AT_RISK = "tokens_at_risk"
    BRONZE_UNUSABLE = "bronze_unusable"
    BRONZE_HELD = "bronze_held"
    BRONZE_AWAY = "bronze_away"
    GRANT_ENDED = "grant_ended"
    REFRESH_TOKEN_ENDS = "refresh_token_ends"  # noqa: S105  # a name, not a token
    GRANT_ENDS = "grant_ends"
    REFRESH_FAILS = "refresh_fails"
    ACCESS_DENIED = "access_denied"
    COMPANY_UNAVAILABLE = "company_unavailable"
    CREDENTIALS_REJECTED = "credentials_rejected"
    MISCONFIGURED = "misconfigured"
    QUOTA_EXHAUSTED = "quota_exhausted"
    THROTTLED = "throttled"
    CALLS_FAIL = "calls_fail"
    SLOW_ANSWERS = "slow_answers"
    SYNC_FAILED = "sync_failed"
    NEVER_SYNCED = "never_synced"
    SYNC_LATE = "sync_late"
    QUARANTINE = "quarantine"
    PARTIAL_ROWS = "partial_rows"
    COUNTS_DIFFER = "counts_differ"
    BOOKS_DIFFER = "books_differ"
    BOOKS_NOT_COMPARED = "books_not_compared"
    RIGHTS_IN_DOUBT = "rights_in_doubt"
    TYPE_WITHHELD = "type_withheld"
    CUSTOM_FIELDS_IGNORED = "custom_fields_ignored"
    CALL_BUDGET = "call_budget"
    WEBHOOK_LAG = "webhook_lag"
    PARKED_EVENTS = "parked_events"
    UNREADABLE_EVENTS = "unreadable_events"

    @property
    def runbook(self) -> str:
        """Where to read what it means and what to do."""
        return f"docs/runbook.md#{self.value}"


@dataclass(frozen=True, slots=True)
class Reason:
    """One finding: how bad, and a sentence on what it is and what to do.

    ``grade`` tells stages of one kind apart (days left, percent used): reaching the next stage
    is news, another number in the text is not.
    """

    state: HealthState
    text: str
    kind: ReasonKind
    grade: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """The state with its reasons, worst first; a healthy company has none."""

    state: HealthState
    reasons: tuple[Reason, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """The reasons' sentences."""
        return tuple(reason.text for reason in self.reasons)
