"""Who has to act, and whether one type or the company suffers, is known to every surface."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import structlog

from ledgerguard_pipeline.alerts.policy import DEAD, findings_of
from ledgerguard_pipeline.cli.doctor.dagster_and_companies import companies
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.entities import entity_types
from ledgerguard_pipeline.errors import ConfirmationFailed, FailureKind, ServiceUnavailable
from ledgerguard_pipeline.health.company_status import Standing
from ledgerguard_pipeline.health.rules import HealthState, ReasonKind
from ledgerguard_pipeline.health.summary import read_verdicts
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


def standing_of(installation: Installation) -> Standing:
    company = installation.control.companies.list()[0]
    standing = installation.standing(company.realm_id)
    assert standing is not None
    return standing


def kinds(standing: Standing) -> list[ReasonKind]:
    return [reason.kind for reason in standing.health.reasons]


@pytest.mark.parametrize(
    "fault, kind, told",
    [
        ("company_expired", ReasonKind.COMPANY_UNAVAILABLE, "subscription ended"),
        ("subscription_lapsed", ReasonKind.COMPANY_UNAVAILABLE, "has lapsed"),
        ("unauthorized_xml", ReasonKind.ACCESS_DENIED, "does not belong to this company"),
        ("wrong_cluster", ReasonKind.ACCESS_DENIED, "INTUIT_ENV"),
        ("forbidden", ReasonKind.ACCESS_DENIED, "no access to this company"),
    ],
)
def test_what_needs_a_person_for_the_whole_company_is_unhealthy_at_once(
    connected: Installation, sandbox: SandboxServer, fault: str, kind: ReasonKind, told: str
) -> None:
    assert sync(connected, TYPES).ok
    sandbox.inject(fault, **FOR_EVER)

    assert not sync(connected, TYPES).ok

    standing = standing_of(connected)
    assert standing.health.state is HealthState.UNHEALTHY
    assert kinds(standing) == [kind], "what follows from it is not told"
    (text,) = standing.health.texts
    assert told in text
    assert "tries again" not in text
    for each in standing.entities:
        if each.failure is not None:
            assert each.failure.kind is FailureKind.NEEDS_HUMAN
            assert each.failure.company_wide
    # The other surfaces: the list of many companies, doctor, alerts and JSON.
    (verdict,) = read_verdicts(connected.control, connected.settings)
    assert verdict.health == standing.health
    (finding,) = (each for each in companies(connected.settings) if "company" in each.topic)
    assert told in finding.text
    assert f"operations.md#{kind}" in str(finding.next_step)
    (alert,) = findings_of(standing.health.reasons)
    assert (alert.kind, alert.state) == (kind.value, HealthState.UNHEALTHY)
    assert alert.kind in DEAD
    said = json.loads(json.dumps(standing.to_json()))
    assert said["reason_kinds"] == [kind.value]
    failed = [each for each in said["entities"] if each["error"] is not None]
    assert {(each["error_kind"], each["error_scope"]) for each in failed} == {
        ("needs_human", "company")
    }

    sandbox.clear_faults()
    assert sync(connected, TYPES).ok
    assert kinds(standing_of(connected)) == [ReasonKind.NEVER_SYNCED], "the types left out here"


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

    standing = standing_of(connected)
    assert standing.health.state is HealthState.DEGRADED
    assert ReasonKind.SYNC_FAILED in kinds(standing)
    assert all(
        each.failure.kind is FailureKind.TRANSIENT
        for each in standing.entities
        if each.failure is not None
    )
    told = " ".join(standing.health.texts) + str(lines)
    assert "reconnect" not in told
    assert "repeating it cannot help" not in told
    assert COLLEAGUE not in told


def test_one_type_that_is_refused_is_one_type(
    connected: Installation, sandbox: SandboxServer
) -> None:
    assert sync(connected, TYPES).ok
    for endpoint in ("batch_item", "query"):
        sandbox.inject("forbidden", entity="TaxCode", endpoint=endpoint, **FOR_EVER)

    assert not sync(connected, TYPES).ok

    standing = standing_of(connected)
    assert standing.health.state is HealthState.DEGRADED
    assert kinds(standing)[0] is ReasonKind.SYNC_FAILED
    assert "does not go away by itself" in standing.health.texts[0]
    (failed,) = (each for each in standing.entities if each.failure is not None)
    assert failed.failure is not None
    assert (failed.failure.kind, failed.failure.company_wide) == (FailureKind.NEEDS_HUMAN, False)


def test_a_type_that_was_loaded_since_clears_the_company(
    connected: Installation, sandbox: SandboxServer
) -> None:
    assert sync(connected, TYPES).ok
    sandbox.inject("company_expired", **FOR_EVER)
    assert not sync(connected, TYPES).ok
    sandbox.clear_faults()

    assert sync(connected, entity_types(("Invoice",))).ok

    assert standing_of(connected).health.state is HealthState.DEGRADED


@pytest.mark.parametrize(
    "fault, error, told",
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
    told: str,
) -> None:
    sandbox.inject(fault, endpoint="read", **FOR_EVER)

    with pytest.raises(error, match=told):
        connect(installation, sandbox)

    assert installation.control.companies.list() == []


def test_handles_of_tokens_stay_out_of_everything_that_is_told(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sandbox.inject("unauthorized", **FOR_EVER)
    with structlog.testing.capture_logs() as lines:
        result = sync(connected, TYPES)

    standing = standing_of(connected)
    assert standing.company.status is ConnectionStatus.NEEDS_REAUTH
    told = json.dumps([standing.to_json(), result.to_json()]) + str(lines)
    assert HANDLE not in told
    assert realm_of(sandbox) in told
