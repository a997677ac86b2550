from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from pydantic import SecretStr

from ledgerguard_pipeline.auth.token_provider import TokenProvider
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.tokens.sql_store import Tokens, TokenStore
from ledgerguard_pipeline.errors import (
    BadInputError,
    ControlUnavailable,
    CredentialsRejected,
    ReauthorizationRequired,
    TokenEndpointUnavailable,
)
from ledgerguard_pipeline.qbo.oauth.endpoint import OAuthEndpoint
from ledgerguard_pipeline.qbo.oauth.token_source import AccessToken
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.auth.conftest import OTHER, REALM, ask_on_a_full_disk, store_grant
from ledgerguard_pipeline_tests.auth.token_endpoint import (
    HTML,
    Scripted,
    TokenEndpoint,
    refusal,
)
from ledgerguard_pipeline_tests.clocks import FakeClock

UNUSABLE = [
    HTML,
    Scripted(200, b""),
    Scripted(200, b'{"access_token": "cut o'),
    Scripted(200, b'{"token_type": "bearer"}'),
    Scripted(200, b'["not", "an", "object"]'),
    Scripted(200, b'{"token_type": "bearer", "access_token": "two\\nlines"}'),
    Scripted(200, b'{"token_type": "bearer", "access_token": "a", "refresh_token": "\\u00e9"}'),
    Scripted(500, b'{"access_token": "a", "refresh_token": "r", "token_type": "bearer"}'),
    Scripted(302, b""),
]


def stored(plane: ControlPlane, realm: RealmId = REALM) -> Tokens:
    tokens = plane.tokens.load(realm)
    assert tokens is not None
    return tokens


def test_a_token_with_time_left_is_used_without_a_call(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint
) -> None:
    store_grant(plane, "refresh-1", life=301)
    assert token_provider.current(REALM) == AccessToken(REALM, SecretStr("old-access"), 1)
    assert endpoint.refreshes == 0


def test_a_token_is_renewed_five_minutes_before_its_end(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint, clock: FakeClock
) -> None:
    store_grant(plane, "refresh-1", life=3600)
    token_provider.current(REALM)
    clock.advance(3301)
    assert token_provider.current(REALM).value.get_secret_value() == "access-1"
    assert stored(plane).access_expires_at == clock.now() + timedelta(seconds=3600)


def test_a_401_wins_over_what_the_clock_says(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint
) -> None:
    store_grant(plane, "refresh-1", life=3600)
    rejected = token_provider.current(REALM)
    renewed = token_provider.renew(REALM, rejected)
    assert renewed.version == rejected.version + 1
    assert token_provider.renew(REALM, rejected) == renewed
    assert token_provider.current(REALM) == renewed
    assert endpoint.refreshes == 1


def test_a_clock_set_back_makes_no_token_immortal(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint, clock: FakeClock
) -> None:
    store_grant(plane, "refresh-1", life=3600)
    token_provider.current(REALM)
    for _ in range(12):
        clock.advance(300)
        clock.set_back(300)
        token_provider.current(REALM)
    assert endpoint.refreshes == 1


def test_the_new_refresh_token_is_stored_and_its_life_with_it(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint, clock: FakeClock
) -> None:
    endpoint.extra["x_refresh_token_hard_expires_in"] = "86400.5"
    store_grant(plane, "refresh-1")
    token_provider.current(REALM)
    tokens = stored(plane)
    assert tokens.refresh_token.get_secret_value() == "refresh-2"
    assert tokens.refresh_expires_at == clock.now() + timedelta(seconds=8_726_400)
    assert tokens.hard_expires_at == clock.now() + timedelta(days=1)


def test_what_an_answer_leaves_out_is_kept(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint, clock: FakeClock
) -> None:
    endpoint.keep_values()
    endpoint.leave_out = {"refresh_token", "expires_in", "x_refresh_token_expires_in"}
    before = store_grant(plane, "refresh-1")
    token_provider.current(REALM)
    after = stored(plane)
    assert after.refresh_token == before.refresh_token
    assert after.refresh_expires_at == before.refresh_expires_at
    assert after.access_expires_at == clock.now() + timedelta(seconds=3600)


@pytest.mark.parametrize("life", ["", "soon", 1e30, 10**400, 10**12, -5, True, [], {}], ids=repr)
def test_a_lifetime_that_makes_no_sense_costs_no_token(
    plane: ControlPlane,
    token_provider: TokenProvider,
    endpoint: TokenEndpoint,
    clock: FakeClock,
    life: object,
) -> None:
    """Intuit may have replaced the refresh token by this answer: there is no other one."""
    for each in ("expires_in", "x_refresh_token_expires_in", "x_refresh_token_hard_expires_in"):
        endpoint.extra[each] = life
    before = store_grant(plane, "refresh-1")
    assert token_provider.current(REALM).value.get_secret_value() == "access-1"
    after = stored(plane)
    assert after.refresh_token.get_secret_value() == "refresh-2"
    assert after.access_expires_at == clock.now() + timedelta(seconds=3600)
    assert (after.refresh_expires_at, after.hard_expires_at) == (before.refresh_expires_at, None)


@pytest.mark.parametrize(
    "answer", UNUSABLE, ids=lambda answer: f"{answer.status}-{answer.body[:12]!r}"
)
def test_no_usable_answer_is_transient_and_keeps_the_grant(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint, answer: Scripted
) -> None:
    before = store_grant(plane, "refresh-1")
    endpoint.scripted.append(answer)
    with pytest.raises(TokenEndpointUnavailable):
        token_provider.current(REALM)
    assert stored(plane) == before
    assert plane.companies.require(REALM).status is ConnectionStatus.CONNECTED

    assert token_provider.current(REALM).version == 2


def test_a_token_that_still_lives_outlasts_an_endpoint_that_is_down(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint, clock: FakeClock
) -> None:
    store_grant(plane, "refresh-1", life=200)
    endpoint.scripted.extend([HTML] * 50)
    for _ in range(20):
        assert token_provider.current(REALM).value.get_secret_value() == "old-access"
    assert endpoint.refreshes == 1, "it is not asked again for every call"
    clock.advance(200)
    with pytest.raises(TokenEndpointUnavailable):
        token_provider.current(REALM)


def test_repeated_failures_are_spaced_out_and_end_when_it_answers(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint, clock: FakeClock
) -> None:
    store_grant(plane, "refresh-1")
    endpoint.scripted.extend([HTML] * 6)
    tried_at: list[float] = []
    endpoint.before_answer = lambda: tried_at.append(clock.monotonic())
    for _ in range(60):
        try:
            token_provider.current(REALM)
        except TokenEndpointUnavailable:
            clock.advance(5)
        else:
            break
    pauses = [later - earlier for earlier, later in itertools.pairwise(tried_at)]
    assert pauses == [5, 5, 5, 10, 20, 40]
    assert stored(plane).version == 2


def test_a_dead_grant_pauses_its_company_only_and_is_never_tried_again(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint
) -> None:
    store_grant(plane, "dead")
    store_grant(plane, "refresh-1", realm=OTHER)
    for _ in range(3):
        with pytest.raises(ReauthorizationRequired, match="ledgerguard connect") as caught:
            token_provider.current(REALM)
        assert caught.value.realm_id == REALM
    assert endpoint.refreshes == 1
    assert plane.companies.require(REALM).status is ConnectionStatus.NEEDS_REAUTH
    assert stored(plane).refresh_token.get_secret_value() == "dead", "the row is kept"

    assert token_provider.current(OTHER).version == 2
    assert plane.companies.require(OTHER).status is ConnectionStatus.CONNECTED


def test_a_grant_is_not_declared_dead_if_somebody_stored_a_newer_one(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint
) -> None:
    old = store_grant(plane, "dead")

    def overtake() -> None:
        newer = Tokens(
            SecretStr("theirs"),
            SecretStr("refresh-1"),
            plane.now() + timedelta(hours=1),
            None,
            None,
        )
        plane.tokens.replace(REALM, newer, old.version)

    endpoint.before_answer = overtake
    assert token_provider.current(REALM).value.get_secret_value() == "theirs"
    assert plane.companies.require(REALM).status is ConnectionStatus.CONNECTED


def test_refused_app_credentials_harm_no_connection(
    plane: ControlPlane, oauth: OAuthEndpoint, endpoint: TokenEndpoint, clock: FakeClock
) -> None:
    store_grant(plane, "refresh-1")
    endpoint.scripted.extend([refusal("invalid_client", status) for status in (400, 401)] * 3)
    token_provider = TokenProvider(plane, oauth)
    for _ in range(6):
        with pytest.raises(CredentialsRejected, match="INTUIT_CLIENT_SECRET"):
            token_provider.current(REALM)
        clock.advance(31)
    assert plane.companies.require(REALM).status is ConnectionStatus.CONNECTED
    assert plane.tokens.attempt(REALM) is None
    assert token_provider.current(REALM).version == 2, "no pause follows once the secret is right"


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_failing_token_endpoint_says_nothing_about_the_apps_credentials(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint, status: int
) -> None:
    store_grant(plane, "refresh-1")
    endpoint.scripted.append(refusal("invalid_client", status))
    with pytest.raises(TokenEndpointUnavailable, match="try again later"):
        token_provider.current(REALM)
    assert plane.companies.require(REALM).status is ConnectionStatus.CONNECTED


def test_an_outage_that_a_gateway_passes_on_as_401_says_nothing_about_the_apps_credentials(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint
) -> None:
    store_grant(plane, "refresh-1")
    page = b"<html>message=Bad Gateway; errorCode=003100; statusCode=502</html>"
    endpoint.scripted.append(Scripted(401, page, "text/html"))
    with pytest.raises(TokenEndpointUnavailable, match="try again later"):
        token_provider.current(REALM)


def test_intuit_is_asked_once_about_credentials_it_refuses_not_once_per_company(
    plane: ControlPlane,
    token_provider: TokenProvider,
    oauth: OAuthEndpoint,
    endpoint: TokenEndpoint,
) -> None:
    endpoint.scripted.append(refusal("invalid_client", 401))
    store_grant(plane, "refresh-1")
    store_grant(plane, "refresh-2", realm=OTHER)
    for realm in (REALM, OTHER, REALM):
        with pytest.raises(CredentialsRejected, match="INTUIT_CLIENT_SECRET"):
            token_provider.current(realm)
    assert endpoint.refreshes == 1
    corrected = TokenProvider(plane, oauth)
    assert corrected.current(REALM).version == 2, "a new process asks at once"


def test_a_token_that_cannot_be_stored_is_not_used_and_not_lost(
    plane: ControlPlane,
    oauth: OAuthEndpoint,
    endpoint: TokenEndpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    token_provider = TokenProvider(plane, oauth, patience_seconds=3)
    store_grant(plane, "refresh-1")
    ask_on_a_full_disk(token_provider, monkeypatch)
    assert stored(plane).version == 1

    assert token_provider.current(REALM).value.get_secret_value() == "access-1"
    assert stored(plane).refresh_token.get_secret_value() == "refresh-2"
    assert endpoint.refreshes == 1, "the answer was kept in memory until it could be stored"


def test_a_short_outage_of_the_store_is_waited_out(
    plane: ControlPlane,
    token_provider: TokenProvider,
    endpoint: TokenEndpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store_grant(plane, "refresh-1")
    real, failures = TokenStore.replace, iter(range(3))

    def flaky(
        store: TokenStore, realm: RealmId, grant: Tokens, expected_version: int | None
    ) -> Tokens:
        if next(failures, None) is not None:
            raise ControlUnavailable("locked")
        return real(store, realm, grant, expected_version)

    monkeypatch.setattr(TokenStore, "replace", flaky)
    assert token_provider.current(REALM).version == 2
    assert endpoint.refreshes == 1


def test_an_idle_grant_is_kept_alive_about_daily(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint, clock: FakeClock
) -> None:
    store_grant(plane, "refresh-1", life=3600)
    assert token_provider.keep_alive(REALM) is False
    clock.advance(25 * 3600)
    assert token_provider.keep_alive(REALM) is True
    assert token_provider.keep_alive(REALM) is False
    assert endpoint.refreshes == 1


def test_a_company_without_a_grant_is_answered_with_what_to_do(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint
) -> None:
    with pytest.raises(BadInputError, match="ledgerguard connect"):
        token_provider.current(REALM)
    store_grant(plane, "refresh-1", life=3600)
    plane.tokens.forget(REALM)
    with pytest.raises(ReauthorizationRequired, match="No tokens"):
        token_provider.current(REALM)
    assert endpoint.refreshes == 0


def test_a_disconnect_by_another_process_is_noticed_within_seconds(
    plane: ControlPlane, token_provider: TokenProvider, clock: FakeClock
) -> None:
    store_grant(plane, "refresh-1", life=3600)
    token_provider.current(REALM)
    plane.companies.set_status(REALM, ConnectionStatus.DISCONNECTED)
    clock.advance(6)
    with pytest.raises(ReauthorizationRequired, match="disconnected"):
        token_provider.current(REALM)


def test_no_secret_stands_in_an_error(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint
) -> None:
    store_grant(plane, "canary-refresh")
    endpoint.scripted.append(Scripted(500, b'{"access_token": "canary-access"}'))
    for kind in (TokenEndpointUnavailable, ReauthorizationRequired):
        with pytest.raises(kind) as caught:
            token_provider.current(REALM)
        chain: BaseException | None = caught.value
        while chain is not None:
            assert "canary" not in f"{chain!s} {chain!r} {chain.__dict__}"
            chain = chain.__cause__ or chain.__context__
