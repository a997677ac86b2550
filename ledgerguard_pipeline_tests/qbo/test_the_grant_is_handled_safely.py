"""Consent, code exchange, refresh and revoke: RFC 6749 as Intuit speaks it."""

from __future__ import annotations

import logging
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledgerguard_pipeline.errors import (
    BadInputError,
    ConsentError,
    CredentialsRejected,
    ReauthorizationRequired,
    TokenEndpointUnavailable,
)
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.oauth.endpoint import OAuthEndpoint
from ledgerguard_pipeline.qbo.oauth.pending_consents import PendingConsents
from ledgerguard_pipeline.qbo.transport.hosts import Hosts
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.qbo.conftest import REALM
from ledgerguard_pipeline_tests.qbo.scripted import DrivenClock, Script, Writer, raw, reply, reset

CALLBACK = "http://localhost:8000/api/v1/auth/callback"
TOKENS = {"token_type": "bearer", "access_token": "access-2", "refresh_token": "refresh-2",
          "expires_in": 3600, "x_refresh_token_expires_in": 8726400,
          "x_refresh_token_hard_expires_in": 157680000, "future_field": {"a": 1}}  # fmt: skip


@pytest.fixture
def oauth(script: Script, clock: DrivenClock) -> OAuthEndpoint:
    hosts = Hosts.of(Environment.SANDBOX, script.url)
    return OAuthEndpoint("the-client-id", "the-client-secret", CALLBACK, hosts, clock=clock)


def state_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["state"][0]


def test_the_authorization_url_asks_for_what_intuit_wants(oauth: OAuthEndpoint) -> None:
    url = urlsplit(oauth.authorization_url("a state & more"))

    assert url.path == "/connect/oauth2"
    assert parse_qs(url.query) == {
        "client_id": ["the-client-id"],
        "scope": ["com.intuit.quickbooks.accounting"],
        "redirect_uri": [CALLBACK],
        "response_type": ["code"],
        "state": ["a state & more"],
    }


def test_a_code_becomes_a_grant(oauth: OAuthEndpoint, script: Script) -> None:
    script.then(reply(TOKENS))

    grant = oauth.exchange("the code/+=")

    (request,) = script.requests
    assert request.form == {"grant_type": "authorization_code", "code": "the code/+=",
                            "redirect_uri": CALLBACK}  # fmt: skip
    assert request.headers["authorization"].startswith("Basic ")
    assert request.headers["accept"] == "application/json"
    assert request.headers["x-include-refresh-token-hard-expires-in"] == "true"
    assert grant.access_token.get_secret_value() == "access-2"
    assert grant.refresh_token is not None
    assert grant.refresh_token.get_secret_value() == "refresh-2"
    assert (grant.expires_in, grant.refresh_expires_in) == (3600, 8726400)
    assert grant.hard_expires_in == 157680000
    assert "access-2" not in repr(grant)
    assert "refresh-2" not in repr(grant)


def test_a_refresh_may_keep_the_old_value_and_omit_lifetimes(
    oauth: OAuthEndpoint, script: Script
) -> None:
    script.then(reply({"access_token": "access-2"}))

    grant = oauth.refresh("refresh-1")

    assert grant.refresh_token is None
    assert (grant.expires_in, grant.refresh_expires_in) == (3600, None)


@pytest.mark.parametrize(
    "answer, expected",
    [
        (reply(b'{"error":"invalid_grant"}', 400), ReauthorizationRequired),
        (reply({"error": "invalid_grant", "error_description": "x"}, 400), ReauthorizationRequired),
        (reply(b'{"error":"invalid_client"}', 400), CredentialsRejected),
        (reply(b'{"error":"invalid_client"}', 401), CredentialsRejected),
        (reply(b"", 401), CredentialsRejected),
        (reply(b'{"error":"invalid_request"}', 400), TokenEndpointUnavailable),
        (reply(TOKENS, 500), TokenEndpointUnavailable),
        (reply(b'{"error":"invalid_grant"}', 503), TokenEndpointUnavailable),
        (reply(b"<html>maintenance</html>", 503), TokenEndpointUnavailable),
        (reply(b"<html>maintenance</html>", 200), TokenEndpointUnavailable),
        (reply(b"", 200), TokenEndpointUnavailable),
        (reply(b'{"access_token":"acc', 200), TokenEndpointUnavailable),
        (reply(b"[]", 200), TokenEndpointUnavailable),
        (reply(b'{"access_token":7}', 200), TokenEndpointUnavailable),
        (reply(b'{"access_token":""}', 200), TokenEndpointUnavailable),
        (reply({"error": "invalid_grant"}, 200), TokenEndpointUnavailable),
        (reply(b"", 302, {"Location": "https://example.com/"}), TokenEndpointUnavailable),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{"), TokenEndpointUnavailable),
        (reset, TokenEndpointUnavailable),
    ],
)
def test_only_a_clear_answer_kills_a_grant(
    answer: Writer, expected: type[Exception], oauth: OAuthEndpoint, script: Script
) -> None:
    script.then(answer)

    with pytest.raises(expected) as caught:
        oauth.refresh("refresh-token-1")

    assert type(caught.value) is expected
    assert len(script.requests) == 1, "a refresh is never repeated here"
    for secret in ("refresh-token-1", "access-2", "the-client-secret"):
        assert secret not in str(caught.value)


def test_revoking_sends_the_token_as_json_with_the_apps_credentials(
    oauth: OAuthEndpoint, script: Script
) -> None:
    script.then(reply(b""))

    oauth.revoke("refresh-1")

    (request,) = script.requests
    assert (request.method, request.path) == ("POST", "/v2/oauth2/tokens/revoke")
    assert request.body == b'{"token": "refresh-1"}'
    assert request.headers["authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    "answer, expected",
    [
        (reply(b'{"error":"invalid_grant"}', 400), ReauthorizationRequired),
        (reply(b"", 400), ReauthorizationRequired),
        (reply(b'{"error":"invalid_client"}', 400), CredentialsRejected),
        (reply(b"", 401), CredentialsRejected),
        (reply(b"", 503), TokenEndpointUnavailable),
        (reset, TokenEndpointUnavailable),
    ],
)
def test_a_failed_revoke_says_whether_the_grant_may_live_on(
    answer: Writer, expected: type[Exception], oauth: OAuthEndpoint, script: Script
) -> None:
    script.then(answer)

    with pytest.raises(expected):
        oauth.revoke("refresh-1")


def test_debug_logging_shows_no_token(
    oauth: OAuthEndpoint, script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("requests_oauthlib.oauth2_session", "oauthlib", "urllib3"):
        caplog.set_level(logging.DEBUG, logger=name)
    script.then(reply(TOKENS), reply(TOKENS), reply(b""))

    oauth.exchange("code-1")
    oauth.refresh("refresh-1")
    oauth.revoke("refresh-1")

    for secret in ("access-2", "refresh-2", "refresh-1", "code-1", "the-client-secret"):
        assert secret not in caplog.text


def test_a_state_works_once(client: QBOClient, script: Script) -> None:
    script.then(reply(TOKENS))
    state = state_of(client.get_authorization_url())

    client.exchange_code("code-1", state, "1234567890")

    assert client.realm_id == "1234567890"
    with pytest.raises(ConsentError):
        client.exchange_code("code-2", state)
    assert len(script.requests) == 1


def test_a_state_ends_after_ten_minutes(client: QBOClient, clock: DrivenClock) -> None:
    state = state_of(client.get_authorization_url())
    clock.advance(601)

    with pytest.raises(ConsentError):
        client.exchange_code("code-1", state)


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.text())
def test_a_forged_state_is_refused_before_anything_is_sent(
    client: QBOClient, script: Script, forged: str
) -> None:
    with pytest.raises(ConsentError):
        client.exchange_code("code-1", forged)
    assert script.requests == []


def test_states_are_random_and_kept_as_hashes_within_bounds(clock: DrivenClock) -> None:
    pending = PendingConsents(clock)
    states = {pending.issue() for _ in range(1100)}

    assert len(states) == 1100
    assert min(map(len, states)) >= 43
    assert len(pending._pending) == 1000
    assert not any(state.encode() in known for state in states for known in pending._pending)


def test_a_code_without_a_company_gives_tokens_for_the_one_named_next(script: Script) -> None:
    with QBOClient("id", "secret", CALLBACK, "sandbox", base_url=script.url) as client:
        state = state_of(client.get_authorization_url())
        script.then(reply(TOKENS))
        client.exchange_code("code-1", state)
        assert client.realm_id is None
        assert client.get_connection_status().is_connected is False
        with pytest.raises(BadInputError, match="realm_id"):
            client.get_entity("Invoice", "1")
        client.realm_id = REALM
        script.then(reply({"CompanyInfo": {"Id": "1", "CompanyName": "Acme"}}))
        assert client.get_connection_status().is_connected is True
    assert script.requests[-1].headers["authorization"] == "Bearer access-2"


def test_a_company_id_that_is_none_is_refused_before_the_code_is_spent(
    client: QBOClient, script: Script
) -> None:
    state = state_of(client.get_authorization_url())
    with pytest.raises(BadInputError):
        client.exchange_code("code-1", state, "Acme")
    assert script.requests == []
    script.then(reply(TOKENS))
    client.exchange_code("code-1", state, REALM)


def test_tokens_without_a_refresh_token_work_until_they_end(
    client: QBOClient, script: Script, clock: DrivenClock
) -> None:
    client.set_tokens("lone-token", expires_in=400)
    good = {"CompanyInfo": {"Id": "1", "CompanyName": "Café"}, "time": "2026-11-22T01:00:00Z"}
    script.then(reply(good), reply(b"", 401))

    status = client.get_connection_status()
    assert (status.is_connected, status.company_name) == (True, "Café")
    assert status.access_token_seconds_left == 400
    clock.advance(400)
    ended = client.get_connection_status()
    assert ended.is_connected is False
    assert "set_tokens" in (ended.error or "")
    assert "lone-token" not in str(ended.to_json())
