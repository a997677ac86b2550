from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
import requests

from ledgerguard_pipeline_tests.sandbox.caller import OTHER_REALM, Caller, calling, tiny_company


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    with calling(tiny_company(), tiny_company(OTHER_REALM)) as ready:
        yield ready


def ask(caller: Caller, path: str, token: str | None) -> requests.Response:
    headers = {"Accept": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    url = f"{caller.server.base_url}{path}"
    return caller.http.get(url, headers=headers, timeout=30)


@pytest.mark.parametrize("token", [None, "short", "y" * 60])
def test_a_missing_malformed_or_unknown_token_gets_the_gateways_401(
    caller: Caller, token: str | None
) -> None:
    answer = ask(caller, f"/v3/company/{caller.realm}/query?query=select", token)
    assert answer.status_code == 401
    body = answer.json()
    (error,) = body["fault"]["error"]
    assert error["message"] == "message=AuthenticationFailed; errorCode=003200; statusCode=401"
    assert (error["code"], body["fault"]["type"]) == ("3200", "AUTHENTICATION")
    assert isinstance(body["time"], int)
    assert answer.headers["Www-Authenticate"] == 'Bearer realm="Intuit", error="invalid_token"'
    assert token != "y" * 60 or error["detail"].startswith("Token not found: AB0")
    assert list(body) == [
        "warnings", "intuitObject", "fault", "report", "queryResponse", "batchItemResponse",
        "attachableResponse", "syncErrorResponse", "requestId", "time", "status", "cdcresponse",
    ]  # fmt: skip


def test_a_company_this_app_has_nothing_to_do_with_gets_403(caller: Caller) -> None:
    answer = ask(caller, "/v3/company/9999999999999999/preferences", caller.tokens["access_token"])
    assert answer.status_code == 403
    (error,) = answer.json()["fault"]["error"]
    assert (error["code"], error["detail"]) == ("3100", None)
    assert answer.json()["fault"]["type"] == "SERVICE"


def test_a_token_of_another_company_gets_401_in_xml(caller: Caller) -> None:
    answer = ask(caller, f"/v3/company/{OTHER_REALM}/preferences", caller.tokens["access_token"])
    assert answer.status_code == 401
    assert answer.headers["Content-Type"].startswith("application/xml")
    assert "SRV-110-Authentication Failure" in answer.text
    assert 'code="100"' in answer.text


@pytest.mark.parametrize("path", ["/v3/company//query", "/nowhere", "/"])
def test_paths_outside_the_api_get_an_html_404(caller: Caller, path: str) -> None:
    answer = ask(caller, path, caller.tokens["access_token"])
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")


def test_a_bare_percent_sign_in_the_url_is_refused(caller: Caller) -> None:
    statement = "select+*+from+Customer+where+DisplayName+like+"
    connection = HTTPConnection(urlsplit(caller.server.base_url).netloc, timeout=30)
    with closing(connection):
        for tail, status in (("%27%zz%27", 400), ("%27%25zz%27", 200)):
            path = f"/v3/company/{caller.realm}/query?query={statement}{tail}"
            connection.request("GET", path, headers=caller.headers())
            answer = connection.getresponse()
            answer.read()
            assert answer.status == status


def test_every_answer_has_a_request_id_of_its_own(caller: Caller) -> None:
    answers = [
        caller.query("select count(*) from Customer"),
        caller.query("nonsense"),
        ask(caller, "/nowhere", None),
        ask(caller, f"/v3/company/{caller.realm}/preferences", None),
        caller.refresh("made up"),
        caller.http.get(caller.authorize_url(), timeout=30),
    ]
    tids = {answer.headers["intuit_tid"] for answer in answers}
    assert len(tids) == len(answers)
