"""A server error is an outage whatever code comes with it, in every dialect of Intuit's layers."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from ledgerguard_pipeline.entities import entity_type
from ledgerguard_pipeline.errors import (
    AccessDenied,
    AnswerTooBig,
    AnswerTooSlow,
    CompanyUnavailable,
    FailureKind,
    NotFound,
    PoisonPage,
    QBOAPIError,
    RequestRejected,
    ServiceUnavailable,
    Throttled,
)
from ledgerguard_pipeline.qbo.answers.faults import Where, error_for, fault_of, renewable
from ledgerguard_pipeline.qbo.client import QBOClient
from ledgerguard_pipeline.qbo.queries.statement import Query
from ledgerguard_pipeline_tests.qbo.scripted import DrivenClock, Script, Writer, reply

INVOICE = entity_type("Invoice")
WHERE = Where("9341453474484455", "Invoice", "1-tid")
TIME = "2026-11-22T01:00:00.123-08:00"
GOOD = {"QueryResponse": {"Invoice": [{"Id": "1"}]}, "time": TIME}
COUNTED = {"QueryResponse": {"totalCount": 7}, "time": TIME}
COMPANY = {"CompanyInfo": {"Id": "1", "CompanyName": "Sandbox"}, "time": TIME}

NAMES_CODE = "message=InternalServerError; errorCode={code:0>6}; statusCode={status}"

Dialect = Callable[[str, int, str], bytes]


def upper(code: str, status: int, text: str) -> bytes:
    entry = {"Message": text, "Detail": f"statusCode: {status}", "code": code, "element": ""}
    return json.dumps({"Fault": {"Error": [entry], "type": "AuthorizationFault"}}).encode()


def lower(code: str, status: int, text: str) -> bytes:
    message = f"message={text}; errorCode={code:0>6}; statusCode={status}"
    entry = {"message": message, "detail": None, "code": code, "element": None}
    return json.dumps({"warnings": None, "fault": {"error": [entry], "type": "SERVICE"}}).encode()


def xml(code: str, status: int, text: str) -> bytes:
    return (
        f'<IntuitResponse><Fault type="SERVICE"><Error code="{code}"><Message>{text}; '
        f"statusCode={status}</Message></Error></Fault></IntuitResponse>"
    ).encode()


def html(code: str, status: int, text: str) -> bytes:
    return (
        f"<html><head><title>Error report</title></head><body><h1>HTTP Status {status}</h1>"
        f"<p>(message={text}; errorCode={code:0>6}; statusCode={status}).</p></body></html>"
    ).encode()


def empty(code: str, status: int, text: str) -> bytes:
    del code, status, text
    return b""


DIALECTS: dict[str, Dialect] = {
    "upper": upper, "lower": lower, "xml": xml, "html": html, "empty": empty,
}  # fmt: skip


def error_of(status: int, body: bytes) -> QBOAPIError:
    return error_for(status, fault_of(body), WHERE, body=body)


@pytest.mark.parametrize(
    "body, said",
    [
        (
            {"Message": "Invalid Company Status Error", "code": "6190",
             "Detail": "Invalid Company Status Error : The subscription has ended"},
            "Invalid Company Status Error : The subscription has ended",
        ),
        ({"Message": "Invalid query", "code": "4001", "Detail": "Wrong"}, "Invalid query: Wrong"),
        ({"Message": "Same", "code": "4001", "Detail": "same"}, "same"),
    ],
)  # fmt: skip
def test_what_message_and_detail_both_say_is_said_once(body: dict[str, str], said: str) -> None:
    error = error_of(400, json.dumps({"Fault": {"Error": [body], "type": "X"}}).encode())
    assert str(error).startswith(f"QuickBooks answered {said}. ")


def test_what_is_title_and_heading_of_a_page_is_said_once() -> None:
    page = b"<title>HTTP Status 400 - errorCode=007001</title><h1>HTTP Status 400 - errorCode=007001</h1>"
    assert str(error_of(400, page)).count("007001") == 1


@pytest.mark.parametrize("status", [500, 501, 502, 503, 520, 599])
@pytest.mark.parametrize("code", ["3100", "120", "100", "3200", "6190", "610", "4001", "5020"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_server_error_is_an_outage_whatever_code_comes_with_it(
    dialect: str, code: str, status: int
) -> None:
    error = error_of(status, DIALECTS[dialect](code, status, "InternalServerError"))

    assert type(error) is ServiceUnavailable
    assert FailureKind.of(error) is FailureKind.TRANSIENT
    assert not renewable(error)
    assert "reconnect" not in error.message
    assert "INTUIT_ENV" not in error.message


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404])
@pytest.mark.parametrize("code", ["3100", "120", "7001", "3200"])
@pytest.mark.parametrize("dialect", [name for name in DIALECTS if name != "empty"])
def test_the_status_in_the_gateways_text_counts_as_much_as_its_own(
    dialect: str, code: str, status: int
) -> None:
    error = error_of(status, DIALECTS[dialect](code, 503, "InternalServerError"))

    assert type(error) is ServiceUnavailable


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_took_too_long_is_distinguished_from_other_outages(dialect: str) -> None:
    body = DIALECTS[dialect]("6002", 504, "Timeout occurred while proxying request")

    assert type(error_of(504, body)) is AnswerTooSlow
    assert type(error_of(408, b"")) is AnswerTooSlow


@pytest.mark.parametrize("status", [400, 500])
@pytest.mark.parametrize("dialect", ["upper", "lower", "xml", "html"])
def test_what_is_too_big_is_distinguished_from_an_outage_and_a_bad_record(
    dialect: str, status: int
) -> None:
    error = error_of(status, DIALECTS[dialect]("10100", status, "The result set is too big"))

    assert type(error) is AnswerTooBig


UNSUPPORTED = "Operation Could not find resource for relative : /v3/company/1/vendor is not"
VALIDATION = "A business validation error has occurred while processing your request"
LAPSED = "Subscription for company has lapsed or Invalid destination URL is used"
ENDED = "Subscription period has ended or canceled or there was a billing problem"


@pytest.mark.parametrize("dialect", ["upper", "lower", "xml", "html"])
@pytest.mark.parametrize(
    "code, text, expected",
    [
        ("500", UNSUPPORTED, ServiceUnavailable),
        ("500", "Unsupported Operation", RequestRejected),
        ("6000", "Business Validation Error: Please try again", ServiceUnavailable),
        ("6000", "Unexpected Internal Error. (-30000)", ServiceUnavailable),
        ("6000", VALIDATION, RequestRejected),
        ("7001", LAPSED, CompanyUnavailable),
        ("7001", "No destination found for given partition key", ServiceUnavailable),
        ("6190", f"Invalid Company Status Error : {ENDED}", CompanyUnavailable),
        ("9999", "The request timed out", ServiceUnavailable),
        ("9999", "Service temporarily unavailable", ServiceUnavailable),
        ("9999", "The field is unknown", RequestRejected),
        ("4001", "Property try again not found for Entity Invoice", RequestRejected),
        ("610", "Object Not Found : try again", NotFound),
    ],
)
def test_where_the_code_says_little_the_words_decide(
    code: str, text: str, expected: type[QBOAPIError], dialect: str
) -> None:
    assert type(error_of(400, DIALECTS[dialect](code, 400, text))) is expected


@pytest.mark.parametrize("status", [200, 400, 403])
def test_an_ended_subscription_is_recognised_by_its_words_as_well(status: int) -> None:
    body = upper("", status, f"Invalid Company Status{ENDED}")

    error = error_of(status, body)

    assert type(error) is CompanyUnavailable
    assert "renew" in error.message


def test_a_page_in_front_of_quickbooks_is_no_word_of_quickbooks() -> None:
    assert type(error_of(400, b"<html><h1>Bad Request</h1></html>")) is ServiceUnavailable
    assert type(error_of(400, b"")) is ServiceUnavailable
    assert type(error_of(400, upper("", 400, "Invalid query"))) is RequestRejected


def test_an_access_refused_by_quickbooks_itself_still_needs_a_person() -> None:
    for status, code in ((403, "3100"), (401, "100"), (400, "120"), (401, "130")):
        error = error_of(status, lower(code, status, "AuthorizationFailed"))
        assert type(error) is AccessDenied
        assert FailureKind.of(error) is FailureKind.NEEDS_HUMAN


def test_throttling_names_itself_in_any_status() -> None:
    for status in (200, 400, 403, 429, 503):
        assert type(error_of(status, lower("3001", 429, "ThrottleExceeded"))) is Throttled


PASSING: dict[str, Writer] = {
    "500 with 3100": reply(lower("3100", 500, "InternalServerError"), 500),
    "500 with 120": reply(xml("120", 500, "Unknown Error during Authentication"), 500),
    "400 and a page with 7001": reply(html("7001", 400, "No destination found"), 400),
    "400 with 500": reply(upper("500", 400, UNSUPPORTED), 400),
    "400 with 6000": reply(upper("6000", 400, "Please try again"), 400),
}


@pytest.mark.parametrize("refusal", PASSING.values(), ids=PASSING.keys())
def test_an_outage_is_asked_again_and_the_good_answer_counts(
    refusal: Writer, client: QBOClient, script: Script
) -> None:
    script.then(refusal, refusal, reply(GOOD))

    assert client.query_page(INVOICE, Query.select(INVOICE)).rows == 1
    assert len(script.requests) == 3


def test_a_lapsed_subscription_is_asked_about_once(client: QBOClient, script: Script) -> None:
    script.then(reply(lower("7001", 400, LAPSED), 400), reply(GOOD))

    with pytest.raises(CompanyUnavailable, match="renew") as caught:
        client.query_page(INVOICE, Query.select(INVOICE))
    assert len(script.requests) == 1
    assert caught.value.fault_code == "7001"


SYSTEM_FAILURE = reply(upper("10000", 500, "An application error has occurred"), 500)


@pytest.mark.parametrize("asked", ["count", "object", "company", "singleton"])
def test_where_no_rows_were_asked_for_no_record_is_blamed(
    asked: str, client: QBOClient, script: Script, clock: DrivenClock
) -> None:
    info = entity_type("CompanyInfo")
    calls: dict[str, tuple[Callable[[], object], object]] = {
        "count": (lambda: client.count_entities("Invoice"), COUNTED),
        "object": (lambda: client.get_entity("Invoice", "1"), {"Invoice": {"Id": "1"}}),
        "company": (client.company_info, COMPANY),
        "singleton": (
            lambda: client.query_page(info, Query.select(info, limit=None)),
            {"QueryResponse": {"CompanyInfo": [{"Id": "1"}]}, "time": TIME},
        ),
    }
    call, good = calls[asked]
    script.then(SYSTEM_FAILURE, SYSTEM_FAILURE, reply(good))

    call()

    assert len(script.requests) == 3
    script.then(*[SYSTEM_FAILURE] * 5)
    with pytest.raises(ServiceUnavailable):
        call()
    assert script.answers == []
    assert len(clock.slept) == 6


def test_where_rows_were_asked_for_the_second_failure_blames_one(
    client: QBOClient, script: Script
) -> None:
    spoilt = reply(upper("4002", 500, "Error processing query"), 500)
    script.then(SYSTEM_FAILURE, spoilt)

    with pytest.raises(PoisonPage):
        client.query_page(INVOICE, Query.select(INVOICE))
    assert len(script.requests) == 2
