"""A 429 to token refreshes that lasts stops every company of the app; one alone is a short wait."""

from __future__ import annotations

import pytest

from ledgerguard_pipeline.alerts.policy import COMMON, findings_of
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.rate_limits.throttle_log import APP
from ledgerguard_pipeline.entities import entity_types
from ledgerguard_pipeline.health.rules import HealthState, ReasonKind
from ledgerguard_pipeline.ingestion.request import SyncRequest
from ledgerguard_pipeline.ingestion.results import SyncResult
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer, build_companies
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.clocks import HastyClock
from ledgerguard_pipeline_tests.conftest import SandboxFactory, connect

TYPES = entity_types(("Customer",))
HOUR = 3_600.0


@pytest.fixture
def sandbox(sandbox_factory: SandboxFactory) -> SandboxServer:
    return sandbox_factory(build_companies(2, seed=1, invoices=1))


def sync(installation: Installation, realm: RealmId) -> SyncResult:
    with installation.service(realm).open_sync(SyncRequest(realm, TYPES)) as running:
        return running.run()


def test_calls_of_the_whole_app_pause_and_go_on_when_tokens_are_given_again(
    sandbox: SandboxServer, settings: Settings
) -> None:
    first, second = map(RealmId, sandbox.realms)
    clock = HastyClock()
    base = settings.model_copy(update={"intuit_base_url": sandbox.base_url})
    with Installation.open(base, clock=clock) as both:
        for realm in (first, second):
            connect(both, sandbox, realm)
            assert sync(both, realm).ok
        sandbox.set(quota_spent="everywhere")
        clock.sleep(HOUR)

        for _ in range(3):
            assert "asked to wait" in str(sync(both, first).results[0].error)
            clock.sleep(300)
        found_out = sync(both, first)
        assert "429 of its token endpoint" in str(found_out.results[0].error)
        sandbox.pop_log()
        for realm in (first, second):
            assert "monthly quota of reads is used up" in str(sync(both, realm).results[0].error)
            company_status = both.company_status(realm)
            assert company_status is not None
            assert company_status.health.state is HealthState.UNHEALTHY
            sent = {each.kind for each in findings_of(company_status.health.reasons)}
            assert ReasonKind.QUOTA_EXHAUSTED in sent & COMMON, "one alert for all companies"
            assert ReasonKind.MISCONFIGURED not in sent
        assert sandbox.pop_log() == [], "no company is called"

        clock.sleep(HOUR + 60)
        assert not sync(both, second).ok
        assert not sync(both, first).ok
        assert [call.endpoint for call in sandbox.pop_log()] == ["token"], "one question an hour"

        sandbox.set(quota_spent="no")
        clock.sleep(HOUR + 60)
        assert sync(both, first).ok
        assert sync(both, second).ok
        assert APP not in both.control.refusals.read()


def test_one_company_that_is_asked_to_wait_for_its_token_keeps_no_other_from_calling(
    sandbox: SandboxServer, settings: Settings
) -> None:
    first, second = map(RealmId, sandbox.realms)
    clock = HastyClock()
    base = settings.model_copy(update={"intuit_base_url": sandbox.base_url})
    with Installation.open(base, clock=clock) as both:
        connect(both, sandbox, first)
        assert sync(both, first).ok
        clock.sleep(HOUR)
        connect(both, sandbox, second)
        sandbox.inject("throttle_json", next=2, endpoint="token")

        assert "asked to wait" in str(sync(both, first).results[0].error)
        assert sync(both, second).ok, "its token lives"
        company_status = both.company_status(first)
        assert company_status is not None
        kinds = {each.kind for each in company_status.health.reasons}
        assert ReasonKind.QUOTA_EXHAUSTED not in kinds

        clock.sleep(60)
        sandbox.inject("throttle_json", next=1, endpoint="token")
        assert sync(both, first).ok, "the call waits a minute and asks again"
        assert APP not in both.control.refusals.read()
