from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ledgerguard_pipeline.alerts.policy import findings_of
from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.tokens.sql_store import TokenLife
from ledgerguard_pipeline.health.rules import (
    EntityFacts,
    HealthState,
    ReasonKind,
    SyncFacts,
    judge,
)
from ledgerguard_pipeline.values import Environment, RealmId

NOW = datetime(2026, 11, 1, tzinfo=UTC)
COMPANY = Company(
    RealmId("9341453474484455"),
    Environment.SANDBOX,
    "Acme",
    ConnectionStatus.CONNECTED,
    NOW - timedelta(days=30),
)
LIFE = TokenLife(
    NOW - timedelta(days=1), NOW + timedelta(days=99), NOW + timedelta(days=1800), "key"
)
QUARTER, HOUR = 900.0, 3_600.0


def entity(
    name: str, minutes: float | None, promised: float = QUARTER, error: str | None = None
) -> EntityFacts:
    last = None if minutes is None else NOW - timedelta(minutes=minutes)
    return EntityFacts(name, last, promised, error)


INVOICE = entity("Invoice", 10)
FACTS = SyncFacts(entities=(INVOICE, entity("Bill", 10)), monthly_budget=1000)


def with_entities(*entities: EntityFacts) -> SyncFacts:
    return replace(FACTS, entities=entities)


def test_a_company_in_order_is_healthy_without_reasons() -> None:
    health = judge(COMPANY, LIFE, FACTS, NOW)
    assert (health.state, health.reasons) == (HealthState.HEALTHY, ())


@pytest.mark.parametrize(
    "company,life,words",
    [
        (replace(COMPANY, status=ConnectionStatus.NEEDS_REAUTH), LIFE, "no longer accepts"),
        (replace(COMPANY, status=ConnectionStatus.NEEDS_REAUTH, last_error="why"), LIFE, "why"),
        (COMPANY, None, "No tokens"),
        (COMPANY, replace(LIFE, refresh_expires_at=NOW), "ended on 2026-11-01"),
        (COMPANY, replace(LIFE, hard_expires_at=NOW), "five-year"),
    ],
)
def test_a_dead_connection_is_unhealthy_and_the_only_reason(
    company: Company, life: TokenLife | None, words: str
) -> None:
    stale = replace(FACTS, entities=(), quarantined=5, all_calls_this_month=5000)
    health = judge(company, life, stale, NOW)
    assert health.state is HealthState.UNHEALTHY
    assert len(health.texts) == 1
    assert words in health.texts[0]


def test_tokens_whose_key_is_missing_say_which_key_to_put_back() -> None:
    health = judge(COMPANY, LIFE, replace(FACTS, key_missing="0a1b2c3d4e5f"), NOW)
    assert health.state is HealthState.UNHEALTHY
    assert [reason.kind for reason in health.reasons] == [ReasonKind.KEY_MISSING]
    assert "0a1b2c3d4e5f" in health.texts[0]


@pytest.mark.parametrize(
    "types, advice",
    [
        (["Bill", "Invoice"], "`ledgerguard sync --full --entity Bill --entity Invoice`"),
        (["Bill", "Invoice", "Payment", "Vendor"], "`ledgerguard sync --full`"),
        ([], "`ledgerguard sync --full`"),
    ],
)
def test_quarantine_is_read_again_by_a_walk_of_its_types(types: list[str], advice: str) -> None:
    """Not by asking for ids: a page that fails tells none."""
    facts = with_entities(*(replace(entity(name, 10), quarantined=1) for name in types))
    texts = judge(COMPANY, LIFE, replace(facts, quarantined=4), NOW).texts
    assert advice in " ".join(texts)


@pytest.mark.parametrize("field", ["refresh_expires_at", "hard_expires_at"])
@pytest.mark.parametrize(
    "days,state,words",
    [
        (31, HealthState.HEALTHY, None),
        (30, HealthState.DEGRADED, "within 30 days"),
        (14, HealthState.DEGRADED, "within 14 days"),
        (3, HealthState.UNHEALTHY, "within 3 days"),
    ],
)
def test_the_end_of_a_grant_is_warned_of_three_times(
    field: str, days: int, state: HealthState, words: str | None
) -> None:
    ends = NOW + timedelta(days=days)
    life = (
        replace(LIFE, refresh_expires_at=ends, access_expires_at=ends - timedelta(days=100))
        if field == "refresh_expires_at"
        else replace(LIFE, hard_expires_at=ends)
    )
    health = judge(COMPANY, life, FACTS, NOW)
    assert health.state is state
    assert (words is None and not health.texts) or (words or "") in health.texts[0]


@pytest.mark.parametrize("grant_days", [20, None])
def test_near_the_five_years_no_sync_is_said_to_help(grant_days: int | None) -> None:
    """Intuit gives no refresh token beyond the grant's end, however often it is renewed."""
    life = replace(
        LIFE,
        access_expires_at=NOW + timedelta(minutes=50),
        refresh_expires_at=NOW + timedelta(days=20),
        hard_expires_at=None if grant_days is None else NOW + timedelta(days=grant_days),
    )
    (reason,) = judge(COMPANY, life, FACTS, NOW).reasons
    assert reason.kind is ReasonKind.GRANT_ENDS
    assert "ends on 2026-11-21" in reason.text
    assert "Connect the company again" in reason.text


@pytest.mark.parametrize(
    "facts,state,kind,words",
    [
        (with_entities(entity("Invoice", None)), "degraded", "never_synced", "never synced"),
        (with_entities(INVOICE, entity("Bill", None)), "degraded", "never_synced", "Bill was"),
        (with_entities(INVOICE, entity("Bill", 31)), "degraded", "sync_late", "Bill was last"),
        (with_entities(INVOICE, entity("Bill", 3000)), "unhealthy", "sync_late", "2 days"),
        (
            with_entities(INVOICE, entity("TaxCode", 121, HOUR)),
            "degraded",
            "sync_late",
            "the schedule promises every 60 minutes",
        ),
        (
            with_entities(INVOICE, entity("Bill", 10, error="no reason given.")),
            "degraded",
            "sync_failed",
            "failed for Bill: no reason given. The next sync tries again.",
        ),
        (replace(FACTS, quarantined=3), "degraded", "quarantine", "3 records"),
        (replace(FACTS, webhook_age_seconds=660.0), "degraded", "webhook_lag", "11 minutes"),
        (replace(FACTS, parked_events=2), "degraded", "parked_events", "2 webhook events"),
        (replace(FACTS, all_calls_this_month=800), "degraded", "call_budget", "800 of this"),
        (replace(FACTS, all_calls_this_month=950), "degraded", "call_budget", "left out"),
        (replace(FACTS, all_calls_this_month=1000), "unhealthy", "call_budget", "1000 of this"),
        (replace(FACTS, cooling_seconds=42.0), "degraded", "throttled", "42 seconds"),
        (replace(FACTS, quota_resumes_at=NOW), "unhealthy", "quota_exhausted", "quota of reads"),
        (replace(FACTS, recent_calls=12, failed_calls=3), "degraded", "calls_fail", "3 of the 12"),
    ],
)
def test_each_finding_has_its_weight_and_its_sentence(
    facts: SyncFacts, state: str, kind: str, words: str
) -> None:
    health = judge(COMPANY, LIFE, facts, NOW)
    assert [(reason.state, reason.kind) for reason in health.reasons] == [(state, kind)]
    assert words in health.texts[0]


@pytest.mark.parametrize(
    "facts",
    [
        with_entities(entity("Invoice", 29)),
        with_entities(INVOICE, entity("TaxCode", 119, HOUR)),
        replace(FACTS, recent_calls=9, failed_calls=9),
        replace(FACTS, recent_calls=100, failed_calls=24),
        replace(FACTS, all_calls_this_month=799),
        replace(FACTS, webhook_age_seconds=299.0),
    ],
)
def test_what_passes_by_itself_is_no_reason(facts: SyncFacts) -> None:
    assert judge(COMPANY, LIFE, facts, NOW).state is HealthState.HEALTHY


def test_slow_answers_are_reported_in_seconds_per_call() -> None:
    slow = replace(COMPANY, response_time_ms=12_345.0)
    health = judge(slow, LIFE, FACTS, NOW)
    assert [reason.kind for reason in health.reasons] == [ReasonKind.SLOW_ANSWERS]
    assert "12 seconds per call" in health.texts[0]


def test_fresh_entities_never_hide_one_that_is_late() -> None:
    many = [entity(f"Type{number}", 1) for number in range(30)]
    health = judge(COMPANY, LIFE, with_entities(*many, entity("Bill", 45)), NOW)
    assert "Bill was last synced 45 minutes ago" in health.texts[0]
    assert "Type" not in health.texts[0]


def test_many_entities_are_named_by_the_first_few() -> None:
    failed = [entity(f"Type{number}", 1, error="down.") for number in range(7)]
    (text,) = judge(COMPANY, LIFE, with_entities(*failed), NOW).texts
    assert "Type0, Type1, Type2, Type3, Type4 and 2 more" in text


def test_the_worst_reason_comes_first_and_decides() -> None:
    facts = replace(FACTS, quarantined=1, all_calls_this_month=1000)
    health = judge(replace(COMPANY, last_error="it was down"), LIFE, facts, NOW)
    assert [reason.state for reason in health.reasons] == [
        HealthState.UNHEALTHY,
        HealthState.DEGRADED,
        HealthState.DEGRADED,
    ]
    assert health.state is HealthState.UNHEALTHY


def test_a_deliberate_disconnect_is_neither_well_nor_ill() -> None:
    health = judge(replace(COMPANY, status=ConnectionStatus.DISCONNECTED), None, FACTS, NOW)
    assert health.state is HealthState.DISCONNECTED
    (reason,) = health.texts
    assert "ledgerguard companies forget 9341453474484455" in reason


NEVER = with_entities(entity("Invoice", None), entity("Bill", None))
BEGUN = replace(NEVER, syncing=True, rows=1234, kept_entities=2)


@pytest.mark.parametrize(
    "company,facts,words",
    [
        (replace(COMPANY, connected_at=NOW), NEVER, "starts within seconds"),
        (COMPANY, replace(NEVER, syncing=True), "no row has arrived yet"),
        (COMPANY, BEGUN, "1,234 rows so far, 0 of 2 entity types complete"),
        (COMPANY, replace(BEGUN, entities=(INVOICE, entity("Bill", None))), "1 of 2 entity"),
    ],
)
def test_a_first_load_under_way_is_no_fault(company: Company, facts: SyncFacts, words: str) -> None:
    health = judge(company, LIFE, facts, NOW)
    assert health.state is HealthState.LOADING
    (reason,) = health.reasons
    assert reason.kind is ReasonKind.FIRST_LOAD
    assert words in reason.text
    assert findings_of(health.reasons) == [], "nobody is alarmed"


@pytest.mark.parametrize(
    "facts",
    [
        replace(NEVER, syncing=False),
        replace(BEGUN, entities=(entity("Invoice", None, error="No."), entity("Bill", None))),
    ],
)
def test_a_first_load_that_stands_still_or_failed_is_one(facts: SyncFacts) -> None:
    assert judge(COMPANY, LIFE, facts, NOW).state is HealthState.DEGRADED


def test_an_outage_is_one_reason_however_many_types_it_hits() -> None:
    said = "QuickBooks answered Service Unavailable. Nothing was stored; the next sync tries again."
    types = [
        entity(f"T{n}", 10, error=f"{said} (realm 1, entity T{n}, status 503)") for n in range(38)
    ]

    (reason,) = judge(COMPANY, LIFE, with_entities(*types), NOW).texts

    assert (
        reason
        == f"The last sync failed for 38 entity types (T0, T1, T2, T3, T4 and 33 more): {said}"
    )
