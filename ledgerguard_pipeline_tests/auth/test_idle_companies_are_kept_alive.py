from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from ledgerguard_pipeline.auth.keepalive import keep_alive
from ledgerguard_pipeline.auth.keepalive_result import KeepAliveOutcome, KeepAliveResult
from ledgerguard_pipeline.auth.token_provider import TokenProvider
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.tokens.keyring import Keyring
from ledgerguard_pipeline.qbo.oauth.endpoint import OAuthEndpoint
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.auth.conftest import store_grant
from ledgerguard_pipeline_tests.auth.token_endpoint import HTML, TokenEndpoint, refusal
from ledgerguard_pipeline_tests.clocks import FakeClock

DAY = 86_400.0
IN_USE, IDLE, DEAD, BROKEN, PAUSED, LEFT = (
    RealmId(str(number)) for number in range(9_000_000_000, 9_000_000_006)
)


def by_realm(outcomes: list[KeepAliveResult]) -> dict[RealmId, KeepAliveOutcome]:
    return {each.realm_id: each.outcome for each in outcomes}


def test_only_idle_companies_are_refreshed_and_one_outcome_each_is_reported(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint, clock: FakeClock
) -> None:
    endpoint.valid.add("refresh-2")
    store_grant(plane, "never asked about", realm=IN_USE, life=-6 * DAY)
    store_grant(plane, "refresh-2", realm=IDLE, life=-8 * DAY)
    store_grant(plane, "revoked at Intuit", realm=DEAD, life=-8 * DAY)
    store_grant(plane, "-", realm=PAUSED, life=-8 * DAY)
    store_grant(plane, "-", realm=LEFT, life=-8 * DAY)
    plane.companies.set_status(PAUSED, ConnectionStatus.NEEDS_REAUTH, "reported before")
    plane.companies.set_status(LEFT, ConnectionStatus.DISCONNECTED)

    outcomes = keep_alive(plane, token_provider)

    assert by_realm(outcomes) == {
        IN_USE: KeepAliveOutcome.IN_USE,
        IDLE: KeepAliveOutcome.RENEWED,
        DEAD: KeepAliveOutcome.DIED,
        PAUSED: KeepAliveOutcome.NEEDS_CONSENT,
    }
    assert endpoint.refreshes == 2
    reported = {each.realm_id: each for each in outcomes}
    assert reported[IDLE].refresh_expires_at == clock.now() + timedelta(seconds=8_726_400)
    assert "ledgerguard connect" in str(reported[DEAD].detail)
    assert plane.companies.require(DEAD).status is ConnectionStatus.NEEDS_REAUTH
    assert by_realm(keep_alive(plane, token_provider))[IDLE] is KeepAliveOutcome.IN_USE


def test_a_hundred_idle_days_never_pass(
    plane: ControlPlane, oauth: OAuthEndpoint, endpoint: TokenEndpoint, clock: FakeClock
) -> None:
    store_grant(plane, "refresh-1", realm=IDLE)
    for _ in range(120):
        clock.advance(DAY)
        keep_alive(plane, TokenProvider(plane, oauth))
        life = plane.tokens.lives()[IDLE]
        assert life.refresh_expires_at is not None
        assert life.refresh_expires_at - clock.now() > timedelta(days=90 if endpoint.posts else 40)
    assert 120 / 9 < endpoint.refreshes < 120 / 7


def test_a_token_near_its_end_is_refreshed_however_lately_it_was_used(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint
) -> None:
    grant = store_grant(plane, "refresh-1", realm=IN_USE, life=-DAY)
    near = replace(grant, refresh_expires_at=plane.now() + timedelta(days=29))
    plane.tokens.replace(IN_USE, near, grant.version)
    assert by_realm(keep_alive(plane, token_provider)) == {IN_USE: KeepAliveOutcome.RENEWED}


def test_a_broken_company_does_not_stop_the_others(
    plane: ControlPlane,
    token_provider: TokenProvider,
    endpoint: TokenEndpoint,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endpoint.valid.add("refresh-2")
    endpoint.scripted.append(HTML)
    for realm, token in ((BROKEN, "a"), (IDLE, "refresh-2"), (DEAD, "c")):
        store_grant(plane, token, realm=realm, life=-8 * DAY)
    plane.companies.put(replace(plane.companies.require(BROKEN), name="A comes first"))
    real = Keyring.unseal

    def broken(ring: Keyring, sealed: str, context: str) -> str:
        if DEAD in context:
            raise RuntimeError("refresh_token=canary")
        return real(ring, sealed, context)

    monkeypatch.setattr(Keyring, "unseal", broken)
    outcomes = keep_alive(plane, token_provider)

    assert by_realm(outcomes) == {
        BROKEN: KeepAliveOutcome.FAILED,
        IDLE: KeepAliveOutcome.RENEWED,
        DEAD: KeepAliveOutcome.FAILED,
    }
    assert "canary" not in repr(outcomes)
    assert plane.companies.require(BROKEN).status is ConnectionStatus.CONNECTED


def test_refused_app_keys_fail_every_company_at_the_price_of_one_call(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint
) -> None:
    endpoint.scripted.append(refusal("invalid_client", 401))
    for realm in (IDLE, DEAD, BROKEN):
        store_grant(plane, "refresh-1", realm=realm, life=-8 * DAY)
    outcomes = keep_alive(plane, token_provider)
    assert {each.outcome for each in outcomes} == {KeepAliveOutcome.FAILED}
    assert all("INTUIT_CLIENT_SECRET" in str(each.detail) for each in outcomes)
    assert endpoint.refreshes == 1
    connected = plane.companies.list(ConnectionStatus.CONNECTED)
    assert len(connected) == 3


def test_a_company_an_outage_paused_comes_back_and_its_schedules_with_it(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint, clock: FakeClock
) -> None:
    endpoint.scripted.append(refusal("invalid_grant"))
    store_grant(plane, "refresh-1", realm=IDLE, life=-8 * DAY)
    assert by_realm(keep_alive(plane, token_provider)) == {IDLE: KeepAliveOutcome.DIED}
    assert plane.companies.list(ConnectionStatus.CONNECTED) == []

    clock.advance(DAY)
    assert by_realm(keep_alive(plane, token_provider)) == {IDLE: KeepAliveOutcome.REVIVED}
    assert [each.realm_id for each in plane.companies.list(ConnectionStatus.CONNECTED)] == [IDLE]
