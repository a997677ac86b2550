from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from ledgerguard_pipeline_tests.sandbox.caller import Caller, calling, tiny_company

ROWS = "select * from Invoice"


@pytest.fixture(scope="module")
def running() -> Iterator[Caller]:
    with calling(tiny_company(invoices=20)) as ready:
        yield ready


@pytest.fixture
def caller(running: Caller) -> Iterator[Caller]:
    yield running
    running.server.clear_faults()


@pytest.mark.parametrize(
    "kind,status,media_type,text",
    [
        ("throttle_json", 429, "application/json", '"code":"3001"'),
        ("throttle_xml", 429, "application/xml", '<Error code="3001">'),
        ("throttle_html", 429, "text/html", "Too Many Requests"),
        ("throttle_empty", 429, "text/html", ""),
        ("error_500_html", 500, "text/html", "<h1>"),
        ("error_502_html", 502, "text/html", "Bad Gateway"),
        ("error_503_html", 503, "text/html", "Service Unavailable"),
        ("error_503_empty", 503, "text/html", ""),
        ("error_504_html", 504, "text/html", "Gateway Timeout"),
        ("application_error", 500, "application/json", '"code":"10000"'),
        ("unauthorized", 401, "application/json", '"code":"3200"'),
        ("unauthorized_xml", 401, "application/xml", '<Error code="100">'),
        ("wrong_cluster", 401, "application/xml", "Accessing Wrong Cluster"),
        ("forbidden", 403, "application/json", '"code":"3100"'),
        ("company_expired", 400, "application/json", '"code":"6190"'),
        ("company_maintenance", 400, "application/json", '"code":"150"'),
        ("feature_missing", 400, "application/json", '"code":"5020"'),
        ("processing_error", 400, "application/json", '"code":"4002"'),
        ("subscription_lapsed", 400, "application/json", "errorCode=007001; statusCode=400"),
        ("no_destination", 400, "text/html", "errorCode=007001; statusCode=400"),
        ("gateway_500", 500, "application/json", "errorCode=003100; statusCode=500"),
        ("authorization_500", 500, "application/xml", '<Error code="120">'),
        ("resource_missing", 400, "application/json", "Could not find resource"),
        ("try_again", 400, "application/json", '"code":"6000"'),
        ("stale_object", 400, "application/json", "Wilhelmina Overbeeke-Ngata"),
        ("fault_in_200", 200, "application/json", '{"Fault":{"Error":['),
        ("html_200", 200, "text/html", "Sign in"),
        ("empty_200", 200, "application/json", ""),
        ("redirect", 302, "text/html", ""),
        ("wrong_content_type", 200, "text/html", '"QueryResponse"'),
        ("cut_json", 200, "application/json", '{"QueryResponse":{"Invoice":[{"Id":"1","Doc'),
    ],
)
def test_an_injected_fault_strikes_once_and_the_next_call_works(
    caller: Caller, kind: str, status: int, media_type: str, text: str
) -> None:
    caller.server.inject(kind, retry_after=9)
    answer = caller.get("query", query=ROWS)
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith(media_type)
    assert text in answer.text
    assert (not text) == (not answer.content)
    assert "intuit_tid" in answer.headers
    if status == 429:
        assert answer.headers["Retry-After"] == "9"
    assert len(caller.rows(ROWS)) == 20


def test_a_connection_can_be_reset_before_or_after_the_call(caller: Caller) -> None:
    for kind in ("reset", "reset_after"):
        caller.server.inject(kind)
        with pytest.raises(requests.ConnectionError):
            caller.query(ROWS)
        assert len(caller.rows(ROWS)) == 20


def test_a_reset_after_a_refresh_leaves_the_refresh_done() -> None:
    with calling(rotate_after_seconds=0) as caller:
        caller.server.inject("reset_after", endpoint="token")
        with pytest.raises(requests.ConnectionError):
            caller.refresh()
        assert caller.refresh().json() == {"error": "invalid_grant"}


def test_a_body_can_end_early(caller: Caller) -> None:
    caller.server.inject("truncated")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        caller.query(ROWS)


def test_a_compressed_body_can_be_damaged(caller: Caller) -> None:
    caller.server.inject("bad_gzip")
    with pytest.raises(requests.exceptions.ContentDecodingError):
        caller.query(ROWS)


@pytest.mark.parametrize("kind", ["slow_body", "hang"])
def test_an_answer_can_come_slower_than_a_client_waits(caller: Caller, kind: str) -> None:
    caller.server.inject(kind, seconds=20)
    with pytest.raises((requests.ConnectionError, requests.ReadTimeout)):
        caller.http.get(
            f"{caller.server.base_url}/v3/company/{caller.realm}/query",
            params={"query": ROWS},
            headers={**caller.headers(), "Accept-Encoding": "identity"},
            timeout=0.2,
        )


def test_a_slow_body_is_complete_in_the_end(caller: Caller) -> None:
    caller.server.inject("slow_body", seconds=0.02)
    assert len(caller.rows(ROWS)) == 20


def test_rules_choose_endpoint_entity_and_company(caller: Caller) -> None:
    caller.server.inject("forbidden", endpoint="cdc", next=1)
    caller.server.inject("error_500_html", entity="Bill", next=1)
    caller.server.inject("error_502_html", realm="9000000000000000", next=1)
    assert caller.query(ROWS).status_code == 200
    assert caller.query("select * from Bill").status_code == 500
    assert caller.cdc("Invoice", "2026-09-20").status_code == 403
    assert caller.cdc("Invoice", "2026-09-20").status_code == 200


def test_a_rule_can_let_calls_pass_first_and_strike_several(caller: Caller) -> None:
    caller.server.inject("error_503_html", skip=1, next=2)
    assert [caller.query(ROWS).status_code for _ in range(4)] == [200, 503, 503, 200]


def test_a_probability_strikes_some_calls(caller: Caller) -> None:
    caller.server.inject("error_503_html", probability=0.5)
    struck = [caller.query(ROWS).status_code for _ in range(60)].count(503)
    assert 10 < struck < 50
    caller.server.clear_faults()
    assert caller.query(ROWS).status_code == 200


def test_faults_leave_oauth_alone_unless_named(caller: Caller) -> None:
    caller.server.inject("error_503_html", probability=1.0)
    assert caller.refresh().status_code == 200
    caller.server.clear_faults()
    caller.server.inject("invalid_grant", endpoint="token")
    assert caller.refresh().json() == {"error": "invalid_grant"}
    assert caller.refresh().status_code == 200


def test_an_unknown_fault_or_an_endless_one_is_refused(caller: Caller) -> None:
    with pytest.raises(ValueError, match="explode"):
        caller.server.inject("explode")
    with pytest.raises(ValueError, match="next or probability"):
        caller.server.inject("reset", next=None)


def test_the_log_says_which_fault_struck(caller: Caller) -> None:
    caller.server.pop_log()
    caller.server.inject("reset")
    with pytest.raises(requests.ConnectionError):
        caller.query(ROWS)
    caller.query(ROWS)
    cut, good = caller.server.pop_log()
    assert (cut.fault, cut.status) == ("reset", 0)
    assert (good.fault, good.status, good.rows, good.target) == ("", 200, 20, ROWS)
    assert good.endpoint == "query"


def test_a_spent_quota_refuses_the_api_and_by_switch_the_token_endpoint_too(
    caller: Caller,
) -> None:
    caller.server.set(quota_spent="api")
    assert caller.get("query", query=ROWS).status_code == 429
    assert caller.refresh("made up").status_code == 400

    caller.server.set(quota_spent="everywhere")
    assert caller.refresh("made up").status_code == 429

    caller.server.set(quota_spent="no")
    assert caller.get("query", query=ROWS).status_code == 200
