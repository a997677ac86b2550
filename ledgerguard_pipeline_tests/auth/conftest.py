"""A token endpoint over real HTTP, a company with tokens, and token providers that share a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from pydantic import SecretStr

from ledgerguard_pipeline.auth.token_provider import TokenProvider
from ledgerguard_pipeline.control.company_state.companies import Company, ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.tokens.sql_store import Tokens, TokenStore
from ledgerguard_pipeline.errors import ControlUnavailable
from ledgerguard_pipeline.qbo.oauth.endpoint import OAuthEndpoint
from ledgerguard_pipeline.qbo.transport.hosts import Hosts
from ledgerguard_pipeline.values import Environment, RealmId
from ledgerguard_pipeline_tests.auth.token_endpoint import TokenEndpoint
from ledgerguard_pipeline_tests.stores import *  # noqa: F403  # fixtures

REALM = RealmId("9341453474484455")
OTHER = RealmId("1234567890")

MakeTokenProvider = Callable[..., TokenProvider]


@pytest.fixture
def endpoint() -> Iterator[TokenEndpoint]:
    with TokenEndpoint() as running:
        yield running


@pytest.fixture
def oauth(endpoint: TokenEndpoint) -> OAuthEndpoint:
    return oauth_of(endpoint.base_url)


def oauth_of(base_url: str) -> OAuthEndpoint:
    return OAuthEndpoint(
        "client",
        "client-secret",
        "http://localhost:8000/callback",
        Hosts.of(Environment.SANDBOX, base_url),
    )


def store_grant(
    plane: ControlPlane, refresh_token: str, *, realm: RealmId = REALM, life: float = -60.0
) -> Tokens:
    """A connected company whose access token ends in ``life`` seconds."""
    now = plane.now()
    plane.companies.put(
        Company(realm, Environment.SANDBOX, "Acme", ConnectionStatus.CONNECTED, now)
    )
    grant = Tokens(
        SecretStr("old-access"),
        SecretStr(refresh_token),
        now + timedelta(seconds=life),
        now + timedelta(days=50),
        None,
    )
    return plane.tokens.replace(realm, grant, plane.tokens.version(realm))


def ask_on_a_full_disk(token_provider: TokenProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it be given tokens that it cannot store; the disk has room again afterwards."""

    def full(*_: object) -> Tokens:
        raise ControlUnavailable("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(TokenStore, "replace", full)
        with pytest.raises(ControlUnavailable):
            token_provider.current(REALM)


@pytest.fixture
def token_provider(plane: ControlPlane, oauth: OAuthEndpoint) -> TokenProvider:
    return TokenProvider(plane, oauth)
