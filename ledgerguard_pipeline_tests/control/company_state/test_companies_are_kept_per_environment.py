from __future__ import annotations

from dataclasses import replace

import pytest

from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.errors import BadInputError, ConfigurationError
from ledgerguard_pipeline.values import Environment, RealmId
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.stores import OpenPlane

REALM = RealmId("9341453474484455")
OTHER = RealmId("1234567890")


def acme(clock: FakeClock) -> Company:
    return Company(
        REALM, Environment.SANDBOX, "Ørsted & Søn's", ConnectionStatus.CONNECTED, clock.now()
    )


def test_a_company_comes_back_as_it_was_put(plane: ControlPlane, clock: FakeClock) -> None:
    plane.companies.put(acme(clock))

    assert plane.companies.get(REALM) == acme(clock)
    assert plane.companies.require(REALM) == acme(clock)


def test_putting_a_company_again_replaces_it(plane: ControlPlane, clock: FakeClock) -> None:
    plane.companies.put(acme(clock))
    renamed = replace(acme(clock), name="Acme", last_error="x", response_time_ms=1.5)
    plane.companies.put(renamed)

    assert plane.companies.list() == [renamed]


def test_companies_are_listed_by_name_and_status(plane: ControlPlane, clock: FakeClock) -> None:
    zebra = replace(acme(clock), realm_id=OTHER, name="Zebra")
    plane.companies.put(zebra)
    plane.companies.put(replace(acme(clock), name="Acme"))
    plane.companies.set_status(OTHER, ConnectionStatus.NEEDS_REAUTH, "connect again")

    assert [company.name for company in plane.companies.list()] == ["Acme", "Zebra"]
    waiting = plane.companies.list(ConnectionStatus.NEEDS_REAUTH)
    assert [(company.name, company.last_error) for company in waiting] == [
        ("Zebra", "connect again")
    ]


def test_a_heartbeat_notes_the_time_and_clears_the_error(
    plane: ControlPlane, clock: FakeClock
) -> None:
    plane.companies.put(replace(acme(clock), last_error="it was down"))
    clock.advance(60)
    plane.companies.heartbeat(REALM, 41.5)

    company = plane.companies.require(REALM)
    assert (company.last_success_at, company.response_time_ms, company.last_error) == (
        clock.now(),
        41.5,
        None,
    )


def test_a_failure_is_noted_beside_a_live_connection_only(
    plane: ControlPlane, clock: FakeClock
) -> None:
    plane.companies.put(acme(clock))
    plane.companies.stumble(REALM, "Invoice failed")
    assert plane.companies.require(REALM).last_error == "Invoice failed"

    plane.companies.set_status(REALM, ConnectionStatus.NEEDS_REAUTH, "connect again")
    plane.companies.stumble(REALM, "everything failed")
    company = plane.companies.require(REALM)
    assert (company.status, company.last_error) == (
        ConnectionStatus.NEEDS_REAUTH,
        "connect again",
    )


def test_a_company_whose_grant_was_refused_keeps_the_reason_when_something_had_worked(
    plane: ControlPlane, clock: FakeClock
) -> None:
    plane.companies.put(acme(clock))
    plane.companies.set_status(REALM, ConnectionStatus.NEEDS_REAUTH, "connect again")
    refused = plane.companies.require(REALM)
    clock.advance(60)
    plane.companies.heartbeat(REALM, 5.0, recovered=True)
    found = plane.companies.require(REALM)
    assert found == replace(refused, last_success_at=clock.now(), response_time_ms=5.0)
    assert found.error_at is not None


def test_an_error_is_known_since_it_first_came(plane: ControlPlane, clock: FakeClock) -> None:
    plane.companies.put(acme(clock))
    first = clock.now()
    for _ in range(2):
        plane.companies.stumble(REALM, "Invoice failed")
        assert plane.companies.require(REALM).error_at == first
        clock.advance(60)
    plane.companies.set_status(REALM, ConnectionStatus.NEEDS_REAUTH, "connect again")
    assert plane.companies.require(REALM).error_at == clock.now()
    plane.companies.set_status(REALM, ConnectionStatus.CONNECTED, "Invoice failed")
    plane.companies.heartbeat(REALM, 5.0)
    assert plane.companies.require(REALM).error_at is None


def test_an_unknown_company_is_answered_with_what_to_do(plane: ControlPlane) -> None:
    assert plane.companies.get(REALM) is None
    with pytest.raises(BadInputError, match="ledgerguard connect"):
        plane.companies.require(REALM)


def test_a_forgotten_company_is_gone(plane: ControlPlane, clock: FakeClock) -> None:
    plane.companies.put(acme(clock))
    plane.companies.forget(REALM)

    assert plane.companies.list() == []


def test_a_sandbox_company_cannot_be_used_in_production(
    plane: ControlPlane, open_plane: OpenPlane, clock: FakeClock
) -> None:
    plane.companies.put(acme(clock))
    production = open_plane(clock=clock, intuit_env=Environment.PRODUCTION)

    assert production.companies.get(REALM) is None
    with pytest.raises(ConfigurationError, match="INTUIT_ENV is production"):
        production.companies.require(REALM)
    with pytest.raises(ConfigurationError, match="sandbox company"):
        production.companies.put(acme(clock))
    with pytest.raises(ConfigurationError, match="INTUIT_ENV=sandbox"):
        production.companies.put(replace(acme(clock), environment=Environment.PRODUCTION))
    assert production.companies.list() == []
