from __future__ import annotations

from pathlib import Path

import pytest
import requests
from oauthlib.oauth2 import OAuth2Error

from ledgerguard_pipeline.errors import BadInputError, ConfigurationError, ServiceUnavailable
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.transport.hosts import Hosts
from ledgerguard_pipeline.qbo.transport.http import Transport
from ledgerguard_pipeline.values import Environment, RealmId
from ledgerguard_pipeline_tests.alerts.channels.certificates import make_certificates
from ledgerguard_pipeline_tests.alerts.channels.receivers import http_receiver
from ledgerguard_pipeline_tests.qbo.scripted import DrivenClock, Script, reply


def test_each_environment_has_its_own_api_host_and_shares_the_oauth_hosts() -> None:
    sandbox, production = Hosts.of(Environment.SANDBOX), Hosts.of(Environment.PRODUCTION)

    assert sandbox.api == "https://sandbox-quickbooks.api.intuit.com"
    assert production.api == "https://quickbooks.api.intuit.com"
    assert sandbox.token == production.token
    assert sandbox.company(RealmId("1234567890")).endswith("/v3/company/1234567890")


def test_a_base_url_replaces_every_host_and_keeps_the_paths() -> None:
    hosts = Hosts.of(Environment.SANDBOX, "http://127.0.0.1:8123/")

    assert hosts.authorize == "http://127.0.0.1:8123/connect/oauth2"
    assert hosts.token == "http://127.0.0.1:8123/oauth2/v1/tokens/bearer"
    assert hosts.revoke == "http://127.0.0.1:8123/v2/oauth2/tokens/revoke"
    assert hosts.api == "http://127.0.0.1:8123"
    assert hosts.origins == {"http://127.0.0.1:8123"}


@pytest.mark.parametrize(
    "url",
    ["http://example.com", "ftp://localhost", "localhost:8000", "https://user:pw@example.com",
     "http://127.0.0.1.example.com", "https://", "http://localhost@example.com"],
)  # fmt: skip
def test_a_base_url_that_would_leak_tokens_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError):
        Hosts.of(Environment.SANDBOX, url)


@pytest.mark.parametrize(
    "url",
    ["https://example.com/v3", "http://quickbooks.api.intuit.com/v3",
     "https://quickbooks.api.intuit.com:444/", "https://quickbooks.api.intuit.com.example.com/",
     "https://sandbox-quickbooks.api.intuit.com@example.com/"],
)  # fmt: skip
def test_a_call_to_any_other_host_is_refused_before_it_is_made(
    url: str, clock: DrivenClock
) -> None:
    with Transport("id", Hosts.of(Environment.PRODUCTION), clock) as session:
        with pytest.raises(ConfigurationError):
            session.exchange("GET", url, headers={"Authorization": "Bearer x"})
        with pytest.raises((requests.exceptions.InvalidSchema, OAuth2Error)):
            session.request("GET", session.address(url), withhold_token=True)


def test_the_loopback_exception_opens_one_origin_only(script: Script, clock: DrivenClock) -> None:
    script.then(reply({}))
    other = f"https://127.0.0.1:{int(script.url.rsplit(':', 1)[1]) + 1}/x"
    with Transport("id", Hosts.of(Environment.SANDBOX, script.url), clock) as session:
        assert session.exchange("GET", f"{script.url}/x", headers={}).status_code == 200
        with pytest.raises(requests.exceptions.InvalidSchema):
            session.request("GET", other, withhold_token=True)


def test_a_host_without_a_valid_certificate_gets_no_token(
    tmp_path: Path, clock: DrivenClock
) -> None:
    """As if Intuit's name led to another machine."""
    certificates = make_certificates(tmp_path)
    with http_receiver(certificates.server) as inbox:
        base = inbox.url.removesuffix("/hook")
        with (
            Transport("id", Hosts.of(Environment.SANDBOX, base), clock) as session,
            pytest.raises(ServiceUnavailable, match="SSLError"),
        ):
            session.exchange("POST", f"{base}/hook", headers={"Authorization": "Bearer x"})
        assert inbox.posts == []


@pytest.mark.parametrize("realm", ["../../1", "abc", "1" * 21, "1234567890/x", ""])
def test_a_malformed_realm_never_becomes_a_path(realm: str) -> None:
    with pytest.raises(BadInputError):
        QBOClient("id", "secret", "http://localhost/cb", "sandbox", realm_id=realm)


def test_an_unknown_environment_is_refused() -> None:
    with pytest.raises(BadInputError, match="sandbox or production"):
        QBOClient("id", "secret", "http://localhost/cb", "staging")
