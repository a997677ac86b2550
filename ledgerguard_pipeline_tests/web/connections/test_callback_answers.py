from __future__ import annotations

import pytest
from fastapi import FastAPI

from ledgerguard_pipeline.control.company_state.companies import Company
from ledgerguard_pipeline.errors import (
    ConfigurationError,
    ConsentError,
    CredentialsRejected,
    LedgerGuardError,
    ReauthorizationRequired,
    TokenEndpointUnavailable,
)
from ledgerguard_pipeline.web.app import create_app, create_waiting_app
from ledgerguard_pipeline_tests.web.browser import Browser, ask
from ledgerguard_pipeline_tests.web.conftest import ACME, AUTHORIZE, Edge, FixedConsents

CONNECT = "/api/v1/auth/connect"
CALLBACK = "/api/v1/auth/callback?code=the-code&state=the-state&realmId=9341453474484455"


def returned(app: FastAPI) -> Browser:
    """A browser that pressed Connect and now comes back from Intuit."""
    browser = Browser(app)
    assert browser.get(CONNECT).status_code == 302
    return browser


def test_the_connect_link_redirects_to_intuit(edge: Edge) -> None:
    answer = ask(create_app(edge), "/api/v1/auth/connect")

    assert answer.status_code == 302
    assert answer.headers["location"] == AUTHORIZE


def test_a_confirmed_company_is_named_and_its_name_is_only_text(edge: Edge) -> None:
    answer = returned(create_app(edge)).get(CALLBACK)

    assert answer.status_code == 200
    assert "Acme &lt;script&gt;" in answer.text
    assert "<script" not in answer.text


def test_the_connector_gets_exactly_what_came_back(edge: Edge, consents: FixedConsents) -> None:
    returned(create_app(edge)).get(CALLBACK)

    assert [dict(params) for params in consents.seen] == [
        {"code": "the-code", "state": "the-state", "realmId": "9341453474484455"}
    ]


@pytest.mark.parametrize(
    "error,status",
    [
        (ConsentError("The state was forged: secret-detail."), 400),
        (ReauthorizationRequired("The code was used: secret-detail."), 400),
        (CredentialsRejected("Wrong client secret: secret-detail."), 409),
        (ConfigurationError("Missing: secret-detail."), 409),
        (TokenEndpointUnavailable("HTML came back: secret-detail."), 503),
    ],
)
def test_a_failed_consent_gets_a_generic_page(
    edge: Edge, consents: FixedConsents, error: LedgerGuardError, status: int
) -> None:
    browser = returned(create_app(edge))
    consents.outcome = error

    answer = browser.get(CALLBACK)

    assert answer.status_code == status
    assert "Nothing was stored" in answer.text or "not ready" in answer.text
    for never in ("secret-detail", "the-code", "the-state"):
        assert never not in answer.text


def test_a_repeated_parameter_never_reaches_the_connector(
    edge: Edge, consents: FixedConsents
) -> None:
    answer = returned(create_app(edge)).get(CALLBACK + "&state=another")

    assert answer.status_code == 400
    assert consents.seen == []


def test_whoever_waits_for_the_consent_learns_how_it_ended(
    edge: Edge, consents: FixedConsents
) -> None:
    reported: list[Company | LedgerGuardError] = []
    app = create_waiting_app(edge, reported.append)
    ask(app, CALLBACK)
    consents.outcome = ConsentError("denied")
    ask(app, "/api/v1/auth/callback?error=access_denied&state=s")

    assert reported == [ACME, consents.outcome]


def test_an_unexpected_failure_shows_no_detail_and_keeps_the_headers(
    edge: Edge, consents: FixedConsents
) -> None:
    browser = returned(create_app(edge))
    consents.outcome = ZeroDivisionError("secret-detail")

    answer = browser.get(CALLBACK)

    assert answer.status_code == 500
    assert "secret-detail" not in answer.text
    assert answer.headers["x-frame-options"] == "DENY"


def test_the_path_of_the_redirect_uri_is_served_too(edge: Edge) -> None:
    edge.settings = edge.settings.model_copy(
        update={"intuit_redirect_uri": "http://localhost:8000/books/oauth"}
    )

    browser = returned(create_app(edge))

    assert browser.get("/books/oauth?code=c&state=s&realmId=1").status_code == 200


def test_a_consent_comes_back_to_the_browser_session_it_began_in(
    edge: Edge, consents: FixedConsents
) -> None:
    app = create_app(edge)
    returned(app).get(CALLBACK)
    other = returned(app)
    other.get(CALLBACK)

    began, ended, began_elsewhere, ended_elsewhere = consents.sessions
    assert began == ended != began_elsewhere == ended_elsewhere
    assert len(began) >= 32


def test_a_browser_that_never_pressed_connect_cannot_complete_a_consent(
    edge: Edge, consents: FixedConsents
) -> None:
    answer = Browser(create_app(edge)).get(CALLBACK)

    assert answer.status_code == 400
    assert "Nothing was stored" in answer.text
    assert consents.seen == []


@pytest.mark.parametrize("base", ["http://127.0.0.1:8000", "http://[::1]:8000"])
def test_connecting_starts_under_the_name_the_callback_comes_back_to(edge: Edge, base: str) -> None:
    answer = Browser(create_app(edge), base=base).get(CONNECT)

    assert answer.headers["location"] == f"http://localhost:8000{CONNECT}"


def test_a_redirect_uri_that_would_open_another_page_is_refused(edge: Edge) -> None:
    edge.settings = edge.settings.model_copy(
        update={"intuit_redirect_uri": "http://localhost:8000/metrics"}
    )

    with pytest.raises(ConfigurationError, match="/metrics"):
        create_app(edge)
