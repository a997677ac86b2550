"""A month's quota that is used up is recognised, stops the calls, and opens again by itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.entities import entity_types
from ledgerguard_pipeline.errors import QuotaExhausted
from ledgerguard_pipeline.health.rules import HealthState, ReasonKind
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.qbo.queries.statement import Query
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.clocks import HastyClock
from ledgerguard_pipeline_tests.ingestion.company_books import realm_of, sync

TYPES = entity_types(("Customer", "Invoice"))


@pytest.fixture
def installation(settings: Settings) -> Iterator[Installation]:
    with Installation.open(settings, clock=HastyClock()) as opened:
        yield opened


def test_calls_stop_and_go_on_when_intuit_lets_them(
    connected: Installation, sandbox: SandboxServer
) -> None:
    realm = realm_of(sandbox)
    assert sync(connected, TYPES).ok
    sandbox.inject("throttle_json", next=1_000)

    waited = sync(connected, TYPES)
    assert all("3001" in str(each.error) for each in waited.results), "an ordinary 429, waited out"
    assert connected.control.refusals.read()[realm].resumes_at is None

    connected.clock.sleep(900)
    found_out = sync(connected, TYPES)
    assert all("quota of reads is used up" in str(each.error) for each in found_out.results)
    sandbox.pop_log()
    assert not sync(connected, TYPES).ok
    assert sandbox.pop_log() == [], "no call is made that can only be refused"

    company_status = connected.company_status(realm)
    assert company_status is not None
    assert company_status.health.state is HealthState.UNHEALTHY
    assert company_status.health.reasons[0].kind is ReasonKind.QUOTA_EXHAUSTED

    connected.clock.sleep(3_700)
    assert not sync(connected, TYPES).ok
    asked = [call.endpoint for call in sandbox.pop_log() if call.endpoint != "token"]
    assert asked == ["cdc"], "one question an hour"

    sandbox.clear_faults()
    connected.clock.sleep(3_700)
    assert sync(connected, TYPES).ok
    company_status = connected.company_status(realm)
    assert company_status is not None
    assert ReasonKind.QUOTA_EXHAUSTED not in {each.kind for each in company_status.health.reasons}


def test_a_spent_quota_that_is_reported_inside_answers_is_recognised_too(
    connected: Installation, sandbox: SandboxServer
) -> None:
    realm = realm_of(sandbox)
    client = connected.client(realm)
    asked = [(each, Query.select(each)) for each in TYPES]
    assert len(client.query_batch(asked)) == len(TYPES)
    sandbox.inject("throttle_json", endpoint="batch_item", next=1_000)
    for _ in range(4):
        client.query_batch(asked)
        connected.clock.sleep(300)
    with pytest.raises(QuotaExhausted):
        client.query_batch(asked)

    assert connected.control.refusals.read()[realm].resumes_at is not None
    metered = sandbox.stats()["metered"]
    assert isinstance(metered, dict)
    assert connected.control.calls.month_to_date(realm) == metered[str(realm)]
