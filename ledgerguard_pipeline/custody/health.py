"""The verdict on one company: healthy, degraded or unhealthy, and why. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from ledgerguard_pipeline.control.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.tokens import Tokens

WARN_DAYS = (30, 14, 3)
"""Days before the end of a grant at which a warning changes its words."""

WEBHOOK_LAG_SECONDS = 300.0
"""A webhook is to be in Bronze within seconds; by then the schedule has nearly caught up."""

SLOW_DOWN_AT = 0.80
STOP_AT = 0.95


class HealthState(StrEnum):
    """How a company stands; the worst of its reasons."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    """Data still flows, or will again by itself; somebody should look."""
    UNHEALTHY = "unhealthy"
    """Data does not flow until somebody acts."""


class ReasonKind(StrEnum):
    """What a reason is about. Each has a heading of that name in ``docs/operations.md``."""

    DISCONNECTED = "disconnected"
    NEEDS_REAUTH = "needs_reauth"
    NO_TOKENS = "no_tokens"
    GRANT_ENDED = "grant_ended"
    REFRESH_TOKEN_ENDS = "refresh_token_ends"  # noqa: S105  # a name, not a token
    GRANT_ENDS = "grant_ends"
    SYNC_FAILED = "sync_failed"
    NEVER_SYNCED = "never_synced"
    SYNC_LATE = "sync_late"
    QUARANTINE = "quarantine"
    CALL_BUDGET = "call_budget"
    WEBHOOK_LAG = "webhook_lag"
    PARKED_EVENTS = "parked_events"


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
    """The verdict with its reasons, worst first; a healthy company has none."""

    state: HealthState
    reasons: tuple[Reason, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """The reasons' sentences."""
        return tuple(reason.text for reason in self.reasons)


@dataclass(frozen=True, slots=True)
class SyncFacts:
    """What syncing this company came to.

    ``promised_seconds`` is the interval at which data is promised to be fresh.
    """

    last_sync_at: datetime | None
    promised_seconds: float = 900.0
    quarantined: int = 0
    calls_this_month: int = 0
    monthly_budget: int | None = None
    webhook_age_seconds: float = 0.0
    """How long the oldest webhook event has been waiting."""
    parked_events: int = 0


def judge(company: Company, tokens: Tokens | None, facts: SyncFacts, now: datetime) -> Health:
    """Weigh everything known about a company.

    A dead connection is the only reason given where there is one: all others follow from it.
    """
    dead = _connection(company, tokens, now)
    if dead is not None or tokens is None:
        reasons = [dead] if dead is not None else []
    else:
        reasons = [
            *_token_life(tokens, now),
            *_last_failure(company),
            *_freshness(facts, now),
            *_contents(facts),
            *_budget(facts),
            *_webhooks(facts),
        ]
    order = list(HealthState)
    reasons.sort(key=lambda reason: order.index(reason.state), reverse=True)
    return Health(reasons[0].state if reasons else HealthState.HEALTHY, tuple(reasons))


def _connection(company: Company, tokens: Tokens | None, now: datetime) -> Reason | None:
    again = "Connect it again with `ledgerguard connect`; its rows stay."
    if company.status is ConnectionStatus.DISCONNECTED:
        kind, text = ReasonKind.DISCONNECTED, f"The company was disconnected. {again}"
    elif company.status is ConnectionStatus.NEEDS_REAUTH:
        kind = ReasonKind.NEEDS_REAUTH
        text = company.last_error or f"Intuit no longer accepts its grant. {again}"
    elif tokens is None:
        kind, text = ReasonKind.NO_TOKENS, f"No tokens are stored. {again}"
    elif tokens.refresh_expires_at is not None and tokens.refresh_expires_at <= now:
        kind = ReasonKind.GRANT_ENDED
        text = f"Its refresh token ended on {tokens.refresh_expires_at:%Y-%m-%d}. {again}"
    elif tokens.hard_expires_at is not None and tokens.hard_expires_at <= now:
        kind = ReasonKind.GRANT_ENDED
        text = f"Its grant reached Intuit's five-year limit. {again}"
    else:
        return None
    return Reason(HealthState.UNHEALTHY, text, kind)


def _token_life(tokens: Tokens, now: datetime) -> list[Reason]:
    found = []
    for kind, end, what, advice in (
        (
            ReasonKind.REFRESH_TOKEN_ENDS,
            tokens.refresh_expires_at,
            "refresh token",
            "Any sync renews it; if syncs run, look at their errors.",
        ),
        (
            ReasonKind.GRANT_ENDS,
            tokens.hard_expires_at,
            "grant (Intuit's five-year limit)",
            "Connect the company again before that day.",
        ),
    ):
        limit = None if end is None else _warning(end - now)
        if end is not None and limit is not None:
            state = HealthState.UNHEALTHY if limit == WARN_DAYS[-1] else HealthState.DEGRADED
            text = f"Its {what} ends on {end:%Y-%m-%d}, within {limit} days. {advice}"
            found.append(Reason(state, text, kind, str(limit)))
    return found


def _warning(left: timedelta) -> int | None:
    """The tightest warning that applies, in days."""
    return min((days for days in WARN_DAYS if left <= timedelta(days=days)), default=None)


def _last_failure(company: Company) -> list[Reason]:
    if company.last_error is None:
        return []
    return [Reason(HealthState.DEGRADED, company.last_error, ReasonKind.SYNC_FAILED)]


def _freshness(facts: SyncFacts, now: datetime) -> list[Reason]:
    if facts.last_sync_at is None:
        text = "It was never synced. Run `ledgerguard sync`."
        return [Reason(HealthState.DEGRADED, text, ReasonKind.NEVER_SYNCED)]
    age = (now - facts.last_sync_at).total_seconds()
    if age <= 2 * facts.promised_seconds:
        return []
    late = (
        HealthState.UNHEALTHY
        if age > max(86_400.0, 8 * facts.promised_seconds)
        else (HealthState.DEGRADED)
    )
    return [
        Reason(
            late,
            f"The last sync was {_span(age)} ago; promised is every "
            f"{_span(facts.promised_seconds)}. Check that `ledgerguard up` runs.",
            ReasonKind.SYNC_LATE,
            late.value,
        )
    ]


def _contents(facts: SyncFacts) -> list[Reason]:
    found = []
    if facts.quarantined:
        found.append(
            Reason(
                HealthState.DEGRADED,
                f"{facts.quarantined} records are in quarantine. "
                '`ledgerguard sql "SELECT * FROM bronze._quarantine"` shows why.',
                ReasonKind.QUARANTINE,
            )
        )
    return found


def _budget(facts: SyncFacts) -> list[Reason]:
    if not facts.monthly_budget:
        return []
    share = facts.calls_this_month / facts.monthly_budget
    if share < SLOW_DOWN_AT:
        return []
    return [
        Reason(
            HealthState.UNHEALTHY if share >= 1.0 else HealthState.DEGRADED,
            f"{facts.calls_this_month} of {facts.monthly_budget} metered calls of this month are "
            "used. Raise LEDGERGUARD_MONTHLY_CALL_BUDGET, or sync less often.",
            ReasonKind.CALL_BUDGET,
            next(f"{stage:.0%}" for stage in (1.0, STOP_AT, SLOW_DOWN_AT) if share >= stage),
        )
    ]


def _webhooks(facts: SyncFacts) -> list[Reason]:
    found = []
    if facts.webhook_age_seconds > WEBHOOK_LAG_SECONDS:
        found.append(
            Reason(
                HealthState.DEGRADED,
                f"A webhook event has been waiting for {_span(facts.webhook_age_seconds)}. Check "
                "that `ledgerguard up` runs and that the sensor webhook_events is on.",
                ReasonKind.WEBHOOK_LAG,
            )
        )
    if facts.parked_events:
        found.append(
            Reason(
                HealthState.DEGRADED,
                f"{facts.parked_events} webhook events are parked. `ledgerguard events list "
                "--status parked` shows why, `ledgerguard events redrive` tries them again.",
                ReasonKind.PARKED_EVENTS,
            )
        )
    return found


def _span(seconds: float) -> str:
    for size, name in ((86_400.0, "days"), (3_600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {name}"
    return f"{seconds:.0f} seconds"
