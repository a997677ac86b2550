"""The health of one company and why it is so. Pure: no I/O, no clock."""

from __future__ import annotations

from datetime import datetime, timedelta

from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.rate_limits.monthly_budget import SLOW_DOWN_AT, STOP_AT
from ledgerguard_pipeline.control.tokens.sql_store import TokenLife
from ledgerguard_pipeline.failure import cause_of
from ledgerguard_pipeline.health.blocking_failures import (
    barring_reason,
    bars,
    bronze_reasons,
    refresh_reasons,
    said_already,
)
from ledgerguard_pipeline.health.books import books_reasons
from ledgerguard_pipeline.health.facts import LATE_AFTER, EntityFacts, SyncFacts
from ledgerguard_pipeline.health.freshness import freshness_reasons
from ledgerguard_pipeline.health.reasons import Health, HealthState, Reason, ReasonKind
from ledgerguard_pipeline.health.wording import is_or_are, names, some_of, span
from ledgerguard_pipeline.plural import counted

__all__ = [
    "LATE_AFTER",
    "WARN_DAYS",
    "EntityFacts",
    "Health",
    "HealthState",
    "Reason",
    "ReasonKind",
    "SyncFacts",
    "judge",
]

WARN_DAYS = (30, 14, 3)
"""Days before the end of a grant at which a warning changes its words."""

RENEWED_LIFE = timedelta(days=60)
"""A refresh token lives a hundred days from its last use. One that Intuit gave less than this ends
with its grant, which no refresh prolongs.
"""

WEBHOOK_LAG_SECONDS = 300.0
"""A webhook is to be in Bronze within seconds; by then the schedule has nearly caught up."""

SLOW_MS = 10_000.0
"""A full page of a thousand rows takes Intuit a few seconds; a mean above this hurts."""

ERROR_RATE = 0.25
ERROR_CALLS = 10
"""Fewer recent calls prove nothing about a rate."""

_TYPES_NAMED = 3


def judge(company: Company, life: TokenLife | None, facts: SyncFacts, now: datetime) -> Health:
    """Weigh everything known about a company.

    A dead connection is the only reason given where there is one: all others follow from it.
    """
    dead = _connection(company, life, facts, now)
    if dead is not None or life is None:
        reasons = [dead] if dead is not None else []
    else:
        barred = barring_reason(company, facts)
        reasons = [
            *([] if barred is None else [barred]),
            *_refused(facts),
            *_token_life(life, now),
            *refresh_reasons(facts),
            *_at_risk(facts),
            *_rights(facts),
            *_withheld(facts),
            *bronze_reasons(company, facts),
            *_failures(company, facts, barred),
            # Data that cannot be loaded is late, and its calls fail, for that same reason.
            *([] if barred is not None else freshness_reasons(company, facts, now)),
            *([] if barred is not None else _calls(company, facts)),
            *_contents(facts),
            *books_reasons(facts.books),
            *_budget(facts),
            *_webhooks(facts),
        ]
    order = list(HealthState)
    reasons.sort(key=lambda reason: order.index(reason.state), reverse=True)
    return Health(reasons[0].state if reasons else HealthState.HEALTHY, tuple(reasons))


def _connection(
    company: Company, life: TokenLife | None, facts: SyncFacts, now: datetime
) -> Reason | None:
    again = "Connect it again with `ledgerguard connect` or on the company page; its rows stay."
    if company.status is ConnectionStatus.DISCONNECTED:
        text = (
            "It was disconnected on purpose; its rows stay. Connect it again at any time, or end it "
            f"with `ledgerguard companies forget {company.realm_id}`."
        )
        return Reason(HealthState.DISCONNECTED, text, ReasonKind.DISCONNECTED)
    if company.status is ConnectionStatus.NEEDS_REAUTH:
        kind = ReasonKind.NEEDS_REAUTH
        text = company.last_error or f"Intuit no longer accepts its grant. {again}"
    elif life is None:
        kind, text = ReasonKind.NO_TOKENS, f"No tokens are stored. {again}"
    elif life.refresh_expires_at is not None and life.refresh_expires_at <= now:
        kind = ReasonKind.GRANT_ENDED
        text = f"Its refresh token ended on {life.refresh_expires_at:%Y-%m-%d}. {again}"
    elif life.hard_expires_at is not None and life.hard_expires_at <= now:
        kind = ReasonKind.GRANT_ENDED
        text = f"Its grant has reached Intuit's five-year limit. {again}"
    elif facts.key_missing is not None:
        kind = ReasonKind.KEY_MISSING
        text = (
            f"Its tokens were sealed with key {facts.key_missing!r}, which is not in the key ring. "
            "Put that key back into LEDGERGUARD_ENCRYPTION_KEYS or the key file, or connect the "
            "company again."
        )
    else:
        return None
    return Reason(HealthState.UNHEALTHY, text, kind)


def _token_life(life: TokenLife, now: datetime) -> list[Reason]:
    refresh, grant = life.refresh_expires_at, life.hard_expires_at
    if refresh is not None and refresh - life.access_expires_at < RENEWED_LIFE:
        grant = refresh if grant is None else min(refresh, grant)
        refresh = None
    found = []
    for kind, end, what, advice in (
        (
            ReasonKind.REFRESH_TOKEN_ENDS,
            refresh,
            "refresh token",
            "Any sync renews it; if syncs run, look at their errors.",
        ),
        (
            ReasonKind.GRANT_ENDS,
            grant,
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


def _at_risk(facts: SyncFacts) -> list[Reason]:
    return [
        Reason(HealthState.DEGRADED, text, ReasonKind.TOKENS_AT_RISK)
        for text in facts.store_concerns
    ]


def _warning(left: timedelta) -> int | None:
    """The tightest warning that applies, in days."""
    return min((days for days in WARN_DAYS if left <= timedelta(days=days)), default=None)


def _refused(facts: SyncFacts) -> list[Reason]:
    if facts.quota_resumes_at is not None:
        what = (
            "Intuit's token endpoint answers 429 to every refresh"
            if facts.quota_of_app
            else "QuickBooks refuses every call"
        )
        text = (
            f"{what}: the app's monthly quota of reads is used up. Raise it "
            f"in Intuit's developer portal; the next call asks again at "
            f"{facts.quota_resumes_at:%Y-%m-%d %H:%M} UTC."
        )
        return [Reason(HealthState.UNHEALTHY, text, ReasonKind.QUOTA_EXHAUSTED)]
    if facts.cooling_seconds > 0:
        text = (
            f"QuickBooks asked to slow down (429): calls pause for {span(facts.cooling_seconds)}. "
            "They resume by themselves; if this recurs, lower LEDGERGUARD_MAX_REQUESTS_PER_MINUTE."
        )
        return [Reason(HealthState.DEGRADED, text, ReasonKind.THROTTLED)]
    return []


def _rights(facts: SyncFacts) -> list[Reason]:
    if not facts.doubted:
        return []
    text = (
        f"QuickBooks' answers lack objects of {names(facts.doubted)} that are not deleted: the "
        "consenting person may have lost rights. Nothing was deleted, and these types are not "
        "read further. Have an administrator check that person's role in QuickBooks, or connect "
        "the company again as an administrator; `ledgerguard sync --full` checks at once."
    )
    return [Reason(HealthState.UNHEALTHY, text, ReasonKind.RIGHTS_IN_DOUBT)]


def _withheld(facts: SyncFacts) -> list[Reason]:
    if not facts.withheld:
        return []
    text = (
        f"QuickBooks refuses {names(facts.withheld)}, of which Bronze holds objects: the "
        "consenting person lost rights, or the company's edition does not include them any more. "
        "Their rows stay as they are and are not kept current. Let an administrator check that "
        "person's role in QuickBooks, or connect the company again as an administrator; "
        "`ledgerguard sync --full` checks at once. If the edition changed, leave them out with "
        "LEDGERGUARD_ENTITIES."
    )
    return [Reason(HealthState.DEGRADED, text, ReasonKind.TYPE_WITHHELD)]


def _failures(company: Company, facts: SyncFacts, barred: Reason | None) -> list[Reason]:
    """What failed last, one reason for all types that failed for the same cause."""
    texts = [company.last_error] if company.last_error and barred is None else []
    if said_already(company.error_name, facts):
        texts = []
    failed = [
        each
        for each in facts.entities
        if each.error is not None
        and not (barred is not None and bars(each.failure))
        and not (each.failure is not None and said_already(each.failure.name, facts))
    ]
    causes: dict[tuple[bool, str], list[str]] = {}
    for each in failed:
        causes.setdefault((_asks_somebody(each), cause_of(each.error or "")), []).append(
            each.entity
        )
    for (human, cause), entities in sorted(causes.items(), key=lambda one: not one[0][0]):
        next_step = (
            "That does not go away by itself."
            if human
            else ""
            if "the next sync" in cause
            else "The next sync tries again."
        )
        what = f"The last sync failed for {some_of(entities)}"
        texts.append(f"{what}: {cause} {next_step}".rstrip())
    return [Reason(HealthState.DEGRADED, text, ReasonKind.SYNC_FAILED) for text in texts]


def _asks_somebody(facts: EntityFacts) -> bool:
    return facts.failure is not None and facts.failure.needs_human


def _calls(company: Company, facts: SyncFacts) -> list[Reason]:
    found = []
    if facts.recent_calls >= ERROR_CALLS and facts.failed_calls >= ERROR_RATE * facts.recent_calls:
        last = company.last_success_at
        since = "" if last is None else f" The last success was at {last:%Y-%m-%d %H:%M} UTC."
        text = (
            f"{facts.failed_calls} of the {facts.recent_calls} calls of the last hour failed."
            f"{since} Look at the failed runs, and at Intuit's status page."
        )
        found.append(Reason(HealthState.DEGRADED, text, ReasonKind.CALLS_FAIL))
    speed = company.response_time_ms
    if speed is not None and speed > SLOW_MS:
        text = (
            f"QuickBooks took {speed / 1000:.0f} seconds per call in the last sync. Nothing is "
            "lost; if this persists, check the network and Intuit's status page."
        )
        found.append(Reason(HealthState.DEGRADED, text, ReasonKind.SLOW_ANSWERS))
    return found


def _contents(facts: SyncFacts) -> list[Reason]:
    found = []
    if facts.quarantined:
        found.append(
            Reason(
                HealthState.DEGRADED,
                f"{counted(facts.quarantined, 'record')} {is_or_are(facts.quarantined)} in "
                f"quarantine{_whose(facts)}. "
                '`ledgerguard sql "SELECT * FROM bronze._quarantine"` shows why. The next good '
                f"version heals; `{_reading_again(facts)}` reads them again now.",
                ReasonKind.QUARANTINE,
            )
        )
    if facts.partial:
        text = (
            f"{counted(facts.partial, 'object')} {is_or_are(facts.partial)} only partly in Bronze "
            "and could not be read whole yet. "
            "Every sync tries again; `ledgerguard sync --reconcile` does so now."
        )
        found.append(Reason(HealthState.DEGRADED, text, ReasonKind.PARTIAL_ROWS))
    if facts.custom_fields_ignored:
        text = (
            "QuickBooks accepts the option for all custom fields in queries and ignores it: a "
            "single read showed more than the query of the same object. Bronze holds what queries "
            "show. It is looked at again every day; tell Intuit's support, or set "
            "LEDGERGUARD_CUSTOM_FIELDS=first-three if those are enough."
        )
        found.append(Reason(HealthState.DEGRADED, text, ReasonKind.CUSTOM_FIELDS_IGNORED))
    if facts.count_gaps:
        gaps = [f"{each.entity} {each.counted} and {each.held}" for each in facts.count_gaps]
        text = (
            f"Intuit's counts and Bronze's differ: {names(gaps)}. Run `ledgerguard sync "
            "--reconcile`; the nightly run does the same."
        )
        found.append(Reason(HealthState.DEGRADED, text, ReasonKind.COUNTS_DIFFER))
    return found


def _whose(facts: SyncFacts) -> str:
    types = [each.entity for each in facts.entities if each.quarantined]
    return f" ({names(types)})" if types else ""


def _reading_again(facts: SyncFacts) -> str:
    """All rows, for not every quarantined record has an id that could be asked for."""
    types = [each.entity for each in facts.entities if each.quarantined]
    chosen = types if len(types) <= _TYPES_NAMED else []
    return " ".join(["ledgerguard sync --full", *(f"--entity {each}" for each in chosen)])


def _budget(facts: SyncFacts) -> list[Reason]:
    if not facts.monthly_budget:
        return []
    used, budget = facts.all_calls_this_month, facts.monthly_budget
    share = used / budget
    if share < SLOW_DOWN_AT:
        return []
    what = (
        "optional reads are left out until the month ends"
        if share >= STOP_AT
        else "calls are spaced out"
    )
    return [
        Reason(
            HealthState.UNHEALTHY if share >= 1.0 else HealthState.DEGRADED,
            f"All companies together used {used} of this month's {budget} metered calls; {what}. "
            "Raise LEDGERGUARD_MONTHLY_CALL_BUDGET if the app's tier at Intuit allows more.",
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
                f"A webhook event has been waiting for {span(facts.webhook_age_seconds)}. Check "
                "that `ledgerguard up` runs and that the sensor webhook_events is on.",
                ReasonKind.WEBHOOK_LAG,
            )
        )
    if facts.parked_events:
        found.append(
            Reason(
                HealthState.DEGRADED,
                f"{counted(facts.parked_events, 'webhook event')} "
                f"{is_or_are(facts.parked_events)} parked. `ledgerguard events list "
                "--status parked` shows why, `ledgerguard events redrive` tries them again.",
                ReasonKind.PARKED_EVENTS,
            )
        )
    if facts.stray_events:
        found.append(
            Reason(
                HealthState.DEGRADED,
                f"{counted(facts.stray_events, 'part')} of webhook deliveries cannot be read and "
                "named no company; it may be any. `ledgerguard events list --status parked` shows them, "
                "`ledgerguard events redrive` reads them again, `ledgerguard events dismiss` "
                "settles what nobody needs. Syncs bring what they were about.",
                ReasonKind.UNREADABLE_EVENTS,
            )
        )
    return found
