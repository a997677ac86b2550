"""Tokens of a client used on its own: read back, kept as JSON, set again, announced when renewed."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pprint import pformat
from urllib.parse import parse_qs, urlsplit

import pytest
from rich.pretty import pretty_repr

from ledgerguard_pipeline import NaiveTimeWarning, QBOClient, TokenSet
from ledgerguard_pipeline.errors import BadInputError, ConsentError, ReauthorizationRequired
from ledgerguard_pipeline_tests.qbo.conftest import REALM
from ledgerguard_pipeline_tests.qbo.scripted import DrivenClock, Script, reply

CALLBACK = "http://localhost:8000/api/v1/auth/callback"
GIVEN = {"access_token": "access-2", "refresh_token": "refresh-2", "expires_in": 3600,
         "x_refresh_token_expires_in": 8726400}  # fmt: skip
COMPANY = {"CompanyInfo": {"Id": "1", "CompanyName": "Acme"}, "time": "2026-11-22T01:00:00Z"}


@pytest.fixture
def renewed() -> list[TokenSet]:
    return []


@pytest.fixture
def client(script: Script, clock: DrivenClock, renewed: list[TokenSet]) -> Iterator[QBOClient]:
    with QBOClient(
        "the-id", "the-secret", CALLBACK, "sandbox",
        base_url=script.url, clock=clock, on_refresh=renewed.append,
    ) as made:  # fmt: skip
        yield made


def state_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["state"][0]


def test_what_a_code_brought_is_read_by_key_and_by_attribute(
    client: QBOClient, script: Script
) -> None:
    script.then(reply(GIVEN))
    tokens = client.exchange_code(
        auth_code="code-1", state=state_of(client.get_authorization_url()), realm_id=REALM
    )
    assert tokens["expires_in"] == tokens.expires_in == 3600
    assert tokens["access_token_expiry"] == "2026-11-22T13:00:00Z"
    assert tokens["refresh_token_expiry"] == "2027-03-03T12:00:00Z"
    assert (tokens["access_token"], tokens["refresh_token"]) == ("access-2", "refresh-2")
    assert tokens["realm_id"] == client.realm_id == REALM


def test_tokens_survive_json_and_a_new_client(
    client: QBOClient, script: Script, clock: DrivenClock
) -> None:
    script.then(reply(GIVEN), reply(COMPANY))
    client.exchange_code("code-1", state_of(client.get_authorization_url()), REALM)
    text = json.dumps(client.get_tokens())
    with QBOClient("the-id", "the-secret", CALLBACK, "sandbox", base_url=script.url,
                   clock=clock) as other:  # fmt: skip
        other.set_tokens(**json.loads(text))
        assert other.get_tokens() == client.get_tokens() == json.loads(text)
        status = other.get_connection_status()
    assert status.is_connected
    assert status["access_token_expiry"] == "2026-11-22T13:00:00Z"
    assert script.requests[-1].headers["authorization"] == "Bearer access-2"


@pytest.mark.parametrize(
    "expiry",
    [
        datetime(2026, 11, 22, 12, 30, tzinfo=UTC),
        datetime(2026, 11, 22, 4, 30, tzinfo=timezone(timedelta(hours=-8))),
        "2026-11-22T12:30:00Z",
        "2026-11-22T04:30:00-08:00",
    ],
)
def test_expiries_are_datetimes_or_iso_texts(client: QBOClient, expiry: datetime | str) -> None:
    client.set_tokens("a", "r", REALM, access_token_expiry=expiry, refresh_token_expiry=expiry)
    saved = client.get_tokens()
    assert saved["access_token_expiry"] == "2026-11-22T12:30:00Z"
    assert saved["refresh_token_expiry"] == "2026-11-22T12:30:00Z"


def test_an_expiry_without_an_offset_is_taken_as_utc_and_says_so_at_the_callers_line(
    client: QBOClient,
) -> None:
    with pytest.warns(NaiveTimeWarning, match=r"access_token_expiry=.* taken as UTC") as heard:
        client.set_tokens("a", "r", REALM, access_token_expiry="2026-11-22T12:30:00")
    assert heard[0].filename == __file__
    assert client.get_tokens()["access_token_expiry"] == "2026-11-22T12:30:00Z"


def test_an_access_token_that_has_ended_is_renewed_at_the_first_call_and_reported(
    client: QBOClient, script: Script, renewed: list[TokenSet]
) -> None:
    client.set_tokens("old", "r", REALM, access_token_expiry="2026-11-22T11:00:00Z")
    script.then(reply(GIVEN), reply(COMPANY))
    assert client.get_connection_status().is_connected
    assert [each["refresh_token"] for each in renewed] == ["refresh-2"]
    assert renewed == [client.get_tokens()]
    assert "refresh_token=r" in script.requests[0].body.decode()


def test_tokens_that_came_without_a_company_are_the_first_ones_named(
    client: QBOClient, script: Script
) -> None:
    client.set_tokens("a", "r")
    assert client.get_tokens()["realm_id"] is None
    client.realm_id = REALM
    script.then(reply(COMPANY))
    assert client.get_connection_status().is_connected
    client.realm_id = "1234567890"
    with pytest.raises(ReauthorizationRequired, match="No tokens are set for this company"):
        client.company_info()
    client.realm_id = REALM
    assert client.get_tokens()["access_token"] == "a"


def test_a_company_can_be_chosen_before_its_tokens_come(client: QBOClient) -> None:
    client.realm_id = "123146096291789"
    with pytest.raises(ReauthorizationRequired, match="call exchange_code or set_tokens first"):
        client.get_tokens()
    client.set_tokens("a")
    assert client.get_tokens() == {
        "access_token": "a",
        "refresh_token": None,
        "access_token_expiry": "2026-11-22T13:00:00Z",
        "refresh_token_expiry": None,
        "realm_id": "123146096291789",
    }


def test_what_is_shown_of_tokens_is_masked(client: QBOClient) -> None:
    client.set_tokens("access-secret", "refresh-secret", REALM)
    saved = client.get_tokens()
    try:
        raise LookupError(saved)
    except LookupError:
        shown = traceback.format_exc()
    for text in (repr(saved), str(saved), f"{saved}", shown, pretty_repr(saved), pformat(saved)):
        assert "secret" not in text
        assert REALM in text


@pytest.mark.parametrize("bad", ["two\nlines", "", "snowman \u2603", 7, None, b"bytes"])
def test_what_cannot_be_a_token_is_refused_without_being_repeated(
    client: QBOClient, bad: object
) -> None:
    with pytest.raises(BadInputError, match="access_token is not a token") as caught:
        client.set_tokens(bad, realm_id=REALM)  # type: ignore[arg-type]  # the wrong use
    assert str(bad or "snowman") not in str(caught.value)


def test_a_code_intuit_does_not_accept_asks_for_a_new_consent(
    client: QBOClient, script: Script
) -> None:
    script.then(reply({"error": "invalid_grant"}, 400))
    with pytest.raises(ConsentError, match="Start again from a new authorization URL"):
        client.exchange_code("used", state_of(client.get_authorization_url()), REALM)
    assert client.realm_id is None
