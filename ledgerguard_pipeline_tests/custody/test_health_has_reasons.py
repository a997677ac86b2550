from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from ledgerguard_pipeline.control.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.tokens import Tokens
from ledgerguard_pipeline.custody.health import HealthState, SyncFacts, judge
from ledgerguard_pipeline.values import Environment, RealmId

NOW = datetime(2026, 11, 1, tzinfo=UTC)
COMPANY = Company(
    RealmId("9341453474484455"), Environment.SANDBOX, "Acme", ConnectionStatus.CONNECTED, NOW
)
TOKENS = Tokens(
    SecretStr("a"),
    SecretStr("r"),
    NOW - timedelta(days=1),
    NOW + timedelta(days=99),
    NOW + timedelta(days=1800),
    1,
)
FACTS = SyncFacts(last_sync_at=NOW - timedelta(minutes=10), monthly_budget=1000)


def test_a_company_in_order_is_healthy_without_reasons() -> None:
    health = judge(COMPANY, TOKENS, FACTS, NOW)
    assert (health.state, health.reasons) == (HealthState.HEALTHY, ())


@pytest.mark.parametrize(
    "company,tokens,words",
    [
        (replace(COMPANY, status=ConnectionStatus.DISCONNECTED), None, "disconnected"),
        (replace(COMPANY, status=ConnectionStatus.NEEDS_REAUTH), TOKENS, "no longer accepts"),
        (replace(COMPANY, status=ConnectionStatus.NEEDS_REAUTH, last_error="why"), TOKENS, "why"),
        (COMPANY, None, "No tokens"),
        (COMPANY, replace(TOKENS, refresh_expires_at=NOW), "ended on 2026-11-01"),
        (COMPANY, replace(TOKENS, hard_expires_at=NOW), "five-year"),
    ],
)
def test_a_dead_connection_is_unhealthy_and_the_only_reason(
    company: Company, tokens: Tokens | None, words: str
) -> None:
    stale = replace(FACTS, last_sync_at=None, quarantined=5, calls_this_month=5000)
    health = judge(company, tokens, stale, NOW)
    assert health.state is HealthState.UNHEALTHY
    assert len(health.texts) == 1
    assert words in health.texts[0]


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
    tokens = (
        replace(TOKENS, refresh_expires_at=ends)
        if field == "refresh_expires_at"
        else replace(TOKENS, hard_expires_at=ends)
    )
    health = judge(COMPANY, tokens, FACTS, NOW)
    assert health.state is state
    assert (words is None and not health.texts) or (words or "") in health.texts[0]


@pytest.mark.parametrize(
    "facts,state,words",
    [
        (replace(FACTS, last_sync_at=None), HealthState.DEGRADED, "never synced"),
        (
            replace(FACTS, last_sync_at=NOW - timedelta(minutes=31)),
            HealthState.DEGRADED,
            "31 minutes",
        ),
        (replace(FACTS, last_sync_at=NOW - timedelta(days=2)), HealthState.UNHEALTHY, "2 days"),
        (replace(FACTS, quarantined=3), HealthState.DEGRADED, "3 records"),
        (replace(FACTS, webhook_age_seconds=660.0), HealthState.DEGRADED, "11 minutes"),
        (replace(FACTS, parked_events=2), HealthState.DEGRADED, "2 webhook events are parked"),
        (replace(FACTS, calls_this_month=800), HealthState.DEGRADED, "800 of 1000"),
        (replace(FACTS, calls_this_month=1000), HealthState.UNHEALTHY, "1000 of 1000"),
    ],
)
def test_each_finding_has_its_weight_and_its_sentence(
    facts: SyncFacts, state: HealthState, words: str
) -> None:
    health = judge(COMPANY, TOKENS, facts, NOW)
    assert health.state is state
    assert words in health.texts[0]


def test_the_worst_reason_comes_first_and_gives_the_verdict() -> None:
    facts = replace(FACTS, quarantined=1, calls_this_month=1000)
    health = judge(replace(COMPANY, last_error="it was down"), TOKENS, facts, NOW)
    assert [reason.state for reason in health.reasons] == [
        HealthState.UNHEALTHY,
        HealthState.DEGRADED,
        HealthState.DEGRADED,
    ]
    assert health.state is HealthState.UNHEALTHY
