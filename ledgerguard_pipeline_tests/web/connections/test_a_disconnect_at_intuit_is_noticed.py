from __future__ import annotations

import pytest

from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.installation import Installation
from ledgerguard_pipeline.sandbox.serve.server_process import SandboxServer
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline.web.app import create_app
from ledgerguard_pipeline_tests.web.browser import Browser
from ledgerguard_pipeline_tests.web.companies import add, realm
from ledgerguard_pipeline_tests.web.conftest import Edge, FixedConsents

LANDING = "/api/v1/auth/disconnected"


def status_of(installation: Installation, sandbox: SandboxServer) -> ConnectionStatus:
    return installation.control.companies.require(RealmId(sandbox.realm_id)).status


def test_whoever_comes_back_from_intuit_sees_the_company_as_disconnected(
    connected: Installation, sandbox: SandboxServer
) -> None:
    sandbox.disconnect()

    answer = Browser(create_app(connected)).get(f"{LANDING}?realmId={sandbox.realm_id}")

    assert answer.status_code == 200
    assert "is disconnected" in answer.text
    assert "Connect again" in answer.text
    assert status_of(connected, sandbox) is ConnectionStatus.NEEDS_REAUTH


def test_a_link_alone_disconnects_nothing(connected: Installation, sandbox: SandboxServer) -> None:
    answer = Browser(create_app(connected)).get(f"{LANDING}?realmId={sandbox.realm_id}")

    assert "is still connected" in answer.text
    assert status_of(connected, sandbox) is ConnectionStatus.CONNECTED


def test_opening_it_again_and_again_asks_intuit_once(edge: Edge) -> None:
    add(edge.control)
    browser = Browser(create_app(edge))
    for _ in range(5):
        assert browser.get(f"{LANDING}?realmId={realm(0)}").status_code == 200

    assert edge.asked == [realm(0)]


@pytest.mark.parametrize(
    "query,status",
    [
        ("", 200),
        ("?realmId=", 200),
        ("?realmId=9341453474499999", 404),
        ("?realmId=<script>alert(1)</script>", 400),
        ("?realmId=9341453474484455&realmId=9341453474484456", 400),
        ("?realmId=934145347448445500001", 400),
    ],
)
def test_its_parameters_are_not_trusted(
    edge: Edge, consents: FixedConsents, query: str, status: int
) -> None:
    add(edge.control)

    answer = Browser(create_app(edge)).get(LANDING + query)

    assert answer.status_code == status
    assert "<script" not in answer.text
    assert edge.asked == []
    assert consents.disconnected == []


def test_a_company_that_is_not_connected_is_not_asked_for(edge: Edge) -> None:
    add(edge.control, status=ConnectionStatus.NEEDS_REAUTH, error="Its grant is dead.")

    answer = Browser(create_app(edge)).get(f"{LANDING}?realmId={realm(0)}")

    assert "is disconnected" in answer.text
    assert edge.asked == []
