"""Intuit renewed the grant, and the connection broke before anybody heard of it."""

from __future__ import annotations

import pytest

from ledgerguard_pipeline.auth.token_provider import TokenProvider
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.errors import ReauthorizationRequired, TokenEndpointUnavailable
from ledgerguard_pipeline_tests.auth.conftest import REALM, store_grant
from ledgerguard_pipeline_tests.auth.token_endpoint import TokenEndpoint
from ledgerguard_pipeline_tests.stores import on_all_stores

pytestmark = on_all_stores


def test_a_refresh_whose_answer_is_lost_is_repeated_with_the_stored_token(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint
) -> None:
    endpoint.keep_values()
    before = store_grant(plane, "refresh-1")
    endpoint.lost = 1
    with pytest.raises(TokenEndpointUnavailable):
        token_provider.current(REALM)
    assert endpoint.refreshes == 1, "sent once: whether it was done cannot be known"
    assert plane.tokens.load(REALM) == before
    assert plane.tokens.attempt(REALM) is not None
    assert plane.companies.require(REALM).status is ConnectionStatus.CONNECTED

    assert token_provider.current(REALM).version == 2
    assert plane.tokens.attempt(REALM) is None
    assert endpoint.refreshes == 2


def test_a_token_that_was_replaced_in_the_lost_answer_asks_for_consent_once(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint
) -> None:
    before = store_grant(plane, "refresh-1")
    endpoint.lost = 1
    with pytest.raises(TokenEndpointUnavailable):
        token_provider.current(REALM)
    for _ in range(3):
        with pytest.raises(ReauthorizationRequired, match="cut off"):
            token_provider.current(REALM)
    assert endpoint.refreshes == 2, "tried once more, then never again"
    assert plane.tokens.load(REALM) == before
    assert plane.companies.require(REALM).status is ConnectionStatus.NEEDS_REAUTH
