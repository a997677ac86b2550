"""Who has to act, and whether one type or the company suffers, is known to every surface."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import structlog

from ledgerguard_pipeline.alerts.policy import DEAD, findings_of
from ledgerguard_pipeline.cli.doctor.companies import companies
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.entities import entity_types
from ledgerguard_pipeline.errors import ConfirmationFailed, FailureKind, ServiceUnavailable
from ledgerguard_pipeline.health.company_status import CompanyStatus
from ledgerguard_pipeline.health.rules import HealthState, ReasonKind
from ledgerguard_pipeline.health.summary import read_summaries
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.api.faults import COLLEAGUE, HANDLE
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline_tests.clocks import HastyClock
from ledgerguard_pipeline_tests.conftest import connect
from ledgerguard_pipeline_tests.ingestion.company_books import realm_of, sync

TYPES = entity_types(("Customer", "Invoice", "TaxCode"))
FOR_EVER = {"next": 1_000}


@pytest.fixture
def installation(settings: Settings) -> Iterator[Installation]:
    with Installation.open(settings, clock=HastyClock()) as opened:
        yield opened


def status_of(installation: Installation) -> CompanyStatus:
    company = installation.control.companies.list()[0]
    company_status = installation.company_status(company.realm_id)
    assert company_status is not None
    return company_status


def kinds(company_status: CompanyStatus) -> list[ReasonKind]:
    return [reason.kind for reason in company_status.health.reasons]


@pytest.mark.parametrize(
    "fault, kind, sent",
    [
        ("company_expired", ReasonKind.COMPANY_UNAVAILABLE, "subscription ended"),
        ("subscription_lapsed", ReasonKind.COMPANY_UNAVAILABLE, "has lapsed"),
        ("unauthorized_xml", ReasonKind.ACCESS_DENIED, "does not belong to this company"),
        ("wrong_cluster", ReasonKind.ACCESS_DENIED, "INTUIT_ENV"),
        ("forbidden", ReasonKind.ACCESS_DENIED, "no access to this company"),
    ],
)
def test_what_needs_a_person_for_the_whole_company_is_unhealthy_at_once(
    connected: Installation, sandbox: SandboxServer, fault: str, kind: ReasonKind, sent: str
) -> None:
    assert sync(connected, TYPES).ok
    sandbox.inject(fault, **FOR_EVER)

    assert not sync(connected, TYPES).ok

    company_status = status_of(connected)
    assert company_status.health.state is HealthState.UNHEALTHY
    assert kinds(company_status) == [kind], "what follows from it is not reported"
    (text,) = company_status.health.texts
    assert sent in text
    assert "tries again" not in text
    for each in company_status.entities:
        if each.failure is not None:
            assert each.failure.kind is FailureKind.NEEDS_HUMAN
            assert each.failure.company_wide
    # The other surfaces: the list of many companies, doctor, alerts and JSON.
    (summary,) = read_summaries(connected.control, connected.settings)
    assert summary.health == company_status.health
    (finding,) = (each for each in companies(connected.settings) if "company" in each.topic)
    assert sent in finding.text
    assert f"runbook.md#{kind}" in str(finding.next_step)
    (alert,) = findings_of(company_status.health.reasons)
    assert (alert.kind, alert.state) == (kind.value, HealthState.UNHEALTHY)
    assert alert.kind in DEAD
    said = json.loads(json.dumps(company_status.to_json()))
    assert said["reason_kinds"] == [kind.value]
    failed = [each for each in said["entities"] if each["error"] is not None]
    assert {(each["error_kind"], each["error_scope"]) for each in failed} == {
        ("needs_human", "company")
    }

    sandbox.clear_faults()
    assert sync(connected, TYPES).ok
    assert kinds(status_of(connected)) == [ReasonKind.NEVER_SYNCED], "the types left out here"


@pytest.mark.parametrize(
    "fault",
    [
        "gateway_500",
        "authorization_500",
        "no_destination",
        "resource_missing",
        "try_again",
        "stale_object",
    ],
)
def test_an_outage_is_retried_and_then_degraded_only(
    connected: Installation, sandbox: SandboxServer, fault: str
) -> None:
    assert sync(connected, TYPES).ok
    sandbox.inject(fault, next=2)
    assert sync(connected, TYPES).ok, "asked again, and the good answer counts"

    sandbox.inject(fault, **FOR_EVER)
    with structlog.testing.capture_logs() as lines:
        assert not sync(connected, TYPES).ok

    company_status = status_of(connected)
    assert company_status.health.state is HealthState.DEGRADED
    assert ReasonKind.SYNC_FAILED in kinds(company_status)
    assert all(
        each.failure.kind is FailureKind.TRANSIENT
        for each in company_status.entities
        if each.failure is not None
    )
    sent = " ".join(company_status.health.texts) + str(lines)
    assert "reconnect" not in sent
    assert "repeating it cannot help" not in sent
    assert COLLEAGUE not in sent


@pytest.mark.parametrize("fault", ["error_503_html", "unauthorized_xml"])
def test_a_company_that_recovered_is_well_with_its_next_success(
    connected: Installation, sandbox: SandboxServer, fault: str
) -> None:
    assert sync(connected, TYPES).ok
    sandbox.inject(fault, **FOR_EVER)
    for _ in range(8):
        assert not sync(connected, TYPES).ok
    assert connected.control.calls.usage()[realm_of(sandbox)].failed >= 10
    sandbox.clear_faults()
    sandbox.inject("error_503_html", next=1)
    assert sync(connected, TYPES).ok
    assert ReasonKind.CALLS_FAIL in kinds(status_of(connected)), "a call had to be repeated"

    assert sync(connected, TYPES).ok

    assert kinds(status_of(connected)) == [ReasonKind.NEVER_SYNCED], "the types left out here"
    history = connected.control.calls.by_purpose(realm_of(sandbox))
    failed = [each for each in history if each.status in (401, 503)]
    assert sum(each.calls for each in failed) >= 10, "its history says what was"


def test_one_type_that_is_refused_is_one_type(
    connected: Installation, sandbox: SandboxServer
) -> None:
    assert sync(connected, TYPES).ok
    for endpoint in ("batch_item", "query"):
        sandbox.inject("forbidden", entity="TaxCode", endpoint=endpoint, **FOR_EVER)

    assert not sync(connected, TYPES).ok

    company_status = status_of(connected)
    assert company_status.health.state is HealthState.DEGRADED
    assert kinds(company_status)[0] is ReasonKind.SYNC_FAILED
    assert "does not go away by itself" in company_status.health.texts[0]
    (failed,) = (each for each in company_status.entities if each.failure is not None)
    assert failed.failure is not None
    assert (failed.failure.kind, failed.failure.company_wide) == (FailureKind.NEEDS_HUMAN, False)


@pytest.mark.parametrize("how", ["changes", "full", "reconcile"])
def test_one_type_that_fails_calls_it_shares_is_found_and_the_others_are_loaded(
    connected: Installation, sandbox: SandboxServer, how: str
) -> None:
    assert sync(connected, TYPES[:2]).ok
    sandbox.inject("forbidden", entity="Invoice", **FOR_EVER)

    result = sync(connected, TYPES[:2], full=how == "full", reconcile=how == "reconcile")

    assert [each.entity for each in result.failed] == ["Invoice"]
    company_status = status_of(connected)
    assert company_status.health.state is HealthState.DEGRADED
    assert kinds(company_status)[0] is ReasonKind.SYNC_FAILED
    sandbox.clear_faults()
    assert sync(connected, TYPES[:2]).ok


def test_a_company_that_is_refused_as_a_whole_costs_two_calls(
    connected: Installation, sandbox: SandboxServer
) -> None:
    assert sync(connected, TYPES).ok
    sandbox.inject("forbidden", **FOR_EVER)
    assert sync(connected, TYPES).api_calls <= 2
    assert kinds(status_of(connected))[0] is ReasonKind.ACCESS_DENIED


def test_a_type_that_was_loaded_since_clears_the_company(
    connected: Installation, sandbox: SandboxServer
) -> None:
    assert sync(connected, TYPES).ok
    sandbox.inject("company_expired", **FOR_EVER)
    assert not sync(connected, TYPES).ok
    sandbox.clear_faults()

    assert sync(connected, entity_types(("Invoice",))).ok

    assert status_of(connected).health.state is HealthState.DEGRADED


@pytest.mark.parametrize(
    "fault, error, sent",
    [
        ("company_expired", ConfirmationFailed, "subscription ended"),
        ("forbidden", ConfirmationFailed, "no access to this company"),
        ("gateway_500", ServiceUnavailable, "InternalServerError"),
        ("no_destination", ServiceUnavailable, "No destination found"),
    ],
)
def test_a_confirmation_that_fails_keeps_its_own_reason(
    installation: Installation,
    sandbox: SandboxServer,
    fault: str,
    error: type[Exception],
    sent: str,
) -> None:
    sandbox.inject(fault, endpoint="read", **FOR_EVER)

    with pytest.raises(error, match=sent):
        connect(installation, sandbox)

    assert installation.control.companies.list() == []


def test_handles_of_tokens_stay_out_of_everything_that_is_shown(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sandbox.inject("unauthorized", **FOR_EVER)
    with structlog.testing.capture_logs() as lines:
        result = sync(connected, TYPES)

    company_status = status_of(connected)
    assert company_status.company.status is ConnectionStatus.NEEDS_REAUTH
    sent = json.dumps([company_status.to_json(), result.to_json()]) + str(lines)
    assert HANDLE not in sent
    assert realm_of(sandbox) in sent
