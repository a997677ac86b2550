from __future__ import annotations

from dataclasses import replace

import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.errors import (
    CredentialsRejected,
    KeyUnavailable,
    LedgerGuardError,
    QuotaExhausted,
    TokenEndpointUnavailable,
)
from ledgerguard_pipeline.web.app import create_app
from ledgerguard_pipeline_tests.web.browser import Browser, action, ask, hidden
from ledgerguard_pipeline_tests.web.companies import add, realm
from ledgerguard_pipeline_tests.web.conftest import Edge, FixedConsents

TOKEN = "made-up-admin-token"
REALM = realm(0)
CONFIRM = f"/companies/{REALM}/disconnect"
ACTION = f"/api/v1/auth/disconnect/{REALM}"


@pytest.fixture
def app(edge: Edge) -> FastAPI:
    settings = edge.settings.model_copy(update={"ledgerguard_admin_token": SecretStr(TOKEN)})
    edge = replace(edge, settings=settings)
    add(edge.control)
    return create_app(edge)


@pytest.fixture
def browser(app: FastAPI) -> Browser:
    return Browser(app)


def test_the_page_asks_and_its_form_disconnects(browser: Browser, consents: FixedConsents) -> None:
    question = browser.get(CONFIRM)
    assert question.status_code == 200
    assert "Disconnect Company 000?" in question.text
    assert consents.disconnected == []

    answer = browser.submit(question)

    assert consents.disconnected == [REALM]
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/companies/{REALM}"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_only_a_post_disconnects(app: FastAPI, consents: FixedConsents, method: str) -> None:
    assert ask(app, ACTION, method=method).status_code == 405
    assert consents.disconnected == []


def test_a_form_that_was_not_given_out_does_nothing(
    app: FastAPI, browser: Browser, consents: FixedConsents
) -> None:
    add_other = realm(1)
    elsewhere = hidden(Browser(app).get(CONFIRM))
    mine = hidden(browser.get(CONFIRM))
    attempts = [
        browser.post(ACTION, elsewhere),
        browser.post(ACTION, {"form_token": ""}),
        browser.post(ACTION),
        browser.post(f"/api/v1/auth/disconnect/{add_other}", mine),
        browser.post(ACTION, mine, sec_fetch_site="cross-site"),
        browser.post(ACTION, mine, origin="https://evil.example"),
    ]

    assert {answer.status_code for answer in attempts} == {403}
    assert all("Nothing was disconnected" in answer.text for answer in attempts)
    assert consents.disconnected == []


def test_a_program_disconnects_with_the_admin_token_and_with_nothing_less(
    app: FastAPI, consents: FixedConsents
) -> None:
    for headers in ({}, {b"authorization": b"Bearer wrong-token"}):
        refused = ask(app, ACTION, method="POST", headers=headers)
        assert refused.status_code == 403
        assert "bearer" in refused.json()["message"]
    assert consents.disconnected == []

    bearer = {b"authorization": f"Bearer {TOKEN}".encode()}
    answer = ask(app, ACTION, method="POST", headers=bearer)

    assert answer.status_code == 200
    assert answer.json()["is_connected"] is False
    assert consents.disconnected == [REALM]


def test_a_password_the_browser_sends_by_itself_is_not_enough(
    browser: Browser, consents: FixedConsents
) -> None:
    """Basic authentication goes out with every request, whoever's page caused it."""
    answer = browser.post(ACTION, authorization="Basic YTptYWRlLXVwLWFkbWluLXRva2Vu")

    assert answer.status_code == 403
    assert consents.disconnected == []


@pytest.mark.parametrize(
    "error,status,reported",
    [
        (TokenEndpointUnavailable("HTML came back: secret-detail."), 503, "still connected"),
        (QuotaExhausted("Spent: secret-detail.", status=429), 503, "inside QuickBooks"),
        (KeyUnavailable("No key opens it: secret-detail."), 409, "still connected"),
        (CredentialsRejected("Wrong client secret: secret-detail."), 409, "not ready"),
    ],
)
def test_what_intuit_did_not_confirm_is_reported(
    browser: Browser, consents: FixedConsents, error: LedgerGuardError, status: int, reported: str
) -> None:
    question = browser.get(CONFIRM)
    consents.outcome = error

    answer = browser.submit(question)

    assert answer.status_code == status
    assert reported in answer.text
    assert "secret-detail" not in answer.text


@pytest.mark.parametrize("named", ["9341453474499999", "x", "12345678901234567890"])
def test_a_company_that_is_not_connected_cannot_be_disconnected(
    app: FastAPI, browser: Browser, consents: FixedConsents, named: str
) -> None:
    bearer = {b"authorization": f"Bearer {TOKEN}".encode()}
    address = f"/api/v1/auth/disconnect/{named}"

    assert browser.get(f"/companies/{named}/disconnect").status_code == 404
    assert browser.post(address).status_code in (403, 404)
    assert ask(app, address, method="POST", headers=bearer).status_code == 404
    assert consents.disconnected == []


def test_a_disconnected_company_is_not_asked_about_again(edge: Edge) -> None:
    add(edge.control, status=ConnectionStatus.DISCONNECTED)

    answer = Browser(create_app(edge)).get(CONFIRM)

    assert answer.status_code == 303
    assert action_free(Browser(create_app(edge)).get(answer.headers["location"]).text)


def action_free(page: str) -> bool:
    return "/disconnect" not in page and "Connect again" in page


def test_the_forms_address_is_the_one_programs_use(browser: Browser) -> None:
    assert action(browser.get(CONFIRM)) == ACTION
