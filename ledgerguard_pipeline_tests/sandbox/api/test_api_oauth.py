from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from ledgerguard_pipeline.sandbox.api.grants import HARD_SECONDS, REFRESH_SECONDS
from ledgerguard_pipeline_tests.sandbox.caller import (
    CALLBACK,
    NOW,
    OTHER_REALM,
    REALM,
    Caller,
    calling,
    tiny_company,
)

DAY = 86_400


def later(caller: Caller, seconds: float) -> None:
    """Let time go by in the sandbox."""
    now = float(str(caller.server.health()["time"]))
    before = caller.server.world.switches.clock_offset_seconds
    caller.server.set(clock_offset_seconds=before + seconds)
    assert float(str(caller.server.health()["time"])) >= now + seconds


def works(caller: Caller) -> bool:
    return caller.query("select count(*) from Customer").status_code == 200


def test_the_callback_carries_code_state_and_the_chosen_company() -> None:
    with calling(tiny_company(), tiny_company(OTHER_REALM)) as caller:
        callback = caller.server.consent(caller.authorize_url(state="s p&c"), OTHER_REALM)
        assert callback.startswith(CALLBACK + "?")
        back = parse_qs(urlsplit(callback).query)
        assert (back["state"], back["realmId"]) == (["s p&c"], [OTHER_REALM])
        assert len(back["code"][0]) <= 512


def test_a_refused_consent_comes_back_as_access_denied() -> None:
    with calling() as caller:
        callback = caller.server.consent(caller.authorize_url(), allow=False)
        assert parse_qs(urlsplit(callback).query) == {
            "error": ["access_denied"],
            "state": ["a state"],
        }


def test_the_consent_page_offers_every_company_and_escapes_what_was_asked() -> None:
    with calling(tiny_company(), tiny_company(OTHER_REALM)) as caller:
        page = caller.http.get(caller.authorize_url(state='"><script>'), timeout=30)
        assert page.status_code == 200
        assert page.headers["Content-Type"].startswith("text/html")
        assert "Tiny 1" in page.text
        assert "Tiny 2" in page.text
        assert "<script>" not in page.text


@pytest.mark.parametrize(
    "change,complaint",
    [
        ({"client_id": "someone else"}, "client_id"),
        ({"redirect_uri": "not a url"}, "redirect_uri"),
        ({"redirect_uri": CALLBACK + "/"}, "redirect_uri"),
        ({"response_type": "token"}, "response_type"),
        ({"state": ""}, "state"),
    ],
)
def test_a_wrong_authorize_request_is_not_redirected(
    change: dict[str, str], complaint: str
) -> None:
    with calling() as caller:
        caller.server.world.redirect_uris = frozenset({CALLBACK})
        url = caller.authorize_url(**change)
        answer = caller.http.get(url, allow_redirects=False, timeout=30)
        assert answer.status_code == 400
        assert complaint in answer.text
        with pytest.raises(ValueError, match=complaint):
            caller.server.consent(url)


def test_an_unknown_scope_comes_back_as_invalid_scope() -> None:
    with calling() as caller:
        answer = caller.http.get(
            caller.authorize_url(scope="everything"), allow_redirects=False, timeout=30
        )
        assert parse_qs(urlsplit(answer.headers["Location"]).query)["error"] == ["invalid_scope"]


def test_a_code_brings_tokens_with_their_lives() -> None:
    with calling() as caller:
        answer = caller.exchange(caller.code())
        assert answer.status_code == 200
        tokens = answer.json()
        assert tokens["token_type"] == "bearer"
        assert tokens["expires_in"] == 3600
        assert tokens["x_refresh_token_expires_in"] == REFRESH_SECONDS
        assert "x_refresh_token_hard_expires_in" not in tokens
        assert tokens["access_token"].startswith("eyJ")
        assert ".." in tokens["access_token"]


def test_a_second_exchange_of_a_code_fails_and_ends_the_grant() -> None:
    with calling() as caller:
        code = caller.code()
        caller.tokens = caller.exchange(code).json()
        assert works(caller)
        again = caller.exchange(code)
        assert (again.status_code, again.content) == (400, b'{"error":"invalid_grant"}')
        assert not works(caller)


def test_a_code_is_bound_to_its_redirect_uri_and_lives_ten_minutes() -> None:
    with calling() as caller:
        assert caller.exchange(caller.code(), CALLBACK + "2").json() == {"error": "invalid_grant"}
        code = caller.code()
        later(caller, 601)
        assert caller.exchange(code).json() == {"error": "invalid_grant"}


def test_an_access_token_lasts_an_hour_and_a_refresh_brings_the_next() -> None:
    with calling() as caller:
        later(caller, 3590)
        assert works(caller)
        later(caller, 11)
        answer = caller.query("select count(*) from Customer")
        assert answer.status_code == 401
        assert answer.json()["fault"]["error"][0]["detail"].startswith("Token expired: ")
        caller.tokens = caller.refresh().json()
        assert works(caller)


def test_the_refresh_token_rotates_when_it_is_a_day_old() -> None:
    with calling() as caller:
        first = caller.tokens["refresh_token"]
        later(caller, DAY - 60)
        young = caller.refresh().json()
        assert young["refresh_token"] == first
        assert abs(young["x_refresh_token_expires_in"] - (REFRESH_SECONDS - DAY + 60)) <= 2
        later(caller, 61)
        rotated = caller.refresh(first).json()
        assert rotated["refresh_token"] != first
        assert rotated["x_refresh_token_expires_in"] == REFRESH_SECONDS
        dead = caller.refresh(first)
        assert (dead.status_code, dead.content) == (400, b'{"error":"invalid_grant"}')
        assert caller.refresh(rotated["refresh_token"]).status_code == 200


def test_a_superseded_refresh_token_may_be_given_grace() -> None:
    with calling(rotate_after_seconds=0, rotation_grace_seconds=100) as caller:
        first = caller.tokens["refresh_token"]
        second = caller.refresh(first).json()["refresh_token"]
        assert second != first
        assert caller.refresh(first).json()["refresh_token"] == second
        later(caller, 101)
        assert caller.refresh(first).status_code == 400


def test_a_replayed_refresh_token_may_end_the_grant() -> None:
    with calling(rotate_after_seconds=0, replay_revokes=True) as caller:
        first = caller.tokens["refresh_token"]
        caller.tokens = caller.refresh(first).json()
        assert works(caller)
        assert caller.refresh(first).status_code == 400
        assert not works(caller)
        assert caller.refresh().status_code == 400


def test_a_refresh_token_dies_after_101_idle_days() -> None:
    with calling() as caller:
        later(caller, REFRESH_SECONDS - 5)
        caller.tokens = caller.refresh().json()
        later(caller, REFRESH_SECONDS + 1)
        assert caller.refresh().json() == {"error": "invalid_grant"}


def test_no_use_extends_a_grant_beyond_five_years() -> None:
    with calling() as caller:
        asked = caller.refresh(hard=True).json()
        assert abs(asked["x_refresh_token_hard_expires_in"] - HARD_SECONDS) <= 2
        for _ in range(18):
            later(caller, 100 * DAY)
            caller.tokens = caller.refresh().json()
        later(caller, HARD_SECONDS - 1800 * DAY)
        assert caller.refresh().status_code == 400


@pytest.mark.parametrize("status", [400, 401])
def test_a_wrong_secret_is_invalid_client_and_harms_no_grant(status: int) -> None:
    with calling(invalid_client_status=status) as caller:
        value = caller.tokens["refresh_token"]
        answer = caller.token_call("wrong", grant_type="refresh_token", refresh_token=value)
        assert (answer.status_code, answer.json()) == (status, {"error": "invalid_client"})
        assert caller.refresh(value).status_code == 200


@pytest.mark.parametrize(
    "form,error",
    [
        ({}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code", "code": "made up"}, "invalid_grant"),
        ({"grant_type": "refresh_token", "refresh_token": "made up"}, "invalid_grant"),
    ],
)
def test_wrong_token_requests_get_the_standard_errors(form: dict[str, str], error: str) -> None:
    with calling() as caller:
        answer = caller.token_call(**form)
        if not form:  # requests sends no content type with an empty body
            assert answer.status_code == 400
        assert answer.json() == {"error": error}


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
def test_revoking_either_token_ends_both(which: str) -> None:
    with calling() as caller:
        url = f"{caller.server.base_url}/v2/oauth2/tokens/revoke"
        keys = (caller.server.client_id, caller.server.client_secret)
        body = {"token": caller.tokens[which]}
        assert caller.http.post(url, json=body, auth=(keys[0], "no"), timeout=30).status_code == 401
        assert works(caller)
        done = caller.http.post(url, json=body, auth=keys, timeout=30)
        assert (done.status_code, done.content) == (200, b"")
        assert not works(caller)
        assert caller.refresh().status_code == 400
        assert caller.http.post(url, json=body, auth=keys, timeout=30).status_code == 400


def test_a_disconnect_inside_quickbooks_ends_one_companys_grants_only() -> None:
    with (
        calling(tiny_company(), tiny_company(OTHER_REALM)) as caller,
        Caller(caller.server, OTHER_REALM) as other,
    ):
        caller.server.disconnect(REALM)
        assert caller.query("select count(*) from Customer").status_code == 401
        assert works(other)


def test_access_tokens_can_be_expired_by_command() -> None:
    with calling() as caller:
        caller.server.expire_tokens()
        assert not works(caller)
        caller.tokens = caller.refresh().json()
        assert works(caller)


def test_the_discovery_document_names_this_server() -> None:
    with calling() as caller:
        url = f"{caller.server.base_url}/.well-known/openid_sandbox_configuration"
        found = caller.http.get(url, timeout=30).json()
        assert found["token_endpoint"] == f"{caller.server.base_url}/oauth2/v1/tokens/bearer"


def test_time_in_the_sandbox_is_its_own() -> None:
    with calling() as caller:
        assert abs(float(str(caller.server.health()["time"])) - NOW) < 60
