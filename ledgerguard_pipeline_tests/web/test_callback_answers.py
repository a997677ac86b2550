from __future__ import annotations

import pytest

from ledgerguard_pipeline.control.companies import Company
from ledgerguard_pipeline.errors import (
    ConfigurationError,
    ConsentError,
    CredentialsRejected,
    LedgerGuardError,
    ReauthorizationRequired,
    TokenEndpointUnavailable,
)
from ledgerguard_pipeline.web.app import create_app
from ledgerguard_pipeline_tests.web.browser import ask
from ledgerguard_pipeline_tests.web.conftest import ACME, AUTHORIZE, Edge, FixedConsents

CALLBACK = "/api/v1/auth/callback?code=the-code&state=the-state&realmId=9341453474484455"


def test_the_connect_link_redirects_to_intuit(edge: Edge) -> None:
    answer = ask(create_app(edge), "/api/v1/auth/connect")

    assert answer.status_code == 302
    assert answer.headers["location"] == AUTHORIZE


def test_a_confirmed_company_is_named_and_its_name_is_only_text(edge: Edge) -> None:
    answer = ask(create_app(edge), CALLBACK)

    assert answer.status_code == 200
    assert "Acme &lt;script&gt;" in answer.text
    assert "<script" not in answer.text


def test_the_connector_gets_exactly_what_came_back(edge: Edge, consents: FixedConsents) -> None:
    ask(create_app(edge), CALLBACK)

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
    consents.outcome = error

    answer = ask(create_app(edge), CALLBACK)

    assert answer.status_code == status
    assert "Nothing was stored" in answer.text or "not ready" in answer.text
    for never in ("secret-detail", "the-code", "the-state"):
        assert never not in answer.text


def test_a_repeated_parameter_never_reaches_the_connector(
    edge: Edge, consents: FixedConsents
) -> None:
    answer = ask(create_app(edge), CALLBACK + "&state=another")

    assert answer.status_code == 400
    assert consents.seen == []


def test_whoever_waits_for_the_consent_is_told_how_it_ended(
    edge: Edge, consents: FixedConsents
) -> None:
    told: list[Company | LedgerGuardError] = []
    app = create_app(edge, observer=told.append)
    ask(app, CALLBACK)
    consents.outcome = ConsentError("denied")
    ask(app, "/api/v1/auth/callback?error=access_denied&state=s")

    assert told == [ACME, consents.outcome]


def test_an_unexpected_failure_shows_no_detail_and_keeps_the_headers(
    edge: Edge, consents: FixedConsents
) -> None:
    consents.outcome = ZeroDivisionError("secret-detail")

    answer = ask(create_app(edge), CALLBACK)

    assert answer.status_code == 500
    assert "secret-detail" not in answer.text
    assert answer.headers["x-frame-options"] == "DENY"


def test_the_path_of_the_redirect_uri_is_served_too(edge: Edge) -> None:
    edge.settings = edge.settings.model_copy(
        update={"intuit_redirect_uri": "http://localhost:8000/books/oauth"}
    )

    assert ask(create_app(edge), "/books/oauth?code=c&state=s&realmId=1").status_code == 200
