"""Why a token could not be renewed is known to everybody, however often it failed, in any store."""

from __future__ import annotations

import pytest

from ledgerguard_pipeline.auth.token_provider import TokenProvider
from ledgerguard_pipeline.config.settings import Settings
from ledgerguard_pipeline.control.plane import ControlPlane
from ledgerguard_pipeline.control.rate_limits.throttle_log import APP
from ledgerguard_pipeline.errors import (
    QuotaExhausted,
    TokenEndpointThrottled,
    TokenEndpointUnavailable,
)
from ledgerguard_pipeline.health.company_status import CompanyStatus, read_statuses
from ledgerguard_pipeline.health.rules import HealthState, ReasonKind
from ledgerguard_pipeline.qbo.oauth.endpoint import OAuthEndpoint
from ledgerguard_pipeline.values import RealmId
from ledgerguard_pipeline_tests.auth.conftest import OTHER, REALM, store_grant
from ledgerguard_pipeline_tests.auth.consents import callback, connector_of
from ledgerguard_pipeline_tests.auth.token_endpoint import (
    HTML,
    Scripted,
    TokenEndpoint,
    refusal,
)
from ledgerguard_pipeline_tests.clocks import FakeClock
from ledgerguard_pipeline_tests.stores import on_all_stores

SPENT = Scripted(429, b'{"error": "too_many_requests"}')
SPENT_BEHIND_A_GATEWAY = Scripted(
    403,
    b'{"fault":{"error":[{"message":"message=ThrottleExceeded; errorCode=003001; statusCode=429",'
    b'"code":"3001"}],"type":"SERVICE"}}',
)
DOWN = "HTTP 503, Service Unavailable"
HOUR = 3_600.0
REFUSALS = 5
"""Refusals, four minutes apart, that are more than a limit by the minute."""


def spend(plane: ControlPlane, clock: FakeClock) -> None:
    """Let the token endpoint have refused for a quarter of an hour."""
    for _ in range(REFUSALS - 1):
        plane.refusals.note_app()
        clock.advance(240)
    plane.refusals.note_app()


def status_of(plane: ControlPlane, settings: Settings, realm: RealmId = REALM) -> CompanyStatus:
    (found,) = read_statuses(plane, settings, realms=[realm])
    return found


def reason(company_status: CompanyStatus, kind: ReasonKind) -> str | None:
    return next((each.text for each in company_status.health.reasons if each.kind is kind), None)


@on_all_stores
def test_the_cause_is_reported_at_the_first_failure_and_at_the_tenth(
    plane: ControlPlane,
    token_provider: TokenProvider,
    endpoint: TokenEndpoint,
    clock: FakeClock,
    store_settings: Settings,
) -> None:
    store_grant(plane, "refresh-1")
    endpoint.scripted.extend([HTML] * 10)
    for tries in range(1, 11):
        with pytest.raises(TokenEndpointUnavailable, match=DOWN):
            token_provider.current(REALM)
        noted = plane.tokens.attempt(REALM)
        assert noted is not None
        assert (noted.tries, noted.reason) == (tries, f"it answered {DOWN}")
        text = reason(status_of(plane, store_settings), ReasonKind.REFRESH_FAILS)
        assert text is not None
        assert DOWN in text
        # Between two tries whoever asks hears of the same cause, and of a time that is not over.
        clock.advance(0 if tries < 3 else 0.7)
        if tries >= 3:
            with pytest.raises(TokenEndpointUnavailable, match=rf"{DOWN}.* due in [1-9]\d* s"):
                token_provider.current(REALM)
            clock.advance(900)
    assert endpoint.refreshes == 10

    assert token_provider.current(REALM).version == 2
    assert plane.tokens.attempts() == {}
    assert reason(status_of(plane, store_settings), ReasonKind.REFRESH_FAILS) is None


@on_all_stores
def test_an_old_cause_is_not_given_for_another_token(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint
) -> None:
    store_grant(plane, "refresh-1")
    endpoint.scripted.append(HTML)
    with pytest.raises(TokenEndpointUnavailable):
        token_provider.current(REALM)
    old = plane.tokens.attempt(REALM)
    assert old is not None

    tokens = store_grant(plane, "refresh-2")
    noted = plane.tokens.note_attempt(REALM, tokens)
    plane.tokens.note_reason(REALM, old, "of the other token")

    assert (noted.tries, noted.reason) == (1, None)
    assert plane.tokens.attempts([REALM, OTHER]) == {REALM: noted}
    assert plane.tokens.attempts([OTHER]) == {}


@pytest.mark.parametrize(
    "answer, reported",
    [
        (Scripted(500, b""), "HTTP 500, without a reason"),
        (Scripted(400, b'{"error":"temporarily_unavailable","error_description":"later"}'),
         "HTTP 400, temporarily_unavailable: later"),
        (Scripted(503, b'{"fault":{"error":[{"message":"errorCode=003100"}]}}'), "errorCode=003100"),
        (Scripted(200, b"<html></html>"), "its answer is no token"),
    ],
)  # fmt: skip
def test_the_status_and_the_words_of_the_endpoint_are_the_cause(
    plane: ControlPlane,
    token_provider: TokenProvider,
    endpoint: TokenEndpoint,
    answer: Scripted,
    reported: str,
) -> None:
    store_grant(plane, "refresh-1")
    endpoint.scripted.append(answer)

    with pytest.raises(TokenEndpointUnavailable) as caught:
        token_provider.current(REALM)

    assert reported in str(caught.value)
    assert reported in str(plane.tokens.attempts()[REALM].reason)


def test_a_cause_holds_no_secret(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint
) -> None:
    store_grant(plane, "refresh-1")
    handle = "AB01Q3cbFGkbcp7KEbwp"
    endpoint.scripted.append(refusal(f"temporarily {handle}", 503))

    with pytest.raises(TokenEndpointUnavailable) as caught:
        token_provider.current(REALM)

    assert handle not in str(caught.value)
    assert handle not in str(plane.tokens.attempts())


@pytest.mark.parametrize("asked", [SPENT, SPENT_BEHIND_A_GATEWAY], ids=["plain", "gateway"])
def test_one_429_of_the_token_endpoint_pauses_refreshes_for_a_minute_and_stops_no_call(
    plane: ControlPlane,
    token_provider: TokenProvider,
    endpoint: TokenEndpoint,
    clock: FakeClock,
    store_settings: Settings,
    asked: Scripted,
) -> None:
    endpoint.valid.add("refresh-other")
    store_grant(plane, "refresh-1")
    store_grant(plane, "refresh-other", realm=OTHER)
    endpoint.scripted.append(asked)

    with pytest.raises(TokenEndpointThrottled, match="asked to wait"):
        token_provider.current(REALM)
    with pytest.raises(TokenEndpointThrottled, match="asked again in 60 s"):
        token_provider.current(OTHER)
    assert endpoint.refreshes == 1, "who asked to wait is not asked for another company"
    assert plane.tokens.attempts() == {}, "no attempt on the grant took place"
    with plane.guard.permit(OTHER):
        pass
    assert reason(status_of(plane, store_settings), ReasonKind.QUOTA_EXHAUSTED) is None

    clock.advance(60)
    assert token_provider.current(OTHER).version == 2
    assert token_provider.current(REALM).version == 2
    assert plane.refusals.read() == {}


@pytest.mark.parametrize("spent", [SPENT, SPENT_BEHIND_A_GATEWAY], ids=["plain", "gateway"])
def test_a_429_of_the_token_endpoint_that_lasts_is_the_spent_quota_of_the_whole_app(
    plane: ControlPlane,
    token_provider: TokenProvider,
    endpoint: TokenEndpoint,
    clock: FakeClock,
    store_settings: Settings,
    spent: Scripted,
) -> None:
    endpoint.valid.add("refresh-other")
    store_grant(plane, "refresh-1")
    store_grant(plane, "refresh-other", realm=OTHER)
    endpoint.scripted.extend([spent] * (REFUSALS + 1))
    for _ in range(REFUSALS - 1):
        with pytest.raises(TokenEndpointThrottled):
            token_provider.current(REALM)
        clock.advance(240)

    with pytest.raises(QuotaExhausted, match="monthly quota of reads is used up"):
        token_provider.current(REALM)
    with pytest.raises(QuotaExhausted, match="429 of its token endpoint"):
        token_provider.current(OTHER)
    assert endpoint.refreshes == REFUSALS, "what Intuit refuses one company it refuses all"
    assert plane.tokens.attempts() == {}, "no attempt on the grant took place"
    for realm in (REALM, OTHER):
        company_status = status_of(plane, store_settings, realm)
        assert company_status.health.state is HealthState.UNHEALTHY
        assert "token endpoint answers 429" in str(
            reason(company_status, ReasonKind.QUOTA_EXHAUSTED)
        )
    with pytest.raises(QuotaExhausted), plane.guard.permit(OTHER):
        pass

    clock.advance(HOUR + 1)
    for _ in range(3):
        with pytest.raises(QuotaExhausted):
            token_provider.current(REALM)
    assert endpoint.refreshes == REFUSALS + 1, "one question an hour"

    clock.advance(HOUR + 1)
    assert token_provider.current(OTHER).version == 2
    assert token_provider.current(REALM).version == 2
    assert plane.refusals.read() == {}
    with plane.guard.permit(OTHER):
        pass


def test_a_call_that_goes_through_opens_the_app_again(
    plane: ControlPlane, clock: FakeClock
) -> None:
    spend(plane, clock)
    with pytest.raises(QuotaExhausted), plane.guard.permit(REALM):
        pass
    plane.guard.record(REALM, entity="Invoice", purpose="query", status=200)
    assert plane.refusals.app() is not None, "a call from before the refusal says nothing"

    clock.advance(HOUR + 1)
    with plane.guard.permit(REALM):
        pass
    with pytest.raises(QuotaExhausted), plane.guard.permit(OTHER):
        pass
    with pytest.raises(QuotaExhausted):
        plane.guard.cool_down(REALM, 60)
    clock.advance(HOUR + 1)
    with plane.guard.permit(REALM):
        pass
    plane.guard.record(REALM, entity="Invoice", purpose="query", status=200)
    assert plane.refusals.app() is None


def test_a_consent_that_intuit_grants_opens_the_app_again(
    plane: ControlPlane, oauth: OAuthEndpoint, endpoint: TokenEndpoint, clock: FakeClock
) -> None:
    """Whoever raised the quota presses Connect and should not wait for the next hourly question."""
    connector = connector_of(plane, oauth, endpoint.base_url)
    endpoint.codes.update({"code-1", "code-2"})
    endpoint.scripted.append(Scripted(429, b""))
    spend(plane, clock)
    with pytest.raises(QuotaExhausted):
        connector.complete(callback(connector))
    with pytest.raises(QuotaExhausted), plane.guard.permit(OTHER):
        pass

    clock.advance(1)
    assert connector.complete(callback(connector)).realm_id == REALM
    assert plane.refusals.app() is None
    with plane.guard.permit(OTHER):
        pass


@pytest.mark.parametrize("asked, waits", [(None, HOUR), (120, 120.0), (1, 60.0), (99_999, HOUR)])
def test_the_next_question_comes_within_the_hour_and_no_later_than_intuit_says(
    plane: ControlPlane, clock: FakeClock, asked: float | None, waits: float
) -> None:
    spend(plane, clock)
    run = plane.refusals.note_app(asked)

    assert run.resumes_at is not None
    assert (run.resumes_at - plane.now()).total_seconds() == waits
    assert plane.refusals.read([OTHER]) == {APP: run}


def test_a_token_that_still_lives_is_kept_while_no_other_is_given(
    plane: ControlPlane, token_provider: TokenProvider, endpoint: TokenEndpoint
) -> None:
    store_grant(plane, "refresh-1", life=200)
    endpoint.scripted.append(SPENT)

    assert token_provider.current(REALM).value.get_secret_value() == "old-access"
    assert plane.refusals.app() is not None
