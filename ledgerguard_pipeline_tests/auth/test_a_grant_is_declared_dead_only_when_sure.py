"""Late answers, Intuit's outages and refused calls: who is paused, and who comes back by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from ledgerguard_pipeline.auth import refresh as module
from ledgerguard_pipeline.auth.refresh_lease import refresh_lease
from ledgerguard_pipeline.auth.token_provider import TokenProvider
from ledgerguard_pipeline.control.company_state.companies import ConnectionStatus
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.tokens.sql_store import RefreshAttempt, Tokens, TokenStore
from ledgerguard_pipeline.errors import (
    CredentialsRejected,
    ReauthorizationRequired,
    TokenEndpointUnavailable,
)
from ledgerguard_pipeline.qbo.oauth.endpoint import OAuthEndpoint
from ledgerguard_pipeline.qbo.oauth.token_source import AccessToken
from ledgerguard_pipeline.values import Environment, RealmId
from ledgerguard_pipeline_tests.auth.conftest import OTHER, REALM, ask_on_a_full_disk, store_grant
from ledgerguard_pipeline_tests.auth.token_endpoint import (
    HTML,
    Scripted,
    TokenEndpoint,
    refusal,
)
from ledgerguard_pipeline_tests.clocks import FakeClock

LEASE = refresh_lease(Environment.SANDBOX, REALM)


def status(plane: ControlPlane) -> ConnectionStatus:
    return plane.companies.require(REALM).status


def end_leases(plane: ControlPlane) -> None:
    """As if the holder had been stopped until its lease was over."""
    with plane.database.write("test") as connection:
        connection.execute(text("UPDATE leases SET owner = ''"))


def declared_dead(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint
) -> None:
    store_grant(plane, "refresh-1")
    endpoint.scripted.append(refusal("invalid_grant"))
    with pytest.raises(ReauthorizationRequired):
        token_provider.current(REALM)


def test_a_late_answer_waits_until_the_next_holder_is_through(
    plane: ControlPlane,
    token_provider: TokenProvider,
    endpoint: TokenEndpoint,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The only good tokens are in hand of a process whose lease is over."""
    store_grant(plane, "refresh-1")
    waits: list[float] = []

    def stall() -> None:
        end_leases(plane)
        assert plane.leases.acquire(LEASE, "the next holder", 1000) is not None

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        assert plane.tokens.version(REALM) == 1, "nothing is written under somebody else's lease"
        if len(waits) == 3:
            # The next holder learns that the token was used already, and gives up.
            plane.companies.set_status(REALM, ConnectionStatus.NEEDS_REAUTH, "used already")
            end_leases(plane)

    endpoint.before_answer = stall
    monkeypatch.setattr(clock, "sleep", sleep)
    token = token_provider.current(REALM)

    assert (token.version, token.value.get_secret_value()) == (2, "access-1")
    assert len(waits) == 3
    assert status(plane) is ConnectionStatus.CONNECTED, "a grant just renewed is alive"


def test_a_late_answer_yields_to_the_one_the_next_holder_stored(
    plane: ControlPlane,
    token_provider: TokenProvider,
    endpoint: TokenEndpoint,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = store_grant(plane, "refresh-1")

    def stall() -> None:
        end_leases(plane)
        plane.leases.acquire(LEASE, "the next holder", 1000)

    def sleep(_: float) -> None:
        theirs = Tokens(
            SecretStr("theirs"),
            SecretStr("refresh-9"),
            clock.now() + timedelta(hours=1),
            None,
            None,
        )
        plane.tokens.replace(REALM, theirs, old.version)
        end_leases(plane)

    endpoint.before_answer = stall
    monkeypatch.setattr(clock, "sleep", sleep)
    assert token_provider.current(REALM).value.get_secret_value() == "theirs"


def test_a_late_answer_does_not_bring_back_what_was_disconnected(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint
) -> None:
    store_grant(plane, "refresh-1")

    def disconnected() -> None:
        end_leases(plane)
        plane.tokens.forget(REALM)
        plane.companies.set_status(REALM, ConnectionStatus.DISCONNECTED)

    endpoint.before_answer = disconnected
    with pytest.raises(ReauthorizationRequired, match="disconnected"):
        token_provider.current(REALM)
    assert plane.tokens.version(REALM) is None
    assert status(plane) is ConnectionStatus.DISCONNECTED


@pytest.mark.parametrize("ask", ["current", "renew"])
def test_the_only_living_grant_is_stored_although_another_process_gave_it_up(
    plane: ControlPlane,
    oauth: OAuthEndpoint,
    endpoint: TokenEndpoint,
    monkeypatch: pytest.MonkeyPatch,
    ask: str,
) -> None:
    """The store was down while the answer came, and is back for the other process first."""
    token_provider = TokenProvider(plane, oauth, patience_seconds=3)
    store_grant(plane, "refresh-1")
    ask_on_a_full_disk(token_provider, monkeypatch)
    with pytest.raises(ReauthorizationRequired):
        TokenProvider(plane, oauth).current(REALM)
    assert status(plane) is ConnectionStatus.NEEDS_REAUTH

    old = AccessToken(REALM, SecretStr("old-access"), 1)
    token = token_provider.current(REALM) if ask == "current" else token_provider.renew(REALM, old)
    assert (token.version, token.value.get_secret_value()) == (2, "access-1")
    assert status(plane) is ConnectionStatus.CONNECTED
    assert endpoint.refreshes == 2, "that of each process"


@pytest.mark.parametrize("ended", [ConnectionStatus.NEEDS_REAUTH, ConnectionStatus.DISCONNECTED])
def test_an_answer_kept_in_memory_does_not_come_back_over_a_later_decision(
    plane: ControlPlane,
    oauth: OAuthEndpoint,
    monkeypatch: pytest.MonkeyPatch,
    ended: ConnectionStatus,
) -> None:
    token_provider = TokenProvider(plane, oauth, patience_seconds=3)
    old = store_grant(plane, "refresh-1")
    ask_on_a_full_disk(token_provider, monkeypatch)
    if ended is ConnectionStatus.DISCONNECTED:
        plane.tokens.forget(REALM)
    else:
        plane.tokens.replace(REALM, old, old.version)
    plane.companies.set_status(REALM, ended)
    with pytest.raises(ReauthorizationRequired):
        token_provider.current(REALM)
    assert status(plane) is ended


def test_an_outage_that_refuses_living_grants_is_healed_without_anybody(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint, clock: FakeClock
) -> None:
    declared_dead(plane, token_provider, endpoint)
    assert token_provider.confirm(REALM) is None, "not at once: the outage may last"
    assert endpoint.refreshes == 1

    clock.advance(3601)
    assert token_provider.confirm(REALM) is True
    assert status(plane) is ConnectionStatus.CONNECTED
    assert token_provider.current(REALM).value.get_secret_value() == "access-2"
    assert token_provider.confirm(REALM) is None
    assert endpoint.refreshes == 2


@pytest.mark.parametrize("worked", [False, True])
def test_an_outage_of_some_hours_costs_a_day_at_most(
    plane: ControlPlane,
    token_provider: TokenProvider,
    endpoint: TokenEndpoint,
    clock: FakeClock,
    *,
    worked: bool,
) -> None:
    declared_dead(plane, token_provider, endpoint)
    if worked:  # what a sync notes at its end that was refused in the middle
        plane.companies.heartbeat(REALM, 100)
    endpoint.scripted.append(refusal("invalid_grant"))
    clock.advance(3601)
    assert token_provider.confirm(REALM) is False
    for _ in range(18):
        clock.advance(3600)
        assert token_provider.confirm(REALM) is None, "asked once within the day, not each hour"
    assert endpoint.refreshes == 2
    clock.advance(2 * 3600)
    assert token_provider.confirm(REALM) is True
    assert status(plane) is ConnectionStatus.CONNECTED


def test_a_grant_refused_twice_is_never_asked_about_again(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint, clock: FakeClock
) -> None:
    declared_dead(plane, token_provider, endpoint)
    endpoint.scripted.append(refusal("invalid_grant"))
    for expected in (False, None, None):
        clock.advance(86_400)
        assert token_provider.confirm(REALM) is expected
    assert endpoint.refreshes == 2
    assert status(plane) is ConnectionStatus.NEEDS_REAUTH


@pytest.mark.parametrize(
    "answer,error",
    [(HTML, TokenEndpointUnavailable), (refusal("invalid_client", 401), CredentialsRejected)],
)
def test_a_confirmation_without_an_answer_is_asked_for_again(
    plane: ControlPlane,
    token_provider: TokenProvider,
    endpoint: TokenEndpoint,
    clock: FakeClock,
    answer: Scripted,
    error: type[Exception],
) -> None:
    declared_dead(plane, token_provider, endpoint)
    endpoint.scripted.append(answer)
    clock.advance(3601)
    with pytest.raises(error):
        token_provider.confirm(REALM)
    assert status(plane) is ConnectionStatus.NEEDS_REAUTH
    clock.advance(3601)
    assert token_provider.confirm(REALM) is True


def test_only_a_company_that_waits_for_consent_is_confirmed(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint, clock: FakeClock
) -> None:
    old = store_grant(plane, "refresh-1")
    plane.tokens.note_attempt(REALM, old)
    clock.advance(86_400)
    assert token_provider.confirm(REALM) is None
    plane.companies.set_status(REALM, ConnectionStatus.DISCONNECTED)
    assert token_provider.confirm(REALM) is None
    plane.companies.set_status(REALM, ConnectionStatus.NEEDS_REAUTH)
    plane.tokens.forget(REALM)
    assert token_provider.confirm(REALM) is None
    assert endpoint.refreshes == 0


def test_a_crash_while_a_company_is_revived_costs_nothing(
    plane: ControlPlane,
    oauth: OAuthEndpoint,
    endpoint: TokenEndpoint,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class CutError(BaseException):
        """Ends the operation where a power cut would."""

    def cut(name: str) -> None:
        if name == "after_company_revived":
            raise CutError

    endpoint.keep_values()
    declared_dead(plane, TokenProvider(plane, oauth), endpoint)
    clock.advance(3601)
    with monkeypatch.context() as patch:
        patch.setattr(module, "crashpoint", cut)
        with pytest.raises(CutError):
            TokenProvider(plane, oauth).confirm(REALM)
    assert TokenProvider(plane, oauth).current(REALM).version == 2
    assert status(plane) is ConnectionStatus.CONNECTED


def test_a_refused_token_pauses_no_company_that_was_given_another_meanwhile(
    plane: ControlPlane, token_provider: TokenProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = store_grant(plane, "refresh-1", life=3600)
    note = TokenStore.note_attempt

    def overtaken(store: TokenStore, realm: RealmId, current: Tokens) -> RefreshAttempt:
        plane.tokens.replace(realm, replace(old, refresh_token=SecretStr("refresh-9")), 1)
        return note(store, realm, current)

    monkeypatch.setattr(TokenStore, "note_attempt", overtaken)
    token_provider.refused(REALM, AccessToken(REALM, SecretStr("old-access"), 1))
    assert status(plane) is ConnectionStatus.CONNECTED
    assert token_provider.current(REALM).version == 2


def test_a_company_whose_fresh_token_is_refused_is_paused_alone(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint, clock: FakeClock
) -> None:
    endpoint.valid.add("theirs")
    store_grant(plane, "refresh-1", life=3600)
    store_grant(plane, "theirs", realm=OTHER, life=3600)
    plane.companies.heartbeat(REALM, 100)
    token = token_provider.renew(REALM, token_provider.current(REALM))
    token_provider.refused(REALM, AccessToken(REALM, token.value, token.version - 1))
    assert status(plane) is ConnectionStatus.CONNECTED, "an older token says nothing"

    token_provider.refused(REALM, token)
    with pytest.raises(ReauthorizationRequired, match="fresh access token"):
        token_provider.current(REALM)
    assert token_provider.current(OTHER).version == 1
    clock.advance(3601)
    assert token_provider.confirm(REALM) is True, "the grant itself is alive"


def test_a_living_grant_whose_calls_stay_refused_is_asked_about_once_a_day(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint, clock: FakeClock
) -> None:
    """The grant would be found alive every hour, and the company paused again after it."""
    store_grant(plane, "refresh-1", life=3600)
    plane.companies.heartbeat(REALM, 100)
    token_provider.refused(REALM, token_provider.current(REALM))
    clock.advance(3601)
    assert token_provider.confirm(REALM) is True, "it worked a moment before: an outage, perhaps"

    token_provider.refused(REALM, token_provider.current(REALM))
    for _ in range(19):
        clock.advance(3600)
        assert token_provider.confirm(REALM) is None
    clock.advance(3600)
    assert token_provider.confirm(REALM) is True


def test_a_note_about_a_token_that_is_gone_is_asked_about_no_more(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint, clock: FakeClock
) -> None:
    """The schedule would start a run every hour that finds nothing to ask."""
    declared_dead(plane, token_provider, endpoint)
    tokens = plane.tokens.load(REALM)
    assert tokens is not None
    plane.tokens.note_attempt(REALM, replace(tokens, refresh_token=SecretStr("refresh-0")))
    clock.advance(3600)
    asked = len(endpoint.posts)
    assert token_provider.confirm(REALM) is False
    assert plane.tokens.attempt(REALM) is None
    assert len(endpoint.posts) == asked
