from __future__ import annotations

from functools import partial

import pytest

from ledgerguard_pipeline.auth import connect as module
from ledgerguard_pipeline.auth.connect import Connector
from ledgerguard_pipeline.auth.token_provider import TokenProvider
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.tokens.keyring import KEY_FILE, new_key
from ledgerguard_pipeline.control.webhook_queue.queue import EventStatus
from ledgerguard_pipeline.errors import (
    BadInputError,
    ConfigurationError,
    ConsentError,
    CredentialsRejected,
    KeyUnavailable,
    ReauthorizationRequired,
    TokenEndpointUnavailable,
)
from ledgerguard_pipeline.qbo.oauth.endpoint import OAuthEndpoint
from ledgerguard_pipeline.values import Environment
from ledgerguard_pipeline_tests.auth.conftest import OTHER, REALM, store_grant
from ledgerguard_pipeline_tests.auth.consents import callback, connector_of
from ledgerguard_pipeline_tests.auth.token_endpoint import HTML, TokenEndpoint, refusal
from ledgerguard_pipeline_tests.control.webhook_queue.event_makers import connect, delivery, event
from ledgerguard_pipeline_tests.stores import OpenPlane


@pytest.fixture
def connector(plane: ControlPlane, oauth: OAuthEndpoint, endpoint: TokenEndpoint) -> Connector:
    endpoint.codes.add("code-1")
    return connector_of(plane, oauth, endpoint.base_url)


def nothing_is_stored(plane: ControlPlane) -> bool:
    return plane.companies.list() == [] and plane.tokens.version(REALM) is None


def test_a_proven_company_is_stored_with_its_name_and_tokens(
    plane: ControlPlane, connector: Connector
) -> None:
    company = connector.complete(callback(connector))

    assert (company.realm_id, company.name, company.status) == (
        REALM,
        "Søn & Co",
        ConnectionStatus.CONNECTED,
    )
    assert plane.companies.require(REALM) == company
    tokens = plane.tokens.load(REALM)
    assert tokens is not None
    assert tokens.refresh_token.get_secret_value() == "refresh-2"


@pytest.mark.parametrize(
    "changes",
    [
        {"state": None},
        {"state": ""},
        {"state": "forged"},
        {"code": None},
        {"code": "x" * 513},
        {"realmId": None},
        {"realmId": "../../x"},
        {"realmId": "12"},
        {"code": "never issued"},
        {"error": "access_denied"},
        {"error": "invalid_scope"},
        {"error": "<script>"},
    ],
)
def test_a_callback_that_is_not_right_stores_nothing(
    plane: ControlPlane, connector: Connector, changes: dict[str, str | None]
) -> None:
    with pytest.raises(ConsentError) as caught:
        connector.complete(callback(connector, **changes))
    assert "<script>" not in str(caught.value)
    assert nothing_is_stored(plane)


def test_a_callback_works_once(plane: ControlPlane, connector: Connector) -> None:
    params = callback(connector)
    connector.complete(params)
    with pytest.raises(ConsentError, match="already been used"):
        connector.complete(params)
    with pytest.raises(ConsentError, match="used before"):
        connector.complete(callback(connector))
    assert plane.tokens.version(REALM) == 1


def test_even_a_denied_consent_uses_its_state_up(connector: Connector) -> None:
    params = callback(connector, error="access_denied")
    with pytest.raises(ConsentError, match="was denied"):
        connector.complete(params)
    with pytest.raises(ConsentError, match="already been used"):
        connector.complete(params)


def test_a_tampered_company_id_is_found_out_and_harms_no_other(
    plane: ControlPlane, connector: Connector, endpoint: TokenEndpoint
) -> None:
    with pytest.raises(ConsentError, match="company 1234567890 cannot be read"):
        connector.complete(callback(connector, realmId=str(OTHER)))
    assert plane.companies.get(OTHER) is None
    assert plane.tokens.version(OTHER) is None
    assert endpoint.revoked == [], "revoking would end the grant of the company it belongs to"


@pytest.mark.parametrize(
    "answer,error",
    [
        (HTML, TokenEndpointUnavailable),
        (refusal("invalid_client", 401), CredentialsRejected),
    ],
)
def test_a_failed_exchange_stores_nothing(
    plane: ControlPlane,
    connector: Connector,
    endpoint: TokenEndpoint,
    answer: object,
    error: type[Exception],
) -> None:
    params = callback(connector)
    endpoint.scripted.append(answer)  # type: ignore[arg-type]  # both are scripted answers
    with pytest.raises(error):
        connector.complete(params)
    assert nothing_is_stored(plane)


def test_a_grant_without_a_refresh_token_is_refused(
    plane: ControlPlane, connector: Connector, endpoint: TokenEndpoint
) -> None:
    endpoint.leave_out = {"refresh_token"}
    with pytest.raises(ConsentError, match="no refresh token"):
        connector.complete(callback(connector))
    assert nothing_is_stored(plane)


def test_a_company_of_the_other_environment_is_refused_before_any_call(
    open_plane: OpenPlane, oauth: OAuthEndpoint, endpoint: TokenEndpoint, connector: Connector
) -> None:
    connector.complete(callback(connector))
    production = open_plane(intuit_env=Environment.PRODUCTION)
    other = connector_of(production, oauth, endpoint.base_url)
    calls = len(endpoint.posts)

    with pytest.raises(ConfigurationError, match="INTUIT_ENV"):
        other.complete(callback(other))
    assert len(endpoint.posts) == calls


def test_reconnecting_revives_a_company_even_when_its_old_key_is_lost(
    plane: ControlPlane,
    open_plane: OpenPlane,
    oauth: OAuthEndpoint,
    endpoint: TokenEndpoint,
    store_settings: Settings,
) -> None:
    store_grant(plane, "dead", life=3600)
    plane.companies.set_status(REALM, ConnectionStatus.NEEDS_REAUTH, "dead")
    (store_settings.ledgerguard_home / KEY_FILE).unlink()
    endpoint.codes.add("code-1")
    later = open_plane(clock=plane.clock)
    connector = connector_of(later, oauth, endpoint.base_url)

    assert connector.complete(callback(connector)).status is ConnectionStatus.CONNECTED
    assert TokenProvider(later, oauth).current(REALM).version == 2


def test_another_company_than_before_becomes_one_more(
    plane: ControlPlane, connector: Connector, endpoint: TokenEndpoint
) -> None:
    first = connector.complete(callback(connector))
    endpoint.codes.add("code-2")
    endpoint.realm = str(OTHER)
    connector.complete(callback(connector, code="code-2", realmId=str(OTHER)))

    assert plane.companies.require(REALM) == first
    assert {company.realm_id for company in plane.companies.list()} == {REALM, OTHER}


def test_disconnecting_revokes_first_and_then_forgets(
    plane: ControlPlane, oauth: OAuthEndpoint, connector: Connector, endpoint: TokenEndpoint
) -> None:
    connector.complete(callback(connector))
    company = connector.disconnect(REALM)

    assert endpoint.revoked == ["refresh-2"]
    assert plane.tokens.load(REALM) is None
    assert company.status is ConnectionStatus.DISCONNECTED
    with pytest.raises(ReauthorizationRequired):
        TokenProvider(plane, oauth).current(REALM)


def test_disconnecting_settles_what_waits_for_the_company(
    plane: ControlPlane, connector: Connector
) -> None:
    connector.complete(callback(connector))
    connect(plane, OTHER)
    for realm in (REALM, OTHER):
        plane.deliveries.accept([delivery([event(f"of {realm}", realm=realm)])])
    connector.disconnect(REALM)
    assert plane.inbox.due_realms() == [OTHER]
    (ignored,) = plane.inbox.list(realm=REALM)
    assert (ignored.status, ignored.reason) == (
        EventStatus.IGNORED,
        "no such company is connected",
    )


@pytest.mark.parametrize(
    "answer,error",
    [
        (HTML, TokenEndpointUnavailable),
        (refusal("invalid_client", 401), CredentialsRejected),
    ],
)
def test_a_disconnect_intuit_did_not_confirm_keeps_everything(
    plane: ControlPlane,
    connector: Connector,
    endpoint: TokenEndpoint,
    answer: object,
    error: type[Exception],
) -> None:
    connector.complete(callback(connector))
    before = plane.tokens.load(REALM)
    endpoint.scripted.append(answer)  # type: ignore[arg-type]  # both are scripted answers
    with pytest.raises(error):
        connector.disconnect(REALM)
    assert plane.tokens.load(REALM) == before
    assert plane.companies.require(REALM).status is ConnectionStatus.CONNECTED


def test_a_grant_that_had_ended_at_intuit_can_be_disconnected(
    plane: ControlPlane, connector: Connector
) -> None:
    store_grant(plane, "revoked long ago")
    assert connector.disconnect(REALM).status is ConnectionStatus.DISCONNECTED
    assert connector.disconnect(REALM).status is ConnectionStatus.DISCONNECTED


def test_a_refused_revoke_is_no_proof_that_the_grant_has_ended(
    plane: ControlPlane, connector: Connector, endpoint: TokenEndpoint
) -> None:
    connector.complete(callback(connector))
    endpoint.unwilling = 1
    assert connector.disconnect(REALM).status is ConnectionStatus.DISCONNECTED
    assert endpoint.valid == {"refresh-1"}, "the renewed one was revoked"


def test_a_grant_intuit_does_not_revoke_is_not_forgotten(
    plane: ControlPlane, connector: Connector, endpoint: TokenEndpoint
) -> None:
    connector.complete(callback(connector))
    endpoint.unwilling = 2
    with pytest.raises(TokenEndpointUnavailable, match="inside QuickBooks"):
        connector.disconnect(REALM)
    tokens = plane.tokens.load(REALM)
    assert tokens is not None
    assert tokens.refresh_token.get_secret_value() in endpoint.valid
    assert plane.companies.require(REALM).status is ConnectionStatus.CONNECTED
    assert connector.disconnect(REALM).status is ConnectionStatus.DISCONNECTED


def test_a_company_whose_key_is_lost_can_be_ended(
    plane: ControlPlane,
    oauth: OAuthEndpoint,
    endpoint: TokenEndpoint,
    open_plane: OpenPlane,
    store_settings: Settings,
) -> None:
    """Otherwise it would count as connected for ever, and could not even be forgotten."""
    store_grant(plane, "refresh-1")
    (store_settings.ledgerguard_home / KEY_FILE).write_text(f"{new_key()}\n", encoding="ascii")
    connector = connector_of(open_plane(), oauth, endpoint.base_url)
    with pytest.raises(KeyUnavailable):
        connector.disconnect(REALM)
    assert plane.companies.require(REALM).status is ConnectionStatus.CONNECTED

    assert connector.disconnect(REALM, unopened=True).status is ConnectionStatus.DISCONNECTED
    assert plane.tokens.version(REALM) is None
    assert endpoint.revoked == []


def test_tokens_that_open_are_revoked_in_any_case(
    plane: ControlPlane, connector: Connector, endpoint: TokenEndpoint
) -> None:
    store_grant(plane, "refresh-1")
    connector.disconnect(REALM, unopened=True)
    assert endpoint.revoked == ["refresh-1"]


def test_an_unknown_company_cannot_be_disconnected(connector: Connector) -> None:
    with pytest.raises(BadInputError, match="not connected"):
        connector.disconnect(REALM)


@pytest.mark.parametrize(
    "point", ["after_connect_tokens", "after_revoke", "after_disconnect_noted"]
)
def test_a_crash_in_between_is_healed_by_doing_it_again(
    plane: ControlPlane,
    connector: Connector,
    endpoint: TokenEndpoint,
    monkeypatch: pytest.MonkeyPatch,
    point: str,
) -> None:
    class CutError(BaseException):
        """Ends the operation where a power cut would."""

    def cut(name: str) -> None:
        if name == point:
            raise CutError

    disconnecting = point != "after_connect_tokens"
    if disconnecting:
        connector.complete(callback(connector))
        endpoint.codes.add("code-1")
    with monkeypatch.context() as patch:
        patch.setattr(module, "crashpoint", cut)
        params = callback(connector)
        operation = (
            partial(connector.disconnect, REALM)
            if disconnecting
            else partial(connector.complete, params)
        )
        with pytest.raises(CutError):
            operation()
    endpoint.codes.add("code-1")
    if disconnecting:
        assert connector.disconnect(REALM).status is ConnectionStatus.DISCONNECTED
        assert plane.tokens.version(REALM) is None
    assert connector.complete(callback(connector)).status is ConnectionStatus.CONNECTED
    assert plane.companies.require(REALM).status is ConnectionStatus.CONNECTED
